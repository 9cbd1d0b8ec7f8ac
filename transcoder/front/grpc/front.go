package grpc

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// Front is gRPC on an HTTP listener. It is safe for concurrent use.
type Front struct{ env front.Env }

// New returns the front of a listener.
func New(env front.Env) *Front { return &Front{env: env} }

// Detect reports whether the content type is gRPC's, whatever the method and HTTP version: what it gets wrong it
// should hear in its own protocol. gRPC-Web is another protocol.
func (*Front) Detect(r *http.Request) bool {
	_, ok := subtype(r.Header.Get("Content-Type"))
	return ok
}

// ServeHTTP answers one call. Requests that are not gRPC over HTTP/2 get the HTTP status that the gRPC specification
// names, everything else is HTTP 200 and says how it went in grpc-status.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request, t *front.Table) {
	started := time.Now()
	name, _ := subtype(r.Header.Get("Content-Type"))
	timeout, hasTimeout, badTimeout := timeoutOf(r.Header)
	e := t.Methods[r.RequestURI] // as it was sent: a path that needs decoding is no method's
	switch {
	case front.HostsDisagree(r):
		f.refuse(w, r, http.StatusMisdirectedRequest, rpc.Errorf(codes.Internal, "MISDIRECTED", "the request names two hosts; leave the host header out"))
	case r.ProtoMajor < 2:
		f.refuse(w, r, http.StatusHTTPVersionNotSupported, rpc.Errorf(codes.Internal, "HTTP_VERSION", "gRPC needs HTTP/2; this came by %s", r.Proto))
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		f.refuse(w, r, http.StatusMethodNotAllowed, rpc.Errorf(codes.Internal, "METHOD_NOT_ALLOWED", "gRPC calls are POST requests, not %s", r.Method))
	case badTimeout != nil:
		f.refuse(w, r, http.StatusBadRequest, rpc.Errorf(codes.Internal, "TIMEOUT_MALFORMED", "malformed grpc-timeout: %v", badTimeout))
	case name != subtypeJSON && admitSubtype(name) != nil:
		f.unrouted(w, r, http.StatusUnsupportedMediaType, admitSubtype(name))
	case e == nil:
		f.unrouted(w, r, http.StatusNotFound, unknown(r.RequestURI))
	default:
		call := front.NewCall(&f.env, r, e.Method, protocol, front.AllNames)
		call.Started, call.Timeout, call.HasTimeout = started, timeout, hasTimeout
		s := f.newStream(w, r, e, call, name)
		f.finish(w, s, call.ID, f.env.Status(front.Serve(e, call, s, front.Printf(r))))
	}
}

// Refuse answers a call with an error, and records it as one that reached no method.
func (f *Front) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	record := http.StatusForbidden
	if rpc.StatusOf(err).Code() == codes.Unauthenticated {
		record = http.StatusUnauthorized
	}
	f.unrouted(w, r, record, err)
}

// refuse answers a request that is not a gRPC call, with an HTTP status of its own and the status for clients that
// look for it.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request, httpStatus int, err error) {
	id := rpc.NewID()
	f.env.Unrouted(protocol, id, httpStatus, r)
	writeRefusal(w, r, httpStatus, id, f.env.Status(err))
}

// unrouted answers a gRPC call that has no method. The record has the HTTP status that REST would have given.
func (f *Front) unrouted(w http.ResponseWriter, r *http.Request, httpStatus int, err error) {
	id := rpc.NewID()
	f.env.Unrouted(protocol, id, httpStatus, r)
	writeRefusal(w, r, http.StatusOK, id, f.env.Status(err))
}
