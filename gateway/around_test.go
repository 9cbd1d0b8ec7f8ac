package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// TestAroundRESTCall puts an unmodified interceptor of go-grpc-middleware around a method, and calls that by REST.
func TestAroundRESTCall(t *testing.T) {
	library := demo.Modules()[0]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- library.Server.Serve(listener) }()
	t.Cleanup(func() { library.Server.Stop(); <-served })
	sources := compile.Sources{}
	for path, text := range library.Sources {
		sources[path] = []byte(text)
	}
	g := newGateway(t, testkit.Compile(t, sources), &configv1.Config{
		Dev: true, Backends: []*configv1.Backend{{Target: listener.Addr().String()}},
	})

	var mu sync.Mutex
	var lines []string
	logger := logging.StreamServerInterceptor(logging.LoggerFunc(func(_ context.Context, _ logging.Level, message string, fields ...any) {
		mu.Lock()
		defer mu.Unlock()
		for i := 0; i+1 < len(fields); i += 2 {
			if m, ok := fields[i+1].(proto.Message); ok {
				text, _ := protojson.Marshal(m)
				message += " " + strings.ReplaceAll(string(text), " ", "")
			} else if fields[i] == "grpc.code" || fields[i] == "grpc.method" {
				message += fmt.Sprintf(" %v", fields[i+1])
			}
		}
		lines = append(lines, message)
	}), logging.WithLogOnEvents(logging.StartCall, logging.FinishCall, logging.PayloadReceived))
	endpoint := g.current.Load().tables[rpc.ListenerPublic].Methods["/acme.library.v1.Library/GetBook"]
	endpoint.Serve = interceptors.Around(logger, endpoint.Method, endpoint.Serve)

	server := httptest.NewServer(g.handler(rpc.ListenerPublic))
	t.Cleanup(server.Close)
	for path, want := range map[string]struct {
		status int
		code   string
	}{
		"/v1/shelves/science/books/origin": {200, "OK"},
		"/v1/shelves/science/books/none":   {404, "NotFound"},
	} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		name := strings.TrimPrefix(path, "/v1/")
		wanted := []string{"started call GetBook", `request received GetBook {"name":"` + name + `"}`, "finished call GetBook " + want.code}
		mu.Lock()
		logged := lines
		lines = nil
		mu.Unlock()
		if resp.StatusCode != want.status || !slices.Equal(logged, wanted) {
			t.Errorf("%s: %d, logged %q, want %d, %q", path, resp.StatusCode, logged, want.status, wanted)
		}
	}
}
