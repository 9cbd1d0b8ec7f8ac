package services

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	adminv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/admin/v1"
	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// admin panics, or returns err.
type admin struct {
	adminv1.UnimplementedAdminServer
	err error
}

func (a admin) ListRoutes(context.Context, *adminv1.ListRoutesRequest) (*adminv1.ListRoutesResponse, error) {
	if a.err == nil {
		panic("canary")
	}
	return nil, a.err
}

// run runs services until the test ends, and returns a connection and the operator's log.
func run(t *testing.T, register func(grpc.ServiceRegistrar)) (*Server, *grpc.ClientConn, *strings.Builder) {
	t.Helper()
	said := &strings.Builder{}
	s, err := New(slog.New(slog.NewTextHandler(said, nil)), register)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	conn, err := grpc.NewClient("passthrough:///own", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.Dial(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, conn, said
}

const pair = `syntax = "proto3";
package a.v1;
message M {}
service Open { rpc Shown(M) returns (M); rpc Hidden(M) returns (M); }
service Closed { rpc Hidden(M) returns (M); }`

// shown is the methods of a schema whose name is not Hidden.
func shown(files *compile.Files) func(func(protoreflect.MethodDescriptor) bool) {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		for _, s := range files.Services() {
			for i := range s.Methods().Len() {
				if md := s.Methods().Get(i); md.Name() != "Hidden" && !yield(md) {
					return
				}
			}
		}
	}
}

// TestReflectionShowsItsViewOnly asks by reflection for what is there and for what is not.
func TestReflectionShowsItsViewOnly(t *testing.T) {
	s, conn, _ := run(t, nil)
	ask := func(request *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
		t.Helper()
		stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		return reply
	}
	list := func() (names []string) {
		reply := ask(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
		for _, s := range reply.GetListServicesResponse().GetService() {
			names = append(names, s.GetName())
		}
		return names
	}
	symbol := func(name string) *reflectionv1.ServerReflectionResponse {
		return ask(&reflectionv1.ServerReflectionRequest{
			MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name},
		})
	}
	if got := list(); len(got) != 0 {
		t.Errorf("before anything is shown: %q", got)
	}
	if symbol("a.v1.Open").GetErrorResponse() == nil {
		t.Error("a.v1.Open is found before it is shown")
	}
	s.Show(NewView(shown(testkit.Compile(t, compile.Sources{"a.proto": []byte(pair)}))))
	if got := list(); !slices.Equal(got, []string{"a.v1.Open"}) {
		t.Errorf("services: %q", got)
	}
	for _, name := range []string{"a.v1.Closed", "a.v1.Closed.Hidden", "a.v1.Open.Hidden", "b.v1.Open"} {
		if code := codes.Code(symbol(name).GetErrorResponse().GetErrorCode()); code != codes.NotFound {
			t.Errorf("%s: %v", name, code)
		}
	}
	file := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(symbol("a.v1.Open").GetFileDescriptorResponse().GetFileDescriptorProto()[0], file); err != nil {
		t.Fatal(err)
	}
	if len(file.GetService()) != 1 || len(file.GetService()[0].GetMethod()) != 1 || len(file.GetMessageType()) != 1 {
		t.Errorf("the file shows %v", file)
	}
}

// TestHealthFollowsTheView looks at a service that comes, goes, and at the drain.
func TestHealthFollowsTheView(t *testing.T) {
	s, conn, _ := run(t, nil)
	check := func(service string, want healthv1.HealthCheckResponse_ServingStatus, code codes.Code) {
		t.Helper()
		reply, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if status.Code(err) != code || reply.GetStatus() != want {
			t.Errorf("%q: %v, %v; want %v, %v", service, reply.GetStatus(), err, want, code)
		}
	}
	check("", healthv1.HealthCheckResponse_SERVING, codes.OK)
	check("a.v1.Open", 0, codes.NotFound)
	s.Show(NewView(shown(testkit.Compile(t, compile.Sources{"a.proto": []byte(pair)}))))
	check("a.v1.Open", healthv1.HealthCheckResponse_SERVING, codes.OK)
	check("a.v1.Closed", 0, codes.NotFound)
	s.Show(NewView(func(func(protoreflect.MethodDescriptor) bool) {}))
	check("a.v1.Open", healthv1.HealthCheckResponse_SERVICE_UNKNOWN, codes.OK)
	s.Drain()
	check("", healthv1.HealthCheckResponse_NOT_SERVING, codes.OK)
}

// TestMiddleware shows what stands around our own services: a panic is an answer that tells nothing, and a message that
// breaks its rules does not arrive.
func TestMiddleware(t *testing.T) {
	t.Run("Panic", func(t *testing.T) {
		_, conn, said := run(t, func(r grpc.ServiceRegistrar) { adminv1.RegisterAdminServer(r, admin{}) })
		_, err := adminv1.NewAdminClient(conn).ListRoutes(t.Context(), &adminv1.ListRoutesRequest{})
		if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(said.String(), "level=ERROR") || !strings.Contains(said.String(), "canary") {
			t.Errorf("the operator is told %q", said)
		}
	})
	t.Run("InvalidRequest", func(t *testing.T) {
		_, conn, _ := run(t, func(r grpc.ServiceRegistrar) {
			registryv1.RegisterRegistryServer(r, registryv1.UnimplementedRegistryServer{})
		})
		_, err := registryv1.NewRegistryClient(conn).PublishModule(t.Context(), &registryv1.PublishModuleRequest{Module: "no name"})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("got %v", err)
		}
	})
	t.Run("StoreFails", func(t *testing.T) {
		_, conn, said := run(t, func(r grpc.ServiceRegistrar) {
			adminv1.RegisterAdminServer(r, admin{err: rpc.Errorf(codes.Unavailable, "STORE_FAILED", "the log says why").Because(errors.New("disk full"))})
		})
		_, err := adminv1.NewAdminClient(conn).ListRoutes(t.Context(), &adminv1.ListRoutesRequest{})
		if status.Code(err) != codes.Unavailable || strings.Contains(err.Error(), "disk full") {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(said.String(), "level=ERROR") || !strings.Contains(said.String(), "disk full") {
			t.Errorf("the operator is told %q", said)
		}
	})
	t.Run("Refusal", func(t *testing.T) {
		_, conn, said := run(t, func(r grpc.ServiceRegistrar) {
			adminv1.RegisterAdminServer(r, admin{err: status.Error(codes.NotFound, "nothing")})
		})
		if _, err := adminv1.NewAdminClient(conn).ListRoutes(t.Context(), &adminv1.ListRoutesRequest{}); status.Code(err) != codes.NotFound {
			t.Errorf("got %v", err)
		}
		if said.String() != "" {
			t.Errorf("the operator is bothered with %q", said)
		}
	})
}

func TestOwnServices(t *testing.T) {
	s, _, _ := run(t, func(r grpc.ServiceRegistrar) { adminv1.RegisterAdminServer(r, admin{}) })
	var names []string
	for _, sd := range s.Services() {
		names = append(names, string(sd.FullName()))
	}
	want := []string{"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection", "grpc.health.v1.Health", "gatehouse.admin.v1.Admin"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
}

// TestRunTooLate: a process may be told to end before its services have begun to answer, which is no failure.
func TestRunTooLate(t *testing.T) {
	s, err := New(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.server.Stop()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}
