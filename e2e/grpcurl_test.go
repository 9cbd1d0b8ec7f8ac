package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// grpcurlKit runs grpcurl with no files: all it knows, reflection has told it.
type grpcurlKit struct{ path string }

// run returns what grpcurl prints, and whether it succeeded.
func (k grpcurlKit) run(t *testing.T, args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	process := exec.Command(k.path, append([]string{"-plaintext"}, args...)...)
	var out, errs bytes.Buffer
	process.Stdout, process.Stderr = &out, &errs
	err := process.Run()
	return out.String(), errs.String(), err == nil
}

func TestGrpcurl(t *testing.T) {
	t.Parallel()
	k := grpcurlKit{filepath.Join(grpcurlFolder(t), "grpcurl")}
	s := newShop(t)
	args := append(s.backends(), "--proto", s.proto(t))
	const public = "services:\n  - {match: acme.library.v1.*, access: PUBLIC}\n  - {match: acme.library.v1.Library.ReindexBooks, access: INTERNAL}\n"
	const shown = "  - {match: grpc.reflection.*, access: PUBLIC}\n  - {match: grpc.health.*, access: PUBLIC}\n"
	closed := testkit.Serve(t, append(args, configFile(t, public)...)...)
	open := testkit.Serve(t, append(args, configFile(t, public+shown)...)...)

	t.Run("Internal", func(t *testing.T) { k.internal(t, closed.GRPC) })
	t.Run("PublicIsDenied", func(t *testing.T) {
		for _, args := range [][]string{
			{closed.Public, "list"},
			{closed.Public, "describe", "acme.library.v1.Library"},
			{"-d", `{}`, "-proto", "grpc/health/v1/health.proto", "-import-path", healthProto(t), closed.Public, "grpc.health.v1.Health/Check"},
		} {
			if out, errs, ok := k.run(t, args...); ok || !strings.Contains(errs, "PermissionDenied") && !strings.Contains(errs, "nobody may call") {
				t.Errorf("%q: %s%s", args, out, errs)
			}
		}
	})
	t.Run("PublicIfConfigured", func(t *testing.T) {
		out, errs, _ := k.run(t, open.Public, "describe", "acme.library.v1.Library")
		if !strings.Contains(out, "rpc GetBook ") || strings.Contains(out, "ReindexBooks") {
			t.Errorf("describe: %s%s", out, errs)
		}
		if out, errs, _ := k.run(t, open.Public, "grpc.health.v1.Health/Check"); !strings.Contains(out, "SERVING") {
			t.Errorf("health: %s%s", out, errs)
		}
	})
	t.Run("BothVersions", func(t *testing.T) {
		conn := dialed(t, closed.GRPC)
		for name, client := range map[string]*grpcreflect.Client{
			"v1":      grpcreflect.NewClientV1(t.Context(), reflectionv1.NewServerReflectionClient(conn)),
			"v1alpha": grpcreflect.NewClientV1Alpha(t.Context(), reflectionv1alpha.NewServerReflectionClient(conn)),
		} {
			t.Run(name, func(t *testing.T) { showsTheLibrary(t, client) })
		}
	})
}

// internal lists, describes and calls over the internal listener.
func (k grpcurlKit) internal(t *testing.T, address string) {
	out, errs, _ := k.run(t, address, "list")
	want := []string{
		"acme.library.v1.Library", "acme.orders.v1.Orders", "grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
	}
	if got := strings.Fields(out); !slices.Equal(got, want) {
		t.Errorf("list: %q %s, want %q", got, errs, want)
	}
	for _, c := range []struct {
		args []string
		has  []string
	}{
		{[]string{address, "list", "acme.library.v1.Library"}, []string{"acme.library.v1.Library.ReindexBooks"}},
		{[]string{address, "describe", "acme.library.v1.Library.GetBook"}, []string{
			"rpc GetBook ( .acme.library.v1.GetBookRequest ) returns ( .acme.library.v1.Book )", "/v1/{name=shelves/*/books/*}",
		}},
		{[]string{address, "describe", "acme.library.v1.Book"}, []string{"string title = 2", "oneof format"}},
		{[]string{"-d", `{"name":"shelves/science/books/elements"}`, address, "acme.library.v1.Library/GetBook"}, []string{`"title": "Elements"`, `"sizeBytes": "9007199254740993"`}},
		{[]string{"-d", `{"name":"shelves/science","limit":2}`, address, "acme.library.v1.Library/WatchShelf"}, []string{"shelves/science/books/elements", "shelves/science/books/origin"}},
		{[]string{address, "acme.library.v1.Library/ReindexBooks"}, []string{`"books": 3`}},
		{[]string{address, "grpc.health.v1.Health/Check"}, []string{"SERVING"}},
		{[]string{"-d", `{"service":"acme.library.v1.Library"}`, address, "grpc.health.v1.Health/Check"}, []string{"SERVING"}},
	} {
		out, errs, _ := k.run(t, c.args...)
		for _, text := range c.has {
			if !strings.Contains(out, text) {
				t.Errorf("grpcurl %q: want %q in:\n%s%s", c.args, text, out, errs)
			}
		}
	}
	if _, errs, ok := k.run(t, "-d", `{"service":"acme.Nothing"}`, address, "grpc.health.v1.Health/Check"); ok || !strings.Contains(errs, "NotFound") {
		t.Errorf("health of an unknown service: %s", errs)
	}
	if _, errs, ok := k.run(t, "-d", `{"name":"shelves/science/books/none"}`, address, "acme.library.v1.Library/GetBook"); ok || !strings.Contains(errs, "there is no book") {
		t.Errorf("a refused call: %s", errs)
	}
}

// showsTheLibrary reads a service whole, with the options that its file imports.
func showsTheLibrary(t *testing.T, client *grpcreflect.Client) {
	defer client.Reset()
	file, err := client.FileContainingSymbol("acme.library.v1.Library")
	if err != nil {
		t.Fatal(err)
	}
	if m := file.Services().ByName("Library").Methods().ByName("WatchShelf"); m == nil || !m.IsStreamingServer() {
		t.Errorf("WatchShelf is %v", m)
	}
	numbers, err := client.AllExtensionNumbersForType("google.protobuf.MethodOptions")
	if err != nil || !slices.Contains(numbers, protoreflect.FieldNumber(72295728)) {
		t.Errorf("extensions of methods: %v (%v), want google.api.http among them", numbers, err)
	}
}

// healthProto is a folder with the health service's .proto, for when reflection does not tell of it.
func healthProto(t *testing.T) string {
	t.Helper()
	return folderWith(t, "grpc/health/v1/health.proto", `syntax = "proto3";
package grpc.health.v1;
message HealthCheckRequest {
  string service = 1;
}
message HealthCheckResponse {
  int32 status = 1;
}
service Health {
  rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
}
`)
}
