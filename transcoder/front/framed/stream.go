package framed

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// Stream is the grpc.ServerStream of one HTTP request. As with grpc-go's, one goroutine may receive while another
// sends; headers and trailers may be set from any. RecvMsg may be waiting when the call ends: net/http ends it with
// the request, or, by HTTP/1.1, Close does.
type Stream struct {
	env      *front.Env
	w        http.ResponseWriter
	r        *http.Request
	call     *rpc.Call
	protocol *Protocol
	json     *front.Endpoint // nil where messages are protobuf
	base     context.Context // of the call
	rich     sync.Once
	ctx      context.Context // made when somebody asks for it
	single   bool            // one request message, read by the goroutine that serves the call
	out      io.Writer
	endFrame func() error

	unknown string          // the coding of requests, if it is one that we do not know
	coding  compress.Coding // of replies
	hurried bool            // belongs to the receiving goroutine, as source and reader do
	source  *bufio.Reader
	reader  reader
	drained atomic.Bool // the request was read to its end
	pace    front.Pace

	mu      sync.Mutex
	header  metadata.MD
	trailer metadata.MD
	sent    bool // headers are on their way

	sending  sync.Mutex // held while something is written
	prefix   [prefixLen]byte
	flusher  front.Flusher
	writing  atomic.Bool
	deadline *deadline
}

// readBytes is how much is read of a request at least, if it is there: each read costs HTTP/2 a message to the goroutine
// of the connection.
const readBytes = 512

// New prepares the stream of a call.
func New(p *Protocol, o Options) *Stream {
	s := &Stream{
		env: o.Env, w: o.W, r: o.R, call: o.Call, protocol: p, json: o.JSON,
		base:   o.Call.WithContext(o.R.Context()),
		single: !o.Call.Method.ClientStreams,
		out:    o.Out, endFrame: o.EndFrame,
		reader: reader{bytesMax: o.Env.BodyBytesMax, malformed: p.Malformed},
	}
	body := o.Body
	if body == nil {
		body = o.R.Body
	}
	s.source = bufio.NewReaderSize(body, readBytes)
	s.reader.body = s.source
	if s.out == nil {
		s.out = o.W
	}
	s.flusher = front.Flusher{Mu: &s.sending, Flush: s.flush}
	h := o.W.Header()
	h["Content-Type"] = o.ContentType
	if !s.single && o.R.ProtoMajor == 1 {
		// The backend may answer while requests still come.
		_ = http.NewResponseController(o.W).EnableFullDuplex() // net/http's always can
	}
	s.negotiate(h)
	return s
}

// codings are the names of what we read, as headers list them.
const codings = "gzip,zstd,identity"

// negotiate finds out how requests are compressed, and how replies may be.
func (s *Stream) negotiate(h http.Header) {
	named := ""
	if v := s.r.Header[s.protocol.Encoding]; len(v) > 0 {
		named = v[0]
	}
	ok := true
	if named != "" {
		s.reader.coding, ok = compress.Parse(named)
	}
	if !ok {
		s.unknown = named
		h[s.protocol.Accept] = []string{codings}
		return
	}
	accepts := s.r.Header[s.protocol.Accept]
	switch {
	case s.protocol.Mirrors && (s.reader.coding == compress.Identity || lists(accepts, named)):
		s.coding = s.reader.coding
	case !s.protocol.Mirrors:
		s.coding = compress.AcceptedInOrder(accepts)
	case len(accepts) > 0:
		s.coding, _ = compress.Accepted(accepts)
	}
}

// lists reports whether a client reads what it sends itself, which it does when it does not say.
func lists(accepts []string, coding string) bool {
	for _, v := range accepts {
		for name := range strings.SplitSeq(v, ",") {
			if strings.TrimSpace(name) == coding {
				return true
			}
		}
	}
	return len(accepts) == 0
}

