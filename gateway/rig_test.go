package gateway

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend"
	"github.com/gatehouse-gateway/gatehouse/interceptors"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	grpcfront "github.com/gatehouse-gateway/gatehouse/transcoder/front/grpc"
)

// soon is how long a test waits for what should have happened already.
const soon = 10 * time.Second

// service is a real grpc-go backend whose methods are given by the test.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	output func(*testpb.StreamingOutputCallRequest, testpb.TestService_StreamingOutputCallServer) error
	input  func(testpb.TestService_StreamingInputCallServer) error
	duplex func(testpb.TestService_FullDuplexCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s *service) StreamingOutputCall(r *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
	return s.output(r, ss)
}

func (s *service) StreamingInputCall(ss testpb.TestService_StreamingInputCallServer) error {
	return s.input(ss)
}

func (s *service) FullDuplexCall(ss testpb.TestService_FullDuplexCallServer) error {
	return s.duplex(ss)
}

// rig is a backend, the driver, and one of the two gRPC listeners.
type rig struct {
	testpb.TestServiceClient
	conn   *grpc.ClientConn
	server *grpc.Server // the backend's
	// done has the final status of each call, once per Done.
	done chan *status.Status
	// calls has the same calls.
	calls chan *rpc.Call
}

// each runs a test against both listeners.
func each(t *testing.T, s *service, checks []rpc.Check, test func(t *testing.T, r *rig)) {
	for _, listener := range []string{"native", "public"} {
		t.Run(listener, func(t *testing.T) {
			leak.Check(t)
			test(t, newRig(t, listener, s, checks, nil))
		})
	}
}

// newRig starts everything. With a nil b the calls go to s.
func newRig(t testing.TB, listener string, s *service, checks []rpc.Check, b rpc.Backend) *rig {
	r := &rig{done: make(chan *status.Status, 100), calls: make(chan *rpc.Call, 100)}
	if b == nil {
		b = r.backend(t, s)
	}
	checks = append(checks, rpc.Check{Done: func(c *rpc.Call, st *status.Status) { r.calls <- c; r.done <- st }})
	table := tableOf(b, checks)
	env := front.Env{
		BodyBytesMax: 4 << 20,
		Client:       func(peer netip.Addr, _ http.Header) netip.Addr { return peer },
		Ignored:      func(string, int) {},
		Unrouted:     func(string, string, int, *http.Request) {},
	}
	addr := listen(t, listener, env, table)
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r.conn, r.TestServiceClient = conn, testpb.NewTestServiceClient(conn)
	return r
}

func (r *rig) backend(t testing.TB, s *service) rpc.Backend {
	l := local(t)
	r.server = grpc.NewServer()
	testpb.RegisterTestServiceServer(r.server, s)
	go r.server.Serve(l)
	t.Cleanup(r.server.Stop)
	return dial(t, l.Addr().String())
}

// dial returns the backend at an address.
func dial(t testing.TB, addr string) rpc.Backend {
	b, release, err := backend.New(backend.Config{}).Backend(&configv1.Backend{Target: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return b
}

func local(t testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// listen serves a table on one of the two listeners.
func listen(t testing.TB, listener string, env front.Env, table *front.Table) string {
	l := local(t)
	if listener == "native" {
		n := grpcfront.NewNative(env, grpcfront.Limits{}, func() (*front.Table, func()) { return table, func() {} })
		server := grpc.NewServer(n.Options()...)
		go server.Serve(l)
		t.Cleanup(server.Stop)
		return l.Addr().String()
	}
	f := grpcfront.New(env)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.ServeHTTP(w, r, table)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l.Addr().String()
}

// tableOf serves grpc-go's test service through the driver.
func tableOf(b rpc.Backend, checks []rpc.Check) *front.Table {
	var list []rpc.Interceptor
	for _, c := range checks {
		list = append(list, fixed(c))
	}
	t := &front.Table{Methods: map[string]*front.Endpoint{}}
	methods := testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods()
	for i := range methods.Len() {
		md := methods.Get(i)
		m := rpc.NewMethod(md, rpc.NewType(md.Input(), nil), rpc.NewType(md.Output(), nil), rpc.Policy{})
		chain := interceptors.Bind(m, list)
		t.Methods[m.Path] = &front.Endpoint{Method: m, Serve: func(c *rpc.Call, ss grpc.ServerStream) error { return drive(c, ss, chain, b) }}
	}
	return t
}

// fixed is an interceptor with the same check for every method.
type fixed rpc.Check

func (f fixed) Check(*rpc.Method) rpc.Check { return rpc.Check(f) }

// ended waits for the end of one call and returns its status.
func (r *rig) ended(t testing.TB) *status.Status {
	t.Helper()
	return receive(t, r.done, "Done")
}

// receive takes from a channel and does not wait for ever.
func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// wantCode fails the test unless err has the code.
func wantCode(t testing.TB, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Fatalf("the call ended with %v, want %v", err, want)
	}
}

func payload(n int) *testpb.Payload { return &testpb.Payload{Body: make([]byte, n)} }
