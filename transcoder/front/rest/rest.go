// Package rest is the front for REST and JSON: it finds the method by HTTP method and path, reads one request message
// out of path, query and body, and answers in JSON. A method that streams replies answers in lines of JSON (NDJSON), a JSON
// array or server-sent events.
//
// Read rest.go for the way of a request, stream.go for the grpc.ServerStream it becomes, response.go for its response,
// sequence.go for how many replies are written, and errors.go for the form of a failure.
package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// Protocol is the front's name in calls, logs and metrics.
const Protocol = "rest"

// Front serves REST. It is safe for concurrent use.
type Front struct {
	env front.Env
}

// New returns the front of one listener.
func New(env front.Env) *Front { return &Front{env: env} }

// Detect is always true: what no other front takes is REST.
func (f *Front) Detect(*http.Request) bool { return true }

// ServeHTTP answers one request. The order of refusals is that of the checks below and, inside Serve: what the driver
// admits, then what RecvMsg says about the body. Nothing of the body is read before the call was admitted, so a client
// that expects 100-continue sends none for a call that is refused.
//
// A panic behind the front is answered like any other failure. OPTIONS is answered from the routes alone.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request, t *front.Table) {
	if front.HostsDisagree(r) {
		f.Refuse(w, r, rpc.Errorf(codes.InvalidArgument, "MISDIRECTED", "the request names two hosts; leave the Host header out"))
		return
	}
	path, query := front.Target(r)
	var b route.Binding[*front.Route]
	err := f.match(r, t, path, &b)
	switch {
	case r.Method == http.MethodOptions && !f.takesOptions(t, path, err, &b):
		f.options(w, r, t, path)
		return
	case err != nil:
		f.refuse(w, r, t, path, err)
		return
	}
	if err := forged(r, b.Rule.Value.CORS); err != nil {
		f.Refuse(w, r, err)
		return
	}
	s := newStream(f, w, r, t, &b, query)
	s.finish(front.Serve(s.route.Endpoint, s.call, s, front.Printf(r)))
}

// Refuse answers a request with an error, and records it as one that reached no method.
func (f *Front) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	id := rpc.NewID()
	f.env.Unrouted(Protocol, id, writeError(w, r, err, id, nil, f.env.Errors), r)
}

// options lists the methods of a path (RFC 9110, section 9.3.7). OPTIONS * never comes here: net/http answers it.
func (f *Front) options(w http.ResponseWriter, r *http.Request, t *front.Table, path string) {
	allow := t.Routes.Allowed(path)
	if allow == nil {
		f.refuse(w, r, t, path, t.Routes.Match(r.Method, path, &route.Binding[*front.Route]{}))
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	w.WriteHeader(http.StatusNoContent)
	f.env.Unrouted(Protocol, rpc.NewID(), http.StatusNoContent, r)
}

// refuse answers a request that no route took.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request, t *front.Table, path string, err error) {
	var malformed *route.PathError
	var not *route.MethodNotAllowedError
	switch {
	case errors.As(err, &malformed) && f.env.GRPCGateway && (malformed.Fault == route.FaultDotSegment || malformed.Fault == route.FaultNUL):
		f.refuseLikeGRPCGateway(w, r, nil) // no harm in a path of which nothing is served
		return
	case errors.As(err, &malformed):
		err = rpc.Errorf(codes.InvalidArgument, "MALFORMED_PATH", "%s", malformed)
	case f.likeGRPCGateway(t, path, err):
		f.refuseLikeGRPCGateway(w, r, allowOf(err))
		return
	case errors.As(err, &not):
		w.Header().Set("Allow", strings.Join(not.Allow, ", "))
		err = rpc.Errorf(codes.Unimplemented, "METHOD_NOT_ALLOWED", "%s", not)
	default:
		err = rpc.Errorf(codes.NotFound, "ROUTE_NOT_FOUND", "nothing is served at this path%s", suggestion(t, path))
	}
	f.Refuse(w, r, err)
}

// allowOf is what methods a path is served by that the request's is not one of.
func allowOf(err error) []string {
	if not := new(route.MethodNotAllowedError); errors.As(err, &not) {
		return not.Allow
	}
	return nil
}

// suggestion is the cheapest of remedies: the path without its last slash, if something is served there.
func suggestion(t *front.Table, path string) string {
	const pathMax = 200 // keeps the message short
	short := strings.TrimSuffix(path, "/")
	if short == path || len(path) > pathMax || t.Routes.Allowed(short) == nil {
		return "; check it against the routes that the gateway lists"
	}
	return fmt.Sprintf("; did you mean %q, without the slash at its end?", short)
}
