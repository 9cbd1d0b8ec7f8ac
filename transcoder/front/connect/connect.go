// Package connect is the front for the Connect protocol (connectrpc.com/docs/protocol, version 1): unary calls as POST and,
// where a method has no side effects, as GET; streams as messages with lengths. Messages are protobuf or JSON.
//
// Read connect.go for the way of a request and media.go for its content types; unary.go, get.go and reply.go are a call of one
// message each way, end.go is how a stream ends, and package framed has the stream itself.
package connect

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// Protocol is the front's name in calls, logs and metrics.
const Protocol = "connect"

// framing is that of Connect's streams.
var framing = &framed.Protocol{
	Encoding: "Connect-Content-Encoding", Accept: "Connect-Accept-Encoding",
	CompressedMin: compressedBytesMin, Malformed: codes.InvalidArgument,
}

// compressedBytesMin is the shortest message that compressing makes shorter by more than it costs; it fits one packet anyway.
const compressedBytesMin = 1024

// Front serves Connect. It is safe for concurrent use.
type Front struct{ env front.Env }

// New returns the front of one listener.
func New(env front.Env) *Front { return &Front{env: env} }

// Detect reports whether a request says that it is Connect's: by its query if it is a GET, and else by its content type, or by
// a header where that is JSON, which REST has, too.
func (*Front) Detect(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet:
		return asksByGet(r)
	case http.MethodOptions, http.MethodHead:
		return false
	}
	return len(r.Header["Connect-Protocol-Version"]) > 0 || ownType(r.Header)
}

// ServeHTTP answers one call.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request, t *front.Table) {
	started := time.Now()
	path, query := front.Target(r)
	e := t.Methods[path] // as it was sent: a path that needs decoding is no method's
	if err := judge(w, r, e); err != nil {
		f.refuse(w, r, err, t.Types)
		return
	}
	m, asked, err := read(r, query)
	if err == nil {
		err = m.fit(e.Method)
	}
	if err != nil {
		f.refuse(w, r, err, t.Types)
		return
	}
	timeout, hasTimeout, err := front.Timeout(r.Header)
	if err != nil {
		f.refuse(w, r, err, t.Types)
		return
	}
	call := front.NewCall(&f.env, r, e.Method, Protocol, front.HyphenNames)
	call.Started, call.Timeout, call.HasTimeout = started, timeout, hasTimeout
	if m.stream {
		f.stream(w, r, e, call, m, t.Types)
		return
	}
	s := newUnary(f, w, r, e, call, m, asked)
	s.finish(front.Serve(e, call, s, front.Printf(r)), t.Types)
}

// judge refuses what is no call of any method.
func judge(w http.ResponseWriter, r *http.Request, e *front.Endpoint) error {
	switch {
	case front.HostsDisagree(r):
		return rpc.Errorf(codes.Internal, "MISDIRECTED", "the request names two hosts; leave the host header out")
	case e == nil:
		return rpc.Errorf(codes.Unimplemented, "METHOD_UNKNOWN", "there is no method at this path; check it against those that the gateway lists")
	case r.Method == http.MethodPost, r.Method == http.MethodGet && safe(e.Method):
		return nil
	}
	allow := http.MethodPost
	if safe(e.Method) {
		allow = "GET, POST"
	}
	w.Header().Set("Allow", allow)
	return rpc.Errorf(codes.Unknown, "METHOD_NOT_ALLOWED", "this call can be made by %s, not %s", allow, r.Method)
}

// safe reports whether a method can be called by GET.
func safe(m *rpc.Method) bool {
	o, _ := m.Descriptor.Options().(*descriptorpb.MethodOptions)
	return o.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS && !m.ClientStreams && !m.ServerStreams
}

// read finds out how a call is written. asked is what its query has, if it is a GET.
func read(r *http.Request, query string) (m media, asked *asked, err error) {
	if r.Method == http.MethodGet {
		return readQuery(query)
	}
	if version := r.Header["Connect-Protocol-Version"]; len(version) > 0 && version[0] != "1" {
		return m, nil, rpc.Errorf(codes.InvalidArgument, "PROTOCOL_VERSION", "the header connect-protocol-version must be 1")
	}
	m, err = readType(r.Header)
	return m, nil, err
}

// stream runs a call whose messages have lengths before them.
func (f *Front) stream(w http.ResponseWriter, r *http.Request, e *front.Endpoint, call *rpc.Call, m media, types program.Resolver) {
	o := framed.Options{Env: &f.env, W: w, R: r, Call: call, ContentType: m.reply()}
	if m.json {
		o.JSON = e
	}
	s := framed.New(framing, o)
	f.endStream(s, call.ID, front.Serve(e, call, s, front.Printf(r)), types)
}

// Refuse answers a call with an error, and records it as one that reached no method.
func (f *Front) Refuse(w http.ResponseWriter, r *http.Request, err error) { f.refuse(w, r, err, nil) }

func (f *Front) refuse(w http.ResponseWriter, r *http.Request, err error, types program.Resolver) {
	id := rpc.NewID()
	failure := f.env.Failure(err)
	f.env.Unrouted(Protocol, id, failure.HTTP, r)
	m, malformed := readType(r.Header)
	if malformed == nil && m.stream && r.Method != http.MethodGet && inStream(failure) {
		h := w.Header()
		h["Content-Type"] = m.reply()
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(framed.Frame(flagEnd, f.endOf(failure, nil, id, types))) // a client that is gone misses it
		return
	}
	front.FailureOf(err).SetHeaders(w.Header()) // which are told also where details are not
	front.Connect.Write(w, r, failure, id, types)
}

// inStream is false for what HTTP alone can say about a request.
func inStream(f front.Failure) bool {
	return f.HTTP != http.StatusMethodNotAllowed && f.HTTP != http.StatusUnsupportedMediaType && f.HTTP != http.StatusMisdirectedRequest
}
