package interceptors_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// resolver knows the methods of grpc-go's health service, each with a policy of its own.
func resolver(t testing.TB, policies map[string]rpc.Policy) func(string) *rpc.Method {
	t.Helper()
	d, err := protoregistry.GlobalFiles.FindDescriptorByName("grpc.health.v1.Health")
	require.NoError(t, err)
	methods := map[string]*rpc.Method{}
	for name, policy := range policies {
		md := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(name))
		m := rpc.NewMethod(md, rpc.NewType(md.Input(), nil), rpc.NewType(md.Output(), nil), policy)
		methods[m.Path] = m
	}
	return func(path string) *rpc.Method { return methods[path] }
}

// start runs a plain grpc-go health server behind the checks and returns a client.
func start(t testing.TB, list []rpc.Interceptor, resolve func(string) *rpc.Method, service healthv1.HealthServer) healthv1.HealthClient {
	t.Helper()
	unary, stream := interceptors.GRPC(rpc.ListenerInternal, list, resolve)
	server := grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	healthv1.RegisterHealthServer(server, service)
	listener := bufconn.Listen(1 << 16)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	conn, err := grpc.NewClient("passthrough:///bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		serving.Wait()
	})
	return healthv1.NewHealthClient(conn)
}

func TestGRPC_ChecksOnAPlainServer(t *testing.T) {
	set := newSet(t, interceptors.Config{Authn: authnConfig("web", "health")})
	resolve := resolver(t, map[string]rpc.Policy{
		"Check": {Access: rpc.Authenticated, Scopes: []string{"health"}, Cost: 1, Timeout: time.Minute,
			Quota: &rpc.Quota{Name: "health", Limit: 1, Period: time.Hour, Burst: 1}},
		"Watch": {Access: rpc.Authenticated},
	})
	list, err := set.List([]*rpc.Method{resolve(healthv1.Health_Check_FullMethodName), resolve(healthv1.Health_Watch_FullMethodName)}, nil)
	require.NoError(t, err)
	client := start(t, list, resolve, health.NewServer())

	var trailer metadata.MD
	_, err = client.Check(t.Context(), &healthv1.HealthCheckRequest{}, grpc.Trailer(&trailer))
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	require.Equal(t, "MISSING_CREDENTIAL", infoOf(t, err).GetReason())
	require.Len(t, trailer.Get("gatehouse-decision-id")[0], 32)

	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", "web.s")
	reply, err := client.Check(ctx, &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, reply.GetStatus())
	_, err = client.Check(ctx, &healthv1.HealthCheckRequest{})
	require.Equal(t, "QUOTA_EXCEEDED", infoOf(t, err).GetReason())

	watch, err := client.Watch(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.Equal(t, "MISSING_CREDENTIAL", infoOf(t, err).GetReason())
	watching, stop := context.WithCancel(ctx)
	watch, err = client.Watch(watching, &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.NoError(t, err)
	stop()

	_, err = client.List(ctx, &healthv1.HealthListRequest{})
	require.Equal(t, codes.Unimplemented, status.Code(err), "what is not known does not pass unchecked")
}

func infoOf(t testing.TB, err error) *errdetails.ErrorInfo {
	t.Helper()
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	require.Fail(t, "no ErrorInfo", "%v", err)
	return nil
}

func TestGRPC_MessagesBothWays(t *testing.T) {
	var seen []string
	var ended []codes.Code
	judge := func(way string) func(*rpc.Call, *rpc.Frame) error {
		return func(_ *rpc.Call, f *rpc.Frame) error {
			m, err := f.Message()
			if err != nil {
				return err
			}
			seen = append(seen, way)
			fd := f.Type().Descriptor.Fields().Get(0)
			if fd.Name() == "service" && m.ProtoReflect().Get(fd).String() == "bad" {
				return rpc.Errorf(codes.InvalidArgument, "BAD", "bad")
			}
			return nil
		}
	}
	check := fixed{Request: judge("request"), Reply: judge("reply"),
		Done: func(_ *rpc.Call, st *status.Status) { ended = append(ended, st.Code()) }}
	resolve := resolver(t, map[string]rpc.Policy{"Check": {}, "Watch": {}})
	client := start(t, []rpc.Interceptor{check}, resolve, health.NewServer())

	_, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, []string{"request", "reply"}, seen)
	_, err = client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "bad"})
	require.Equal(t, "BAD", infoOf(t, err).GetReason())
	_, err = client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "unknown"})
	require.Equal(t, codes.NotFound, status.Code(err), "the handler's errors pass")
	require.Equal(t, []codes.Code{codes.OK, codes.InvalidArgument, codes.NotFound}, ended)

	watch, err := client.Watch(t.Context(), &healthv1.HealthCheckRequest{Service: "bad"})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.Equal(t, "BAD", infoOf(t, err).GetReason())
}

// panics is a health service with a fault.
type panics struct {
	healthv1.UnimplementedHealthServer
}

func (panics) Check(context.Context, *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	panic("secret")
}

func (panics) Watch(*healthv1.HealthCheckRequest, grpc.ServerStreamingServer[healthv1.HealthCheckResponse]) error {
	panic("secret")
}

func TestGRPC_PanicsAndDeadlines(t *testing.T) {
	resolve := resolver(t, map[string]rpc.Policy{"Check": {Access: rpc.Public, Timeout: time.Nanosecond}, "Watch": {Access: rpc.Public}})
	client := start(t, nil, resolve, panics{})
	_, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.Equal(t, codes.Internal, status.Code(err))
	require.NotContains(t, err.Error(), "secret")
	watch, err := client.Watch(t.Context(), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	_, err = watch.Recv()
	require.Equal(t, codes.Internal, status.Code(err))

	list, err := newSet(t, interceptors.Config{}).List(nil, nil)
	require.NoError(t, err)
	waiting := start(t, list, resolve, waits{})
	_, err = waiting.Check(t.Context(), &healthv1.HealthCheckRequest{})
	require.Equal(t, codes.DeadlineExceeded, status.Code(err), "the policy's limit, though the client set none")
}

// waits is a health service that answers when its context ends.
type waits struct {
	healthv1.UnimplementedHealthServer
}

func (waits) Check(ctx context.Context, _ *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
