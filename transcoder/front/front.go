// Package front is the contract between the gateway and its fronts. A front turns one protocol into a
// grpc.ServerStream; everything behind that stream is the same for all of them. Its rooms: rest, grpc, grpcweb, connect, websocket. The test that
// every front passes is in fronttest.
package front

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// Front speaks one protocol on an HTTP listener. It is safe for concurrent use.
type Front interface {
	// Detect reports whether the request is in the front's protocol. It looks at the method, the query and headers only.
	Detect(r *http.Request) bool
	// ServeHTTP answers the request from the table, which stays valid until it returns. A call that goes on afterwards is told
	// by Env.Outlive.
	ServeHTTP(w http.ResponseWriter, r *http.Request, t *Table)
	// Refuse answers a request that whoever stands before the front does not let in.
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// Table is what one listener of one snapshot serves. It is immutable.
type Table struct {
	// Methods by gRPC path, "/pkg.Service/Method".
	Methods map[string]*Endpoint
	// Routes are the REST faces, the unannotated POST /pkg.Service/Method among them.
	Routes *route.Router[*Route]
	// Types are the snapshot's message and extension types, to show the details of errors; nil means that only the
	// types that the gateway is linked with are shown.
	Types program.Resolver
	// Documents are what the gateway itself tells about the table, by path. They answer every request to their path.
	Documents map[string]Document
	// GRPCGateway says that some route has the habits of grpc-gateway.
	GRPCGateway bool
	// Hold keeps the table valid until release is called. Nil: it stays valid.
	Hold func() (release func())
	// CrossOrigin says that some endpoint has a CORS policy, or the table.
	CrossOrigin bool
	// CORS is the policy for what no endpoint is found for; nil allows nothing.
	CORS *cors.Policy
}

// Document writes a document for the query of a request: its content, which is the same for as long as the table lives and must not be
// changed, its media type and its ETag. It is safe for concurrent use.
type Document func(query url.Values) (content []byte, media, etag string, err error)

// Endpoint is one method of a table.
type Endpoint struct {
	Method *rpc.Method
	// FromJSON and ToJSON are the programs of a whole request and a whole reply, for protocols that know the method by its
	// gRPC path.
	FromJSON *program.Request
	ToJSON   *program.Response
	// CORS says which web pages may call; nil allows none of another origin.
	CORS *cors.Policy
	// Serve runs the whole call on a front's stream: checks, backend, replies. The stream's context carries incoming
	// metadata, peer.Peer, a grpc.ServerTransportStream and the rpc.Call; c's own may lack all but the call, because few
	// ask for them. RecvMsg and SendMsg take *rpc.Frame: RecvMsg fills it and returns io.EOF after the last message,
	// SendMsg borrows it. The front writes the returned error in its own form; nil is OK. Headers and trailers were set
	// on the stream by then.
	Serve func(c *rpc.Call, ss grpc.ServerStream) error
}

// Route is one REST face of a method.
type Route struct {
	*Endpoint
	// Request turns path, query and body into the request message; Response writes a reply as JSON.
	Request  *program.Request
	Response *program.Response
	// Errors is how errors look, unless the client asks for another shape.
	Errors Shape
	// Success is the HTTP status of a success; 0 is 200. With 204 the reply has no body.
	Success int
	// RawRequest is set where the request's body is a google.api.HttpBody, and RawReply where that of the reply is: bytes that
	// pass as they are.
	RawRequest, RawReply *RawBody
	// GRPCGateway says that the route has the habits of grpc-gateway's generated proxy.
	GRPCGateway bool
	// Elements is set where a body that is a JSON array holds many messages: the method takes many, and a body is no array itself.
	Elements bool
	// Form is set where the body may also be an HTML form.
	Form *Form
	// Body and ResponseBody are the rule's selectors, and JSON is how the messages look, for those who list routes.
	Body, ResponseBody string
	JSON               program.Options
}

// Form says what the fields of an HTML form set.
type Form struct {
	// Request binds them as parameters, together with those values of the path that Vars lists.
	Request *program.Request
	Vars    []int
	// Field is the field of the request message that Request's message is; 0: it is the request message.
	Field protoreflect.FieldNumber
}

// RawBody says where in a message its google.api.HttpBody is: in a field, or with 0 it is the message.
type RawBody struct{ Field protoreflect.FieldNumber }

// Env is what a listener tells its fronts. It is immutable.
type Env struct {
	Listener rpc.Listener
	// Client returns the caller's address: the peer's, or what a trusted proxy said.
	Client func(peer netip.Addr, h http.Header) netip.Addr
	// BodyBytesMax bounds one request message after decompression.
	BodyBytesMax int
	// StallTimeout is how long a client may take for a request body, besides the time that its size allows; 0 is no bound.
	StallTimeout time.Duration
	// WebSocket bounds its connections.
	WebSocket WebSocket
	// BareErrors leaves the details of the gateway's own errors out, by gRPC, gRPC-Web and Connect.
	BareErrors bool
	// Ending is over when calls that still run on connections which net/http does not know any more have to end. Nil: never.
	Ending context.Context
	// Outlive is called before ServeHTTP returns while a call goes on: the table stays valid, and the listener waits for the
	// call, until ended is called. Nil: nobody cares.
	Outlive func(t *Table) (ended func())
	// Errors is how errors of REST look that come before a route is found.
	Errors Shape
	// GRPCGateway says that REST has the habits of grpc-gateway's generated proxy where no route is found.
	GRPCGateway bool
	// ETags says that REST replies get an ETag of the gateway where the backend gives none.
	ETags bool
	// Compress says that REST replies may be compressed.
	Compress bool
	// Heartbeat is how long a client of server-sent events hears nothing before it is sent a comment, and Retry what it is told to
	// wait before it comes again; 0 is never, and nothing.
	Heartbeat, Retry time.Duration
	// Ignored counts a field, parameter, header or message that was left out, by its kind: "field", "header", "message". Never nil.
	Ignored func(kind string, n int)
	// Done reports a request that ended before it reached a method, such as an unknown path, by its HTTP status.
	// Never nil.
	Unrouted func(protocol string, id string, httpStatus int, r *http.Request)
}

// WebSocket is what one connection may do.
type WebSocket struct {
	// MessageBytesMax bounds one message.
	MessageBytesMax int
	// PingInterval is how often a client is asked for a sign of life, and PingTimeout how long it may take to give one. Without
	// an interval nobody is asked.
	PingInterval, PingTimeout time.Duration
	// CredentialWait is how long a client that sends its credential as the first message may take for it; 0 is no bound.
	CredentialWait time.Duration
}

// Status returns the status of any error as the gRPC family of protocols shows it. nil is OK.
func (e *Env) Status(err error) *status.Status {
	var own *rpc.Error
	if e.BareErrors && errors.As(err, &own) {
		return own.Bare()
	}
	return rpc.StatusOf(err)
}

// Failure is FailureOf for protocols that show errors as the gRPC family does.
func (e *Env) Failure(err error) Failure {
	f := FailureOf(err)
	if f.Own && e.BareErrors {
		f.Status = e.Status(err)
	}
	return f
}
