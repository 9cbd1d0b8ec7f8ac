package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// stream is one REST call as a grpc.ServerStream. One goroutine may receive while another sends.
//
// The response's head waits for the first message, or for the end, so that a failure before it has its true HTTP
// status; SendHeader only closes the header metadata. A unary reply waits for the end too, unless it is large (parts.go).
// A failure after the first message of many is told in a last one, {"error":{…}}, and the body ends as it should:
// cutting the connection off instead could lose it on its way. Clients that want to be certain which it is send
// TE: trailers: the trailer Gatehouse-Decision-Id is there only after a failure.
type stream struct {
	env   *front.Env
	w     http.ResponseWriter
	r     *http.Request
	route *front.Route
	types program.Resolver
	call  *rpc.Call
	base  context.Context // of the call
	rich  sync.Once
	ctx   context.Context // made when somebody asks for it
	path  []string
	query string

	response     *program.Response // that of the route, or what a field mask leaves of it
	coding       compress.Coding   // of the reply, if it is worth one
	mustCode     bool              // even if it is not
	encodes      bool              // one of compress.StreamEncoders is taken
	decodes      bool              // one of compress.StreamDecoders is
	early        error             // malformed headers, or a field mask that is wrong, told when the body's turn comes
	unacceptable error             // the Accept header rules everything out, told then, too
	requests     *requests         // a body of many messages; nil until the first
	upload       *upload           // a raw body of many messages; nil until the first
	pace         front.Pace        // of reading the request
	received     bool              // belongs to the receiving goroutine, as all above are read-only

	mu         sync.Mutex
	header     metadata.MD
	trailer    metadata.MD
	headerDone bool            // no more header metadata
	headDone   bool            // the response's head was written
	ended      bool            // the response belongs to net/http again
	media      string          // of the response
	json       *front.Buffer   // a unary reply, or the room for a line, without what has left; nil until there is one
	zip        compress.Writer // encodes what is written; nil if nothing does
	unchanged  bool            // the client has the reply already
	torn       bool            // parts of a message have left, and the rest has not
	counted    int             // bytes of those parts that HEAD only counts
	replied    bool
	failed     error       // why the only reply could not be kept
	began      atomic.Bool // a message of the client was asked for
	misread    atomic.Bool // a message of the client could not be read
	flusher    front.Flusher

	messages  int64       // that were sent of many
	lastEvent int64       // the last that the client of server-sent events had before
	greeted   bool        // it was told when to come again
	written   time.Time   // when it was told something last
	heart     *time.Timer // of its heartbeat; nil for none
}

// newStream starts the call that a request asks for.
func newStream(f *Front, w http.ResponseWriter, r *http.Request, t *front.Table, b *route.Binding[*front.Route], query string) *stream {
	s := &stream{
		env: &f.env, w: w, r: r, types: t.Types,
		route: b.Rule.Value, path: b.Values, query: query,
		call: front.NewCall(&f.env, r, b.Rule.Value.Method, Protocol, namesOf(b.Rule.Value)),
	}
	c := s.call
	if values := r.Header["Content-Range"]; s.route.RawRequest != nil && len(values) == 1 && front.Printable(values[0]) {
		c.Metadata["content-range"] = values // an upload may be resumed
	}
	if r.Method == http.MethodHead {
		delete(c.Metadata, "range") // only GET has ranges (RFC 9110, section 14.2)
	}
	if s.route.GRPCGateway {
		if front.Printable(r.Host) {
			c.Metadata["x-forwarded-host"] = []string{r.Host}
		}
		c.Timeout, c.HasTimeout, s.early = front.GRPCGatewayTimeout(r.Header)
	} else {
		c.Timeout, c.HasTimeout, s.early = front.Timeout(r.Header)
	}
	s.response = s.route.Response
	if s.early == nil && s.route.Request.TakesFieldMask() {
		s.early = s.choose()
	}
	if s.early == nil {
		s.early = s.chooseCoding()
	}
	s.base = c.WithContext(r.Context())
	s.negotiate()
	if s.early == nil {
		s.early = s.reserve()
	}
	if s.route.Method.ServerStreams {
		s.flusher = front.Flusher{Mu: &s.mu, Flush: s.flush}
	}
	if s.route.Method.ClientStreams {
		// The backend may answer while the body is still being read.
		_ = http.NewResponseController(w).EnableFullDuplex() // net/http's always can
	}
	return s
}

