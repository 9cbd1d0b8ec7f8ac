// Package grpcweb is the front for gRPC-Web: gRPC for clients that cannot read HTTP trailers, web pages above all, over
// HTTP/1.1 and HTTP/2, with messages in protobuf or JSON, as bytes or as base64 text.
//
// Read grpcweb.go for the way of a request, media.go for its content types, text.go for base64, and end.go for how a call ends;
// package framed has the stream.
package grpcweb

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
)

// Protocol is the front's name in calls, logs and metrics.
const Protocol = "grpcweb"

// framing is that of gRPC.
var framing = &framed.Protocol{
	Encoding: "Grpc-Encoding", Accept: "Grpc-Accept-Encoding", Mirrors: true, Malformed: codes.Internal,
}

// Front serves gRPC-Web. It is safe for concurrent use.
type Front struct{ env front.Env }

// New returns the front of one listener.
func New(env front.Env) *Front { return &Front{env: env} }

// Detect reports whether the content type is gRPC-Web's, known or not, whatever the method.
func (*Front) Detect(r *http.Request) bool { return isWeb(r.Header) }

// ServeHTTP answers one call. What is no call at all gets an HTTP status of its own, everything else is HTTP 200 and says how
// it went in grpc-status.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request, t *front.Table) {
	started := time.Now()
	m, known := mediaOf(r.Header)
	path, query := front.Target(r)
	e := t.Methods[path] // as it was sent: a path that needs decoding is no method's
	timeout, hasTimeout, badTimeout := front.Timeout(r.Header)
	switch {
	case front.HostsDisagree(r):
		f.refuse(w, r, http.StatusMisdirectedRequest, rpc.Errorf(codes.Internal, "MISDIRECTED", "the request names two hosts; leave the host header out"))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		f.refuse(w, r, http.StatusMethodNotAllowed, rpc.Errorf(codes.Internal, "METHOD_NOT_ALLOWED", "gRPC-Web calls are POST requests, not %s", r.Method))
	case !known:
		w.Header().Set("Accept-Post", acceptPost)
		f.refuse(w, r, http.StatusUnsupportedMediaType, rpc.Errorf(codes.Internal, front.ReasonMediaType, "this Content-Type is not served; send one of %s", acceptPost))
	case e == nil || query != "":
		f.unrouted(w, r, http.StatusNotFound, rpc.Errorf(codes.Unimplemented, "METHOD_UNKNOWN", "there is no method at this path; check it against those that the gateway lists"))
	case badTimeout != nil:
		f.unrouted(w, r, http.StatusBadRequest, badTimeout)
	default:
		call := front.NewCall(&f.env, r, e.Method, Protocol, front.HyphenNames)
		call.Started, call.Timeout, call.HasTimeout = started, timeout, hasTimeout
		delete(call.Metadata, "x-grpc-web") // which only says what Content-Type says, too
		f.serve(w, r, e, call, m)
	}
}

// serve runs a call on its stream.
func (f *Front) serve(w http.ResponseWriter, r *http.Request, e *front.Endpoint, call *rpc.Call, m media) {
	o := framed.Options{Env: &f.env, W: w, R: r, Call: call, ContentType: []string{m.reply}}
	if m.json {
		o.JSON = e
	}
	if m.text {
		o.Body = &textReader{source: r.Body}
	}
	if m.textReply {
		text := newTextWriter(w)
		o.Out, o.EndFrame = text, text.pad
	}
	s := framed.New(framing, o)
	f.finish(w, s, call.ID, front.Serve(e, call, s, front.Printf(r)))
}

// Refuse answers a call with an error, and records it as one that reached no method.
func (f *Front) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	f.unrouted(w, r, front.FailureOf(err).HTTP, err)
}

// refuse answers a request that is not a gRPC-Web call, with an HTTP status of its own and the status for clients that look
// for it.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request, httpStatus int, err error) {
	id := rpc.NewID()
	f.env.Unrouted(Protocol, id, httpStatus, r)
	f.writeRefusal(w, r, httpStatus, id, err)
}

// unrouted answers a call that has no method. The record has the HTTP status that REST would have given.
func (f *Front) unrouted(w http.ResponseWriter, r *http.Request, httpStatus int, err error) {
	id := rpc.NewID()
	f.env.Unrouted(Protocol, id, httpStatus, r)
	f.writeRefusal(w, r, http.StatusOK, id, err)
}