// Context returns the request's context with what front.Endpoint promises.
func (s *Stream) Context() context.Context {
	s.rich.Do(func() { s.ctx = front.NewContext(s.base, s.r, s.call, transport{s}) })
	return s.ctx
}

// RecvMsg fills the frame with the next message. It is io.EOF after the last.
func (s *Stream) RecvMsg(m any) error {
	if s.unknown != "" {
		return rpc.Errorf(codes.Unimplemented, "ENCODING_UNKNOWN",
			"messages compressed by %q cannot be read here; use one of %s", s.unknown, codings)
	}
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return rpc.Codec{}.Unmarshal(nil, m) // which says what is wrong
	}
	data, err := s.next()
	if err != nil {
		if err == io.EOF {
			s.drained.Store(true)
		}
		return err
	}
	defer data.Free()
	if s.json != nil {
		return s.fromJSON(data, frame)
	}
	return rpc.Codec{}.Unmarshal(data, frame)
}

// next returns the next message, no later than it may come.
func (s *Stream) next() (mem.BufferSlice, error) {
	if !s.single {
		return s.nextOfMany()
	}
	s.watch()
	s.hurry()
	if err := s.deadline.read(true); err != nil {
		return nil, s.late(err)
	}
	data, err := s.reader.next()
	_ = s.deadline.read(false) // which cannot fail
	switch {
	case err == io.EOF:
		s.unhurry()
	case err != nil:
		err = s.late(err)
	}
	return data, err
}

// fromJSON fills the frame with what a text says.
func (s *Stream) fromJSON(data mem.BufferSlice, frame *rpc.Frame) error {
	if data.Len() == 0 {
		return front.NoJSON()
	}
	text := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer text.Free()
	return s.env.FillRequest(frame, s.json.FromJSON, program.Input{Body: text.ReadOnlyData()})
}

// SendMsg writes a message, and headers before the first. Replies of a server-streaming call leave when nothing
// follows at once; a single one leaves together with the end of the call.
func (s *Stream) SendMsg(m any) error {
	frame, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("framed sends *rpc.Frame, not %T", m)
	}
	if s.json != nil {
		return s.sendJSON(frame)
	}
	data, err := rpc.Codec{}.Marshal(frame)
	if err != nil {
		return err
	}
	if err := s.send(data); err != nil {
		return err
	}
	data.Free()
	return nil
}

// sendJSON writes a message as JSON.
func (s *Stream) sendJSON(frame *rpc.Frame) error {
	text := front.TakeBuffer()
	made, err := s.json.ToJSON.AppendJSON(text.Bytes[:0], frame.Bytes())
	if err != nil {
		text.Free()
		return err
	}
	text.Bytes = made
	if err := s.send(mem.BufferSlice{mem.SliceBuffer(made)}); err != nil {
		text.Abandon()
		return err
	}
	text.Free()
	return nil
}

// send writes a message. After an error its buffers are nobody's: net/http's HTTP/2 server has once read on from what it was
// given when a stream was reset (go.dev/issue/58446).
func (s *Stream) send(data mem.BufferSlice) error {
	var flag byte
	var packed mem.BufferSlice
	if n := data.Len(); s.coding != compress.Identity && n > 0 && n >= s.protocol.CompressedMin {
		var err error
		if packed, err = compressed(data, s.coding); err != nil {
			return err
		}
		flag, data = flagCompressed, packed
	}
	s.Begin()
	s.watch()
	s.sending.Lock()
	defer s.sending.Unlock()
	if err := s.write(flag, data); err != nil {
		return s.unsent(err)
	}
	packed.Free()
	if !s.call.Method.ServerStreams {
		return nil
	}
	if err := s.flusher.Written(); err != nil {
		return s.unsent(err)
	}
	return nil
}

// unsent says why replies are not taken.
func (s *Stream) unsent(err error) error {
	if !s.deadline.over() {
		return front.Gone(err)
	}
	return rpc.Errorf(codes.DeadlineExceeded, "DEADLINE_EXCEEDED",
		"the reply was not taken within %s; take it faster, or ask for more time", s.call.Timeout).Because(err)
}

