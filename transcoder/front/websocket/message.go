package websocket

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

const (
	// rateMin is the slowest rate, in bytes a second, at which a client may send a message or take one: a bad mobile
	// connection has more.
	rateMin = 64 << 10
	// stepBytes is how much of a message is waited for at a time, so that it is seen whether it gets on.
	stepBytes = 16 << 10
)

// expected is what a message has to be.
type expected struct {
	kind     websocket.MessageType
	bytesMax int
	// within is how long it may take from now on, besides the time that its size allows. 0: it may begin whenever it wants, and
	// has the stall timeout from then on.
	within time.Duration
}

// received is a message, or why there is none.
type received struct {
	text *front.Buffer
	err  error
}

// read waits for one message, of which it never holds more than the limit. io.EOF is the empty text frame.
func (s *stream) read(conn *websocket.Conn, want expected) received {
	s.reading.Store(true)
	defer s.reading.Store(false)
	p := pace{stream: s, limit: want.within}
	p.step(0)
	defer p.stop()
	kind, source, err := conn.Reader(context.Background()) // which ends with the connection
	if err != nil {
		return received{err: s.lost(err)}
	}
	if p.limit == 0 {
		p.limit = s.env.StallTimeout
	}
	text := front.TakeBuffer()
	if text.Bytes, err = appendAll(text.Bytes, source, want.bytesMax+1, p.step); err == nil {
		err = s.check(kind, text.Bytes, want)
	} else {
		err = s.lost(err)
	}
	if err != nil {
		text.Free()
		return received{err: err}
	}
	return received{text: text}
}

// appendAll reads to the end, or until there are most bytes. It calls step with what it has before it waits for more.
func appendAll(into []byte, source io.Reader, most int, step func(have int)) ([]byte, error) {
	for len(into) < most {
		if cap(into) == len(into) {
			into = append(into, 0)[:len(into)]
		}
		step(len(into))
		n, err := source.Read(into[len(into):min(cap(into), len(into)+stepBytes, most)])
		into = into[:len(into)+n]
		if err == io.EOF {
			return into, nil
		}
		if err != nil {
			return into, err
		}
	}
	return into, nil
}

// pace is how long a message may take. 0 is no limit.
type pace struct {
	*stream
	limit time.Duration
	began time.Time
}

// step sets until when more has to come.
func (p *pace) step(have int) {
	p.moved.Add(1)
	if p.limit <= 0 {
		return
	}
	if p.began.IsZero() {
		p.began = time.Now()
	}
	_ = p.wire.SetReadDeadline(p.began.Add(p.limit + atRate(have))) // reading fails if this does
}

func (p *pace) stop() {
	if !p.began.IsZero() {
		_ = p.wire.SetReadDeadline(time.Time{}) // as above
	}
}

// atRate is what so many bytes take at the slowest rate.
func atRate(bytes int) time.Duration { return time.Duration(bytes) * time.Second / rateMin }

// check judges a message as the protocol sees it.
func (s *stream) check(kind websocket.MessageType, text []byte, want expected) error {
	switch {
	case len(text) > want.bytesMax:
		s.wrong.Store(int32(websocket.StatusMessageTooBig))
		return rpc.Errorf(codes.ResourceExhausted, "BODY_TOO_LARGE", "the message is larger than %d bytes; send less at a time", want.bytesMax)
	case kind == websocket.MessageText && len(text) == 0:
		return io.EOF
	case kind == websocket.MessageText && !utf8.Valid(text):
		s.wrong.Store(int32(websocket.StatusInvalidFramePayloadData))
		return rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "a text frame must be UTF-8")
	case kind != want.kind:
		s.wrong.Store(int32(websocket.StatusUnsupportedData))
		return rpc.Errorf(codes.InvalidArgument, "FRAME_TYPE", "messages are text frames of JSON, or binary frames of protobuf where %s was asked for", subprotocolProto)
	}
	return nil
}

// write gives a client that takes nothing up after a while, which is longer for a large message.
func (s *stream) write(kind websocket.MessageType, data []byte) error {
	s.writing.Store(true)
	defer s.writing.Store(false)
	ctx := context.Background() // as above
	if s.env.StallTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.env.StallTimeout+atRate(len(data)))
		defer cancel()
	}
	if err := s.conn.Write(ctx, kind, data); err != nil {
		return s.lost(err)
	}
	s.owed.Add(int64(len(data)))
	s.moved.Add(1)
	return nil
}

// lost says why nothing came: the client was too slow, or it is gone, which ends the call.
func (s *stream) lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return rpc.Errorf(codes.DeadlineExceeded, "BODY_TOO_SLOW", "the message did not arrive in time").Because(errSlow)
	}
	s.cancel(errGone)
	return front.Gone(err)
}
