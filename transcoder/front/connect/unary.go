package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// unary is a call of one message each way as a grpc.ServerStream. The reply waits for the end of the call, because trailers
// come before it, and a failure has an HTTP status of its own.
type unary struct {
	env   *front.Env
	w     http.ResponseWriter
	r     *http.Request
	e     *front.Endpoint
	call  *rpc.Call
	media media
	asked *asked          // nil for a POST
	base  context.Context // of the call
	rich  sync.Once
	ctx   context.Context // made when somebody asks for it
	pace  front.Pace

	received bool // belongs to the receiving goroutine

	mu         sync.Mutex
	header     metadata.MD
	trailer    metadata.MD
	headerDone bool
	replied    bool
	failed     error           // why the reply could not be kept
	wire       mem.BufferSlice // the reply in protobuf
	text       *front.Buffer   // or in JSON
}

func newUnary(f *Front, w http.ResponseWriter, r *http.Request, e *front.Endpoint, call *rpc.Call, m media, a *asked) *unary {
	return &unary{env: &f.env, w: w, r: r, e: e, call: call, media: m, asked: a, base: call.WithContext(r.Context())}
}

// Context returns the request's context with what front.Endpoint promises.
func (s *unary) Context() context.Context {
	s.rich.Do(func() { s.ctx = front.NewContext(s.base, s.r, s.call, transport{s}) })
	return s.ctx
}

// RecvMsg fills the frame with the request, and returns io.EOF after it.
func (s *unary) RecvMsg(m any) error {
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("connect receives into *rpc.Frame, not %T", m)
	}
	if s.received {
		return io.EOF
	}
	s.received = true
	text := front.TakeBuffer()
	body, err := s.body(text)
	switch {
	case err != nil:
		text.Free()
		return err
	case !s.media.json:
		text.Bytes = body
		text.Fill(frame)
		return nil
	}
	defer text.Free()
	return s.fromJSON(body, frame)
}

// fromJSON fills the frame with what a text says, which is never empty: that would be no JSON.
func (s *unary) fromJSON(text []byte, frame *rpc.Frame) error {
	if len(text) == 0 {
		return front.NoJSON()
	}
	return s.env.FillRequest(frame, s.e.FromJSON, program.Input{Body: text})
}

// body returns the request's message without its coding, in the buffer or not.
func (s *unary) body(into *front.Buffer) ([]byte, error) {
	limit := s.env.BodyBytesMax
	if s.asked != nil {
		return front.ReadBody(bytes.NewReader(s.asked.message), s.asked.coding, len(s.asked.message), limit, into)
	}
	coding := compress.Identity
	if v := s.r.Header["Content-Encoding"]; len(v) > 0 {
		var ok bool
		if coding, ok = compress.Parse(strings.ToLower(v[0])); !ok || len(v) > 1 {
			s.w.Header()["Accept-Encoding"] = []string{compress.Names}
			return nil, unknownCoding(v[0])
		}
	}
	if s.r.ContentLength > int64(limit) {
		return nil, front.TooLarge(limit)
	}
	stop := s.pace.Hurry(s.env, s.w, s.r, s.call)
	body, err := front.ReadBody(s.r.Body, coding, int(s.r.ContentLength), limit, into)
	if err == nil {
		stop()
	}
	return body, err
}

// SendMsg keeps the reply, which it borrows, for the end of the call.
func (s *unary) SendMsg(m any) error {
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("connect sends *rpc.Frame, not %T", m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.replied {
		return rpc.Errorf(codes.Internal, "INTERNAL", "%s answers with one message", s.call.Method.Path).
			Because(errors.New("a second reply to a method that does not stream"))
	}
	s.replied, s.headerDone = true, true
	if s.media.json {
		s.text = front.TakeBuffer()
		s.text.Bytes, s.failed = s.e.ToJSON.AppendJSON(s.text.Bytes, frame.Bytes())
	} else {
		s.wire, s.failed = rpc.Codec{}.Marshal(frame)
	}
	return s.failed
}

var errHeaderDone = errors.New("connect: header metadata was sent already")

// SetHeader adds header metadata.
func (s *unary) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.headerDone {
		return errHeaderDone
	}
	s.header = metadata.Join(s.header, md)
	return nil
}

// SendHeader adds header metadata, after which there can be no more. Nothing is sent yet.
func (s *unary) SendHeader(md metadata.MD) error {
	err := s.SetHeader(md)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headerDone = true
	return err
}

// SetTrailer adds trailer metadata.
func (s *unary) SetTrailer(md metadata.MD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
}

// transport is the stream as grpc.SetHeader and its like want it.
type transport struct{ s *unary }

func (t transport) Method() string                  { return t.s.call.Method.Path }
func (t transport) SetHeader(md metadata.MD) error  { return t.s.SetHeader(md) }
func (t transport) SendHeader(md metadata.MD) error { return t.s.SendHeader(md) }
func (t transport) SetTrailer(md metadata.MD) error { t.s.SetTrailer(md); return nil }
