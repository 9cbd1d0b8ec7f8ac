package gateway

import (
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// shown is the services that a reflection server tells of.
type shown []string

func (s shown) GetServiceInfo() map[string]grpc.ServiceInfo {
	infos := map[string]grpc.ServiceInfo{"grpc.health.v1.Health": {}}
	for _, name := range s {
		infos[name] = grpc.ServiceInfo{}
	}
	return infos
}

// reflecting starts a backend that has one source file, and returns its target.
func reflecting(t *testing.T, path, body string) *configv1.Backend {
	files := testkit.Compile(t, compile.Sources{path: []byte("syntax = \"proto3\";\n" + body)})
	var names shown
	for _, sd := range files.Services() {
		names = append(names, string(sd.FullName()))
	}
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	reflectionv1.RegisterServerReflectionServer(server, reflection.NewServerV1(reflection.ServerOptions{
		Services: names, DescriptorResolver: files.Registry(),
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-ended })
	return &configv1.Backend{Target: listener.Addr().String()}
}

func TestReflect(t *testing.T) {
	const orders, billing = "package orders;\nimport \"google/protobuf/empty.proto\";\nservice Orders { rpc Get(google.protobuf.Empty) returns (google.protobuf.Empty); }",
		"package billing;\nimport \"google/protobuf/empty.proto\";\nservice Billing { rpc Get(google.protobuf.Empty) returns (google.protobuf.Empty); }"
	schema := func(backends ...*configv1.Backend) (names []string, err error) {
		g := &Gateway{cfg: &configv1.Config{Backends: backends}}
		files, err := g.reflect(t.Context())
		if err != nil {
			return nil, err
		}
		for _, sd := range files.Services() {
			names = append(names, string(sd.FullName()))
		}
		return names, nil
	}
	t.Run("ServicesOfAllBackends", func(t *testing.T) {
		names, err := schema(reflecting(t, "orders.proto", orders), reflecting(t, "billing.proto", billing), reflecting(t, "orders.proto", orders))
		if err != nil || !slices.Equal(names, []string{"billing.Billing", "orders.Orders"}) {
			t.Errorf("%q, %v", names, err)
		}
	})
	t.Run("TwoFilesOfOneName", func(t *testing.T) {
		first, second := reflecting(t, "api.proto", orders), reflecting(t, "api.proto", billing)
		names, err := schema(first, second)
		if err == nil || !strings.Contains(err.Error(), "api.proto") || !strings.Contains(err.Error(), first.GetTarget()) ||
			!strings.Contains(err.Error(), second.GetTarget()) {
			t.Errorf("%q, %v; want an error that names the file and both backends", names, err)
		}
	})
}
