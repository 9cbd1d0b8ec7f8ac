// Package fronttest is the contract of a front as a test. A front's own test calls Run with a way to send calls in the
// front's protocol; Run serves them with scripted endpoints and checks what those see and what the client gets.
//
// Read fronttest.go for what a front's test provides, then contract.go for what is asked of a front. What only one
// protocol has, such as the exact form of its errors, belongs into that front's own tests.
package fronttest

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// The methods of the schema that Run serves, one of each streaming kind, as gRPC paths. Requests and replies are notes:
// messages with one string field, text, number 1. Each can be called as POST to its path with a JSON body.
const (
	Unary         = "/gatehouse.fronttest.v1.Notes/Unary"
	ServerStreams = "/gatehouse.fronttest.v1.Notes/ServerStreams"
	ClientStreams = "/gatehouse.fronttest.v1.Notes/ClientStreams"
	BothStream    = "/gatehouse.fronttest.v1.Notes/BothStream"
)

// BodyBytesMax is the limit that the front under test is given.
const BodyBytesMax = 1 << 16

// Client sends calls to the front under test as its real clients do.
type Client interface {
	// Call sends one call and reads the answer to its end, also when ctx ends. It returns an error only when there is
	// no answer that the protocol can read.
	Call(ctx context.Context, r Request) (*Answer, error)
}

// Request is a call as a client makes it.
type Request struct {
	Path     string
	Metadata metadata.MD
	// Timeout is what the client asks for; 0 means nothing.
	Timeout time.Duration
	// Messages are the texts of the notes to send.
	Messages []string
	// Seen, unless nil, is called with each message as soon as it has arrived.
	Seen func(text string)
}

// Answer is what a client got. Trailers may be left out if the front's protocol has none.
type Answer struct {
	Header, Trailer metadata.MD
	Messages        []string
	Status          *status.Status
}

// Traits are the differences between protocols that the contract allows.
type Traits struct {
	// Protocol is what rpc.Call says.
	Protocol string
	// NoReplyMetadata says that headers and trailers of a reply have no place in the protocol.
	NoReplyMetadata bool
}

// Run checks a front. start serves h, or the front on its own if it is not an HTTP front, and returns a client for it;
// it leaves cleaning up to t. make returns the front for an environment.
func Run(t *testing.T, traits Traits, makeFront func(front.Env) front.Front, start func(t *testing.T, h http.Handler) Client) {
	s := &suite{traits: traits, endpoints: map[string]func(grpc.ServerStream) error{}, ignored: map[string]int{}}
	table, err := newTable(s)
	if err != nil {
		t.Fatal(err)
	}
	f := makeFront(s.env())
	s.client = start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.Detect(r) {
			t.Errorf("the front does not detect its own protocol: %s %s %v", r.Method, r.RequestURI, r.Header)
		}
		f.ServeHTTP(w, r, table)
	}))
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) { c.check(t, s) })
	}
}

// suite is one front under test with the scripts of its endpoints.
type suite struct {
	traits Traits
	client Client

	mu        sync.Mutex
	endpoints map[string]func(grpc.ServerStream) error
	ignored   map[string]int
}

// env is the environment of the front. Its addresses are recognisable, so that a front cannot make them up.
func (s *suite) env() front.Env {
	return front.Env{
		Listener:     rpc.ListenerAdmin,
		Client:       func(netip.Addr, http.Header) netip.Addr { return clientAddress },
		BodyBytesMax: BodyBytesMax,
		WebSocket:    front.WebSocket{MessageBytesMax: BodyBytesMax},
		Ignored: func(kind string, n int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.ignored[kind] += n
		},
		Unrouted: func(string, string, int, *http.Request) {},
	}
}

var clientAddress = netip.MustParseAddr("192.0.2.7")

// serve runs the script of a method.
func (s *suite) serve(path string, ss grpc.ServerStream) error {
	s.mu.Lock()
	script := s.endpoints[path]
	s.mu.Unlock()
	return script(ss)
}

// call scripts a method and calls it.
func (s *suite) call(t *testing.T, r Request, script func(grpc.ServerStream) error) *Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return s.callIn(ctx, t, r, script)
}

func (s *suite) callIn(ctx context.Context, t *testing.T, r Request, script func(grpc.ServerStream) error) *Answer {
	t.Helper()
	s.mu.Lock()
	s.endpoints[r.Path] = script
	s.mu.Unlock()
	if r.Messages == nil {
		r.Messages = []string{"hello"}
	}
	a, err := s.client.Call(ctx, r)
	if err != nil {
		t.Fatalf("%s: %v", r.Path, err)
	}
	return a
}

// patience bounds a call of a front that hangs.
const patience = 10 * time.Second
