package framed

import (
	"encoding/binary"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// hurry bounds the time until a request of one message is here, for calls that have no time limit of their own.
func (s *Stream) hurry() {
	if s.call.Timeout > 0 || s.env.StallTimeout <= 0 || s.hurried {
		return
	}
	s.hurried = true
	_ = http.NewResponseController(s.w).SetReadDeadline(time.Now().Add(s.messageTime())) // net/http's always can
}

// messageTime is how long a message may take from its first byte on.
func (s *Stream) messageTime() time.Duration {
	return s.env.StallTimeout + front.BodyTime(s.reader.bytesMax)
}

// unhurry is called when a request of one message is here. By HTTP/1.1 net/http reads on, to hear that the client is gone.
func (s *Stream) unhurry() {
	if s.hurried && s.r.ProtoMajor == 1 {
		_ = http.NewResponseController(s.w).SetReadDeadline(time.Time{})
	}
}

// nextOfMany returns the next message of a client that may send many. It may wait before one for as long as the call lasts, but not
// within one: the gateway holds what has come. A message that is here already costs no timer.
func (s *Stream) nextOfMany() (mem.BufferSlice, error) {
	if _, err := s.source.Peek(1); err != nil {
		return nil, s.reader.cut(err)
	}
	if s.env.StallTimeout > 0 && !s.here() {
		defer time.AfterFunc(s.messageTime(), func() { s.pace.Set(s.w, past) }).Stop()
	}
	data, err := s.reader.next()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = tooSlow(err)
	}
	return data, err
}

// here reports whether all of the next message was read already.
func (s *Stream) here() bool {
	n := s.source.Buffered()
	if n < prefixLen {
		return false
	}
	prefix, _ := s.source.Peek(prefixLen) // which is there
	return int64(n) >= prefixLen+int64(binary.BigEndian.Uint32(prefix[1:]))
}

func tooSlow(err error) error {
	return rpc.Errorf(codes.DeadlineExceeded, "BODY_TOO_SLOW", "the request message did not arrive in time").Because(err)
}

// late says that time is over, where a read failed because of it.
func (s *Stream) late(err error) error {
	if !s.deadline.over() {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return tooSlow(err)
		}
		return err
	}
	return rpc.Errorf(codes.DeadlineExceeded, "DEADLINE_EXCEEDED",
		"the request was not complete within %s; send it faster, or ask for more time", s.call.Timeout).Because(err)
}

// watch ends what the client keeps waiting when the call's time is over: reading a request that never becomes
// complete, or writing replies that are never read. net/http knows no context for either. It starts with the first
// message, when the checks have said how long the call may take, in the goroutine that serves the call. Many requests
// are read in another, for which nobody waits at the end.
func (s *Stream) watch() {
	if s.call.Timeout <= 0 || s.deadline != nil {
		return
	}
	d := &deadline{}
	s.deadline = d
	rc := http.NewResponseController(s.w)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(time.Until(s.call.Started.Add(s.call.Timeout)), func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.stopped {
			return
		}
		d.fired = true
		if d.reading {
			_ = rc.SetReadDeadline(past) // net/http's always can
		}
		if s.writing.Load() {
			_ = rc.SetWriteDeadline(time.Now().Add(grace)) // most likely it gets on, and how the call ends can be told
		}
	})
}

// grace is how long a reply that is being written when time is over may still take.
const grace = 100 * time.Millisecond

// past is a time that is over.
var past = time.Unix(1, 0)

// errLate stands for a read that did not begin.
var errLate = errors.New("time is over")

// deadline is the timer of watch. Its methods do nothing on nil.
type deadline struct {
	timer *time.Timer

	mu             sync.Mutex
	fired, stopped bool
	reading        bool // a request of one message is read
}

// read says that reading begins or ends. It fails to begin when time is over.
func (d *deadline) read(begins bool) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if begins && d.fired {
		return errLate
	}
	d.reading = begins
	return nil
}

// stop lets the timer do nothing from now on: the response is no longer ours after the request.
func (d *deadline) stop() {
	if d == nil {
		return
	}
	d.timer.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
}

func (d *deadline) over() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fired
}