// write writes one frame. The caller holds s.sending.
func (s *Stream) write(flag byte, data mem.BufferSlice) error {
	s.writing.Store(true)
	defer s.writing.Store(false)
	s.prefix[0] = flag
	binary.BigEndian.PutUint32(s.prefix[1:], uint32(data.Len()))
	if _, err := s.out.Write(s.prefix[:]); err != nil {
		return err
	}
	for _, b := range data {
		if _, err := s.out.Write(b.ReadOnlyData()); err != nil {
			return err
		}
	}
	if s.endFrame == nil {
		return nil
	}
	return s.endFrame()
}

// flush sends what was written. The caller holds s.sending.
func (s *Stream) flush() error {
	s.writing.Store(true)
	defer s.writing.Store(false)
	return http.NewResponseController(s.w).Flush()
}

// SetHeader adds to the headers. It fails once they are on their way.
func (s *Stream) SetHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent {
		return rpc.Errorf(codes.Internal, "HEADERS_SENT", "headers were set after they had been sent")
	}
	s.header = metadata.Join(s.header, md)
	return nil
}

// SendHeader sends the headers now.
func (s *Stream) SendHeader(md metadata.MD) error {
	if err := s.SetHeader(md); err != nil {
		return err
	}
	s.Begin()
	s.sending.Lock()
	defer s.sending.Unlock()
	return s.flush()
}

// SetTrailer adds to the trailers.
func (s *Stream) SetTrailer(md metadata.MD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
}

// Begin sends the headers if that has not happened; they leave with the next flush.
func (s *Stream) Begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent {
		return
	}
	s.sent = true
	h := s.w.Header()
	if s.coding != compress.Identity {
		h[s.protocol.Encoding] = []string{s.coding.String()}
	}
	s.env.WriteMetadata(h, s.header, "")
	s.Leave()
	s.w.WriteHeader(http.StatusOK)
}

// Leave says in the headers that an HTTP/1.1 connection ends with the call, if the rest of the request might still come: whoever
// reads the connection on must not take it for another request.
func (s *Stream) Leave() {
	if !s.single && s.r.ProtoMajor == 1 && !s.drained.Load() {
		s.w.Header().Set("Connection", "close")
	}
}

// Close ends what the stream does by itself. Only then the front writes the call's end, with Begin before it or, if nothing was
// sent, without. It returns the trailers, and whether there is anything that headers have to say or have said.
func (s *Stream) Close() (trailer metadata.MD, begun bool) {
	s.sending.Lock() // a flush that goes on may need the deadline to end
	s.flusher.Stop()
	s.sending.Unlock()
	s.deadline.stop()
	s.pace.Stop()
	if !s.single && s.r.ProtoMajor == 1 && !s.drained.Load() {
		// By HTTP/1.1 a request that is being read cannot be closed. To end at once could cost the client the answer.
		_ = http.NewResponseController(s.w).SetReadDeadline(time.Now().Add(linger))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trailer, s.sent || len(s.header) > 0
}

// linger is how long the rest of a request is still taken after the answer, as net/http does before it closes a connection.
const linger = 500 * time.Millisecond

// End writes a last frame, after Close and Begin. A client that is gone misses it.
func (s *Stream) End(flag byte, data []byte) {
	s.sending.Lock()
	defer s.sending.Unlock()
	_ = s.write(flag, mem.BufferSlice{mem.SliceBuffer(data)})
}

// transport is the stream as grpc.SetHeader and its like want it.
type transport struct{ s *Stream }

func (t transport) Method() string                  { return t.s.call.Method.Path }
func (t transport) SetHeader(md metadata.MD) error  { return t.s.SetHeader(md) }
func (t transport) SendHeader(md metadata.MD) error { return t.s.SendHeader(md) }
func (t transport) SetTrailer(md metadata.MD) error { t.s.SetTrailer(md); return nil }
