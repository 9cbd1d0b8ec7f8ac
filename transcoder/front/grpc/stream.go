package grpc

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// stream is the grpc.ServerStream of one HTTP/2 request. As with grpc-go's, one goroutine may receive while another
// sends; headers and trailers may be set from any. RecvMsg may be waiting when the call ends: net/http ends it with
// the request.
type stream struct {
	w      http.ResponseWriter
	r      *http.Request
	call   *rpc.Call
	base   context.Context // of the call
	rich   sync.Once
	ctx    context.Context // made when somebody asks for it
	single bool            // one request message, read by the goroutine that serves the call

	stall    time.Duration // how long a request of one message may stand still
	hurried  bool          // belongs to the receiving goroutine
	reader   reader
	compress bool // replies are compressed

	mu      sync.Mutex
	header  metadata.MD
	trailer metadata.MD
	sent    bool // headers are on their way

	sending  sync.Mutex // held while something is written
	flusher  front.Flusher
	writing  atomic.Bool
	deadline *deadline
}

// readBytes is how much is read of a request at least, if it is there: each read costs HTTP/2 a message to the goroutine
// of the connection.
const readBytes = 512

// plainType is a header's value, which nobody changes in place.
var plainType = []string{contentType}

// newStream prepares the stream of a call.
func newStream(w http.ResponseWriter, r *http.Request, call *rpc.Call, bytesMax int, stall time.Duration) *stream {
	s := &stream{
		w:      w,
		r:      r,
		call:   call,
		base:   call.WithContext(r.Context()),
		stall:  stall,
		single: !call.Method.ClientStreams,
		reader: reader{body: bufio.NewReaderSize(r.Body, readBytes), encoding: r.Header.Get("Grpc-Encoding"), bytesMax: bytesMax},
	}
	s.flusher = front.Flusher{Mu: &s.sending, Flush: s.flush}
	h := w.Header()
	h["Date"], h["Content-Length"] = nil, nil // clients would take them for metadata
	h["Content-Type"] = plainType
	if name, _ := subtype(r.Header.Get("Content-Type")); name != "" {
		h.Set("Content-Type", contentType+"+"+name)
	}
	switch s.reader.encoding {
	case "", encoding.Identity:
	case gzip.Name:
		// As grpc-go does: who sends gzip gets gzip.
		s.compress = accepts(r.Header.Values("Grpc-Accept-Encoding"))
	default:
		h.Set("Grpc-Accept-Encoding", encodings)
	}
	return s
}

// Context returns the request's context with what front.Endpoint promises.
func (s *stream) Context() context.Context {
	s.rich.Do(func() { s.ctx = front.NewContext(s.base, s.r, s.call, transport{s}) })
	return s.ctx
}

// RecvMsg fills the frame with the next message. It is io.EOF after the last.
func (s *stream) RecvMsg(m any) error {
	switch s.reader.encoding {
	case "", encoding.Identity, gzip.Name:
	default:
		return rpc.Errorf(codes.Unimplemented, "ENCODING_UNKNOWN",
			"messages compressed by %q cannot be read here; use one of %s", s.reader.encoding, encodings)
	}
	if s.single {
		s.watch()
		s.hurry()
	}
	data, err := s.reader.next()
	if err != nil {
		if s.single {
			return s.late(err)
		}
		return err
	}
	defer data.Free()
	return rpc.Codec{}.Unmarshal(data, m)
}

// SendMsg writes a message, and headers before the first. Replies of a server-streaming call leave when nothing
// follows at once; a single one leaves together with the trailers.
func (s *stream) SendMsg(m any) error {
	data, err := rpc.Codec{}.Marshal(m)
	if err != nil {
		return err
	}
	defer data.Free()
	prefix, payload, err := message(data, s.compress)
	if err != nil {
		return err
	}
	defer payload.Free()
	s.writeHeader()
	s.watch()
	s.sending.Lock()
	defer s.sending.Unlock()
	s.writing.Store(true)
	defer s.writing.Store(false)
	if _, err := s.w.Write(prefix[:]); err != nil {
		return err
	}
	for _, b := range payload {
		if _, err := s.w.Write(b.ReadOnlyData()); err != nil {
			return err
		}
	}
	if !s.call.Method.ServerStreams {
		return nil
	}
	return s.flusher.Written()
}

