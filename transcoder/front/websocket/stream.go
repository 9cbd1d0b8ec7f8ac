package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// stream is one connection as a grpc.ServerStream. One goroutine may receive while another sends.
//
// The client says that it will send no more by an empty text frame, which no message is: JSON is never empty, and protobuf
// comes in binary frames. Methods that take one message do not need it. Their connection is read on in a goroutine of its
// own, because only who reads hears that the client is gone.
//
// Header and trailer metadata have no place in the protocol, and are left out.
type stream struct {
	env     *front.Env
	w       http.ResponseWriter
	r       *http.Request
	face    *face
	asked   asked
	types   program.Resolver
	call    *rpc.Call
	base    context.Context // of the call; its cause says why it ended
	cancel  context.CancelCauseFunc
	parted  chan struct{} // closed when the request was answered: net/http may let go of it
	broken  bool          // by a panic; written before parted is closed
	release func()        // what the call holds beyond its request; nil for nothing
	printf  func(format string, args ...any)
	rich    sync.Once
	ctx     context.Context // made when somebody asks for it

	messages expected      // what the client sends
	half     bool          // the client has sent everything; belongs to the receiving goroutine
	wrong    atomic.Int32  // the close code of what is wrong with the client's frames
	reading  atomic.Bool   // somebody reads, so that a pong would be heard
	writing  atomic.Bool   // somebody writes, and a ping would have to wait
	moved    atomic.Uint64 // counts whatever comes, and messages that left
	owed     atomic.Int64  // bytes that were sent since the client has answered a ping

	mu         sync.Mutex
	conn       *websocket.Conn // nil before the upgrade
	wire       net.Conn        // what it runs on
	refused    error           // why there is none
	ended      bool
	headerDone bool
	pings      *time.Timer
	stopDrain  func() bool
	stopWatch  func() bool // ends the watch over net/http's connection
}

var (
	errGone      = errors.New("websocket: the client is gone")
	errGoingAway = errors.New("websocket: the gateway shuts down")
	errEnded     = errors.New("websocket: the call has ended")
	errSlow      = errors.New("websocket: the client takes too long")
	errHeader    = errors.New("websocket: header metadata was sent already")
)

// newStream starts the call that a handshake asks for.
func newStream(f *Front, w http.ResponseWriter, r *http.Request, t *front.Table, face *face, a asked) (*stream, error) {
	s := &stream{env: &f.env, w: w, r: r, face: face, asked: a, types: t.Types, parted: make(chan struct{}), printf: front.Printf(r)}
	s.messages = expected{kind: websocket.MessageText, bytesMax: s.env.WebSocket.MessageBytesMax}
	if a.subprotocol == subprotocolProto {
		s.messages.kind = websocket.MessageBinary
	}
	c := front.NewCall(s.env, r, face.Method, Protocol, front.HyphenNames)
	for key := range c.Metadata {
		if strings.HasPrefix(key, "sec-websocket-") { // a token may be in it
			delete(c.Metadata, key)
		}
	}
	if a.token != "" {
		c.Metadata["authorization"] = []string{"Bearer " + a.token}
	}
	var err error
	if c.Timeout, c.HasTimeout, err = front.Timeout(r.Header); err != nil {
		return nil, err
	}
	s.call = c
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	s.base, s.cancel = c.WithContext(ctx), cancel
	s.stopWatch = context.AfterFunc(r.Context(), func() { cancel(errGone) })
	return s, nil
}

// Context returns the call's context with everything in it that a grpc-go interceptor looks for.
func (s *stream) Context() context.Context {
	s.rich.Do(func() { s.ctx = front.NewContext(s.base, s.r, s.call, transportStream{s}) })
	return s.ctx
}

// accept upgrades the connection, once.
func (s *stream) accept() (*websocket.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return nil, errEnded
	case s.conn != nil || s.refused != nil:
		return s.conn, s.refused
	}
	s.w.Header().Set("Gatehouse-Decision-Id", s.call.ID)
	o := &websocket.AcceptOptions{InsecureSkipVerify: true} // the origin was judged by our own rule
	if s.asked.subprotocol != "" {
		o.Subprotocols = []string{s.asked.subprotocol}
	}
	if !s.stopWatch() {
		s.refused = errGone
		return nil, s.refused
	}
	h := &hijacker{ResponseWriter: s.w}
	if s.conn, s.refused = websocket.Accept(h, s.r, o); s.refused != nil {
		s.cancel(errGone)
		return nil, s.refused
	}
	s.wire = h.wire
	s.part()
	s.conn.SetReadLimit(-1) // read bounds each message
	if every := s.env.WebSocket.PingInterval; every > 0 {
		s.pings = time.AfterFunc(every, s.ping)
	}
	if s.env.Ending != nil {
		s.stopDrain = context.AfterFunc(s.env.Ending, func() { s.cancel(errGoingAway) })
	}
	return s.conn, nil
}