func namesOf(r *front.Route) front.Names {
	if r.GRPCGateway {
		return front.GRPCGatewayNames
	}
	return front.HyphenNames
}

// Context returns the call's context with everything in it that a grpc-go interceptor looks for.
func (s *stream) Context() context.Context {
	s.rich.Do(func() { s.ctx = front.NewContext(s.base, s.r, s.call, transportStream{s}) })
	return s.ctx
}

// choose takes of the reply what the caller's field mask names. It is early, because a backend may answer before the
// request is read.
func (s *stream) choose() error {
	mask, sent, err := s.route.Request.FieldMask(s.query, s.r.Header[headerFieldMask])
	if err != nil {
		return err
	}
	p, err := s.route.Response.Partial(mask, sent)
	if err == nil {
		s.response = p
	}
	return err
}

var headerFieldMask = http.CanonicalHeaderKey(program.HeaderFieldMask)

// RecvMsg binds the request into the *rpc.Frame m, or the next of many messages, and returns io.EOF after the last.
func (s *stream) RecvMsg(m any) error {
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("rest receives into *rpc.Frame, not %T", m)
	}
	s.began.Store(true)
	err := s.recv(frame)
	if err != nil && err != io.EOF {
		s.misread.Store(true)
	}
	return err
}

func (s *stream) recv(frame *rpc.Frame) error {
	switch {
	case s.route.RawRequest != nil && s.route.Method.ClientStreams && s.received:
		return s.receive(frame)
	case s.takesMany() && s.received:
		return s.receiveNext(frame)
	case s.received:
		return io.EOF
	}
	s.received = true
	return s.bind(frame)
}

// takesMany reports whether the body may have many messages. Without a body path and query are the only one.
func (s *stream) takesMany() bool {
	return s.route.Method.ClientStreams && s.route.Body != "" && s.route.RawRequest == nil
}

// bind reads the request into the frame. The order of its steps is the order in which refusals are given.
func (s *stream) bind(frame *rpc.Frame) error {
	if s.early != nil {
		return s.early
	}
	if s.unacceptable != nil {
		return s.unacceptable
	}
	s.beginEvents()
	if s.route.RawRequest != nil {
		if s.route.Method.ClientStreams {
			return s.receive(frame)
		}
		return s.bindRaw(frame)
	}
	if s.takesMany() {
		return s.receiveNext(frame)
	}
	if form, ok, err := s.formOf(); ok {
		return s.bindForm(frame, form)
	} else if err != nil {
		return err
	}
	stop := s.pace.Hurry(s.env, s.w, s.r, s.call)
	text := front.TakeBuffer()
	defer text.Free()
	body, err := s.readOnly(text)
	if err != nil {
		return s.offersForms(err)
	}
	stop()
	return s.fill(frame, body)
}

// fill makes the frame hold what path, query and a JSON text say.
func (s *stream) fill(frame *rpc.Frame, text []byte) error {
	in := program.Input{Path: s.path, Query: s.query, Body: text}
	if q := s.requests; q != nil && q.lines {
		in.LinesBefore = q.n - 1
	}
	return s.env.FillRequest(frame, s.route.Request, in)
}

// readOnly reads a body that is one message.
func (s *stream) readOnly(into *front.Buffer) ([]byte, error) {
	if s.route.GRPCGateway {
		return s.readLoosely(into)
	}
	return readBody(s.r, s.env.BodyBytesMax, into)
}

// negotiate settles the response's media type. A single reply can be a line, too. What raw bytes are only the backend knows.
func (s *stream) negotiate() {
	switch offers := unaryOffers; {
	case s.route.RawReply != nil && s.route.Method.ServerStreams:
		s.media = typeBytes // unless a message says otherwise
	case s.route.RawReply != nil, s.route.GRPCGateway:
		s.media = typeJSON
	default:
		if s.route.Method.ServerStreams {
			offers = streamOffers
		}
		if s.media, s.unacceptable = accepted(s.r.Header, offers); s.unacceptable != nil {
			s.media = offers[0]
		}
	}
}