// flush sends what was written. The caller holds s.sending.
func (s *stream) flush() error {
	s.writing.Store(true)
	defer s.writing.Store(false)
	return http.NewResponseController(s.w).Flush()
}

// SetHeader adds to the headers. It fails once they are on their way.
func (s *stream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent {
		return rpc.Errorf(codes.Internal, "HEADERS_SENT", "headers were set after they had been sent")
	}
	s.header = metadata.Join(s.header, md)
	return nil
}

// SendHeader sends the headers now.
func (s *stream) SendHeader(md metadata.MD) error {
	if err := s.SetHeader(md); err != nil {
		return err
	}
	s.writeHeader()
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.flush()
}

// SetTrailer adds to the trailers.
func (s *stream) SetTrailer(md metadata.MD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
}

// writeHeader sends the headers if that has not happened; they leave with the next flush.
func (s *stream) writeHeader() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent {
		return
	}
	s.sent = true
	h := s.w.Header()
	if s.compress {
		h.Set("Grpc-Encoding", gzip.Name)
	}
	front.WriteMetadata(h, s.header, "")
	s.w.WriteHeader(http.StatusOK)
}

// finish ends the call. If nothing was sent, headers and status are one block ("Trailers-Only").
func (s *stream) finish(st *status.Status) {
	s.sending.Lock() // a flush that goes on may need the deadline to end
	s.flusher.Stop()
	s.sending.Unlock()
	s.deadline.stop()
	s.mu.Lock()
	only := !s.sent && len(s.header) == 0
	trailer := s.trailer
	s.mu.Unlock()
	h, prefix := s.w.Header(), ""
	if !only {
		s.writeHeader()
		prefix = http.TrailerPrefix
	}
	front.WriteMetadata(h, trailer, prefix)
	writeStatus(h, prefix, s.call.ID, st)
	if only {
		s.w.WriteHeader(http.StatusOK)
	}
}

// bodyRateMin is the slowest rate, in bytes a second, at which a request of one message may come.
const bodyRateMin = 64 << 10

// hurry bounds the time until a request of one message is here, for calls that have no time limit of their own.
func (s *stream) hurry() {
	if s.call.Timeout > 0 || s.stall <= 0 || s.hurried {
		return
	}
	s.hurried = true
	limit := s.stall + time.Duration(s.reader.bytesMax)*time.Second/bodyRateMin
	_ = http.NewResponseController(s.w).SetReadDeadline(time.Now().Add(limit)) // HTTP/2 always can
}

// late says that time is over, where a read failed because of it.
func (s *stream) late(err error) error {
	if !s.deadline.over() {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return rpc.Errorf(codes.DeadlineExceeded, "BODY_TOO_SLOW", "the request message did not arrive in time").Because(err)
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
func (s *stream) watch() {
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
		past := time.Unix(1, 0)
		if s.single {
			_ = rc.SetReadDeadline(past) // HTTP/2 always can
		}
		if s.writing.Load() {
			_ = rc.SetWriteDeadline(past)
		}
	})
}

// deadline is the timer of watch. Its methods do nothing on nil.
type deadline struct {
	timer *time.Timer

	mu             sync.Mutex
	fired, stopped bool
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

// transport is the stream as grpc.SetHeader and its like want it.
type transport struct{ s *stream }

func (t transport) Method() string                  { return t.s.call.Method.Path }
func (t transport) SetHeader(md metadata.MD) error  { return t.s.SetHeader(md) }
func (t transport) SendHeader(md metadata.MD) error { return t.s.SendHeader(md) }
func (t transport) SetTrailer(md metadata.MD) error { t.s.SetTrailer(md); return nil }

// accepts reports whether a client reads gzip; one that does not say reads what it sends.
func accepts(values []string) bool {
	for _, v := range values {
		for name := range strings.SplitSeq(v, ",") {
			if strings.TrimSpace(name) == gzip.Name {
				return true
			}
		}
	}
	return len(values) == 0
}