// part lets net/http's goroutine go, and forgets what is net/http's.
func (s *stream) part() {
	s.w, s.r = nil, &http.Request{RemoteAddr: s.r.RemoteAddr, TLS: s.r.TLS} // all that NewContext asks for
	close(s.parted)
}

// unseen reports whether the connection still is HTTP's; if it is, nobody upgrades it any more.
func (s *stream) unseen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = s.conn == nil && s.refused == nil
	return s.ended
}

// end lets nobody begin anything.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.pings != nil {
		s.pings.Stop()
	}
	if s.stopDrain != nil {
		s.stopDrain()
	}
}

// RecvMsg fills the *rpc.Frame m with the next message. It is io.EOF after the last.
func (s *stream) RecvMsg(m any) error {
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("websocket receives into *rpc.Frame, not %T", m)
	}
	if s.half {
		return io.EOF
	}
	conn, err := s.accept()
	if err != nil {
		return front.Gone(err)
	}
	if !s.face.Method.ClientStreams {
		return s.receiveOnly(conn, frame)
	}
	got := s.read(conn, s.messages)
	if got.err == io.EOF {
		s.half = true
		go s.watch(conn)
	}
	return s.fill(frame, got)
}

// receiveOnly waits for the one message of a call, no longer than the call may take.
func (s *stream) receiveOnly(conn *websocket.Conn, frame *rpc.Frame) error {
	s.half = true
	if s.face.bodiless {
		go s.watch(conn)
		return s.fill(frame, received{text: front.TakeBuffer()})
	}
	first, want := make(chan received), s.messages
	ctx := s.call.Context()
	want.within = s.env.StallTimeout
	go func() {
		got := s.read(conn, want)
		select {
		case first <- got:
		case <-ctx.Done(): // it comes too late
			got.text.Free()
		}
		if got.err == nil || got.err == io.EOF {
			go s.watch(conn) // with a stack that no message has made deep
		}
	}()
	return s.fill(frame, s.await(first))
}

// await waits for what somebody reads, no longer than the call may take.
func (s *stream) await(read <-chan received) received {
	select {
	case got := <-read:
		return got
	case <-s.call.Context().Done():
		return received{err: s.call.Context().Err()}
	}
}

// fill makes the frame hold what was received.
func (s *stream) fill(frame *rpc.Frame, got received) error {
	if got.err != nil {
		return got.err
	}
	if s.asked.subprotocol == subprotocolProto {
		got.text.Fill(frame)
		return nil
	}
	defer got.text.Free()
	return s.env.FillRequest(frame, s.face.request, program.Input{Path: s.face.path, Query: s.face.query, Body: got.text.Bytes})
}

// watch reads on when the client has sent what it had to, to hear that it is gone. Anything else ends the call, too; the
// empty text frame of a client that says so anyway does no harm.
func (s *stream) watch(conn *websocket.Conn) {
	for {
		got := s.read(conn, s.messages)
		switch {
		case got.err == io.EOF:
			continue
		case got.err == nil:
			got.text.Free()
			s.cancel(rpc.Errorf(codes.Unimplemented, "REQUEST_REPEATED", "a message came after the last that %s takes", s.face.Method.Name()))
			return
		}
		s.cancel(got.err)
		return
	}
}

// SendMsg sends the *rpc.Frame m, which it borrows.
func (s *stream) SendMsg(m any) error {
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("websocket sends *rpc.Frame, not %T", m)
	}
	if _, err := s.accept(); err != nil {
		return front.Gone(err)
	}
	s.mu.Lock()
	s.headerDone = true
	s.mu.Unlock()
	if s.asked.subprotocol == subprotocolProto {
		return s.write(websocket.MessageBinary, frame.Bytes())
	}
	text := front.TakeBuffer()
	defer text.Free()
	var err error
	if text.Bytes, err = s.face.response.AppendJSON(text.Bytes[:0], frame.Bytes()); err != nil {
		return err
	}
	return s.write(websocket.MessageText, text.Bytes)
}

// SetHeader takes header metadata, which goes nowhere.
func (s *stream) SetHeader(metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.headerDone {
		return errHeader
	}
	return nil
}

// SendHeader takes header metadata, after which there can be no more.
func (s *stream) SendHeader(md metadata.MD) error {
	if err := s.SetHeader(md); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headerDone = true
	return nil
}

// SetTrailer takes trailer metadata, which goes nowhere.
func (s *stream) SetTrailer(metadata.MD) {}

// transportStream is what grpc.SetHeader and its likes find in the context.
type transportStream struct{ s *stream }

func (t transportStream) Method() string                  { return t.s.call.Method.Path }
func (t transportStream) SetHeader(md metadata.MD) error  { return t.s.SetHeader(md) }
func (t transportStream) SendHeader(md metadata.MD) error { return t.s.SendHeader(md) }
func (t transportStream) SetTrailer(md metadata.MD) error { t.s.SetTrailer(md); return nil }