// SendMsg writes the *rpc.Frame m, which it borrows, as JSON: at once if the method streams replies or the message is
// large, at the end of the call if not.
func (s *stream) SendMsg(m any) error {
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("rest sends *rpc.Frame, not %T", m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errEnded
	}
	s.headerDone = true
	if s.route.RawReply != nil {
		return s.sendRaw(frame)
	}
	if !s.route.Method.ServerStreams {
		return s.keep(frame)
	}
	return s.sendOne(frame, s.sequence())
}

// sendOne writes one message of many.
func (s *stream) sendOne(frame *rpc.Frame, q *sequence) error {
	if s.json == nil {
		s.json = front.TakeBuffer()
	}
	s.json.Bytes = q.before(s.json.Bytes[:0], s, s.messages)
	if err := s.render(frame); err != nil {
		return err
	}
	s.json.Bytes = append(s.json.Bytes, q.after...)
	s.writeHead()
	if s.r.Method == http.MethodHead {
		return rpc.Errorf(codes.Canceled, "HEAD_COMPLETE", "HEAD asks for no messages")
	}
	if err := s.writeLine(); err != nil {
		return err
	}
	s.torn = false
	s.messages++
	if s.heart != nil {
		s.written = time.Now()
	}
	return nil
}

// keep holds the only reply until the status is known.
func (s *stream) keep(frame *rpc.Frame) (err error) {
	if err := s.onlyReply(); err != nil {
		return err
	}
	if s.success() == http.StatusNoContent {
		return nil
	}
	if err = s.render(frame); err == nil && s.media != typeJSON {
		s.json.Bytes = append(s.json.Bytes, '\n')
	}
	s.failed = err
	return err
}

// onlyReply refuses a second reply of a method that does not stream.
func (s *stream) onlyReply() error {
	if s.replied {
		return rpc.Errorf(codes.Internal, "INTERNAL", "%s answers with one message", s.call.Method.Path).
			Because(errors.New("a second reply to a method that does not stream"))
	}
	s.replied = true
	return nil
}

// writeLine writes what is in s.json. It leaves when nothing follows at once.
func (s *stream) writeLine() error {
	if err := s.write(); err != nil {
		return front.Gone(err)
	}
	if err := s.flusher.Written(); err != nil {
		return front.Gone(err)
	}
	return nil
}

// write writes s.json. After an error the buffer is nobody's: net/http's HTTP/2 server has once read on from what it was
// given when a stream was reset (go.dev/issue/58446), and another call's reply must never come to stand there.
func (s *stream) write() error {
	_, err := s.writeBody(s.json.Bytes)
	if err != nil {
		s.json.Abandon()
		s.json = nil
	}
	return err
}

// SetHeader adds header metadata.
func (s *stream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.headerDone {
		return errHeaderDone
	}
	if len(md) > 0 {
		s.header = metadata.Join(s.header, md)
	}
	return nil
}

// SendHeader adds header metadata, after which there can be no more. Nothing is sent yet.
func (s *stream) SendHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.headerDone {
		return errHeaderDone
	}
	s.header, s.headerDone = metadata.Join(s.header, md), true
	return nil
}

// SetTrailer adds trailer metadata. Only a client that sent TE: trailers gets it.
func (s *stream) SetTrailer(md metadata.MD) {
	if len(md) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
}

var (
	errEnded      = errors.New("rest: the call has ended")
	errHeaderDone = errors.New("rest: header metadata was sent already")
)

// transportStream is what grpc.SetHeader and its likes find in the context.
type transportStream struct{ s *stream }

func (t transportStream) Method() string                  { return t.s.call.Method.Path }
func (t transportStream) SetHeader(md metadata.MD) error  { return t.s.SetHeader(md) }
func (t transportStream) SendHeader(md metadata.MD) error { return t.s.SendHeader(md) }
func (t transportStream) SetTrailer(md metadata.MD) error { t.s.SetTrailer(md); return nil }
