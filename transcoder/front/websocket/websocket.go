// Package websocket is the front for WebSocket (RFC 6455): a connection is one call of a method of any streaming kind, a
// frame one message, and the close code the call's status.
//
// Read websocket.go for the way of a handshake, handshake.go for what it asks for, credential.go for what may come first, stream.go for the grpc.ServerStream that
// a connection becomes, message.go for what a message is and how long it may take, life.go for how a client is found to be
// gone, and end.go for how a call ends.
package websocket

import (
	"errors"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// Protocol is the front's name in calls, logs and metrics.
const Protocol = "websocket"

// Front serves WebSocket. It is safe for concurrent use.
type Front struct{ env front.Env }

// New returns the front of one listener.
func New(env front.Env) *Front { return &Front{env: env} }

// Detect reports whether the request is a handshake. HTTP/2 has none (RFC 8441 is not spoken).
func (*Front) Detect(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.Method == http.MethodGet && has(r.Header, "Connection", "upgrade") && has(r.Header, "Upgrade", "websocket")
}

// ServeHTTP serves one handshake and the call that it opens. What can be refused by headers is refused before the upgrade,
// by an HTTP status: the connection changes its protocol when the call was admitted and its first message is waited for. A
// client that sends its credential as the first message is admitted after that.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request, t *front.Table) {
	face, err := find(r, t)
	if err != nil {
		f.Refuse(w, r, err)
		return
	}
	asked, err := f.judge(r, face)
	if err != nil {
		f.Refuse(w, r, err)
		return
	}
	s, err := newStream(f, w, r, t, face, asked)
	if err != nil {
		f.Refuse(w, r, err)
		return
	}
	if f.env.Outlive != nil {
		s.release = f.env.Outlive(t)
	}
	go f.run(s, r)
	if <-s.parted; s.broken {
		panic(http.ErrAbortHandler)
	}
}

// run serves a call in a goroutine of its own, because that of net/http has a deep stack, and its connection holds buffers
// until ServeHTTP returns.
func (f *Front) run(s *stream, r *http.Request) {
	defer s.leave()
	if !s.asked.authFirst || f.authenticated(s, r) {
		s.finish(front.Serve(s.face.Endpoint, s.call, s, s.printf))
	}
}

// authenticated ends the call of a client whose first message is no credential.
func (f *Front) authenticated(s *stream, r *http.Request) bool {
	err := s.authenticate()
	if err != nil {
		f.env.Unrouted(Protocol, s.call.ID, front.FailureOf(err).HTTP, r)
		s.finish(err)
	}
	return err == nil
}

// Refuse answers a handshake with an error, and records it as one that reached no method.
func (f *Front) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	id := rpc.NewID()
	f.env.Unrouted(Protocol, id, writeError(w, r, err, id, nil), r)
}

// face is a method as an address shows it: by its gRPC path, or by a REST route, whose path and query are bound into every
// message.
type face struct {
	*front.Endpoint
	request  *program.Request
	response *program.Response
	path     []string
	query    string
	plain    bool // the gRPC path, where messages can be protobuf
	bodiless bool // the request is path and query alone
}

// verbs are the HTTP methods whose routes a handshake may name, which itself is always a GET.
var verbs = [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// find looks the method up, the gRPC path first.
func find(r *http.Request, t *front.Table) (*face, error) {
	path, query := front.Target(r)
	if e := t.Methods[path]; e != nil {
		return &face{Endpoint: e, request: e.FromJSON, response: e.ToJSON, query: query, plain: true}, nil
	}
	for _, verb := range verbs {
		var b route.Binding[*front.Route]
		err := t.Match(verb, path, false, &b)
		if malformed := new(route.PathError); errors.As(err, &malformed) {
			return nil, rpc.Errorf(codes.InvalidArgument, "MALFORMED_PATH", "%s", malformed)
		}
		if v := b.Rule; err == nil {
			return &face{
				Endpoint: v.Value.Endpoint, request: v.Value.Request, response: v.Value.Response,
				path: b.Values, query: query, bodiless: v.Value.Body == "" && !v.Value.Method.ClientStreams,
			}, nil
		}
	}
	return nil, rpc.Errorf(codes.NotFound, "ROUTE_NOT_FOUND", "nothing is served at this path; check it against the routes that the gateway lists")
}

// allowed reports whether a web page of an origin may call: one of the host that it calls, or of an origin that the method's
// policy allows. A proxy may have taken TLS off, so https is right without it, too.
func allowed(r *http.Request, e *front.Endpoint, origin string) bool {
	scheme, host, port, ok := cors.SplitOrigin(origin)
	if ok && (scheme == "https" || scheme == "http" && r.TLS == nil) {
		_, calledHost, calledPort, ok := cors.SplitOrigin(scheme + "://" + strings.ToLower(strings.TrimSuffix(r.Host, defaultPorts[scheme])))
		if ok && host == calledHost && port == calledPort {
			return true
		}
	}
	if front.Certified(r) {
		return e.CORS.Trusts(origin) // browsers show the certificate, whatever the page says
	}
	return e.CORS.Allows(origin)
}

// defaultPorts are what a Host header may have and an origin never has.
var defaultPorts = map[string]string{"http": ":80", "https": ":443"}
