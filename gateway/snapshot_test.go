package gateway

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// newGateway makes a gateway that serves a schema and does not run.
func newGateway(t testing.TB, files *compile.Files, cfg *configv1.Config) *Gateway {
	t.Helper()
	cfg.Source = &configv1.Source{From: &configv1.Source_Descriptors{Descriptors: testkit.Descriptors(t, files)}}
	g, err := New(t.Context(), config.WithDefaults(cfg), slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

const levels = `
service S {
  rpc Open(M) returns (M) { option (google.api.http) = {get: "/open"}; option (gatehouse.policy.v1.method) = {access: PUBLIC}; }
  rpc Inner(M) returns (M) { option (google.api.http) = {get: "/inner"}; option (gatehouse.policy.v1.method) = {access: INTERNAL}; }
  rpc Shut(M) returns (M) { option (google.api.http) = {get: "/shut"}; }
}
service Inside { rpc Only(M) returns (M) { option (gatehouse.policy.v1.method) = {access: INTERNAL}; } }`

// TestSnapshotTables shows which methods exist on which listener, with which policy and routes.
func TestSnapshotTables(t *testing.T) {
	g := newGateway(t, compiled(t, levels), &configv1.Config{})
	s := g.current.Load()
	const (
		reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
		listRoutes = "/gatehouse.admin.v1.Admin/ListRoutes"
	)
	for listener, want := range map[rpc.Listener]map[string]rpc.Access{
		rpc.ListenerPublic:   {"/a.v1.S/Open": rpc.Public, "/a.v1.S/Shut": rpc.Denied, reflection: rpc.Denied},
		rpc.ListenerInternal: {"/a.v1.S/Open": rpc.Public, "/a.v1.S/Inner": rpc.Internal, "/a.v1.S/Shut": rpc.Denied, "/a.v1.Inside/Only": rpc.Internal, reflection: rpc.Public},
		rpc.ListenerAdmin:    {listRoutes: rpc.Public, reflection: rpc.Public},
	} {
		table := s.Table(listener)
		for path, access := range want {
			if e := table.Methods[path]; e == nil || e.Method.Policy.Access != access {
				t.Errorf("%s: %s is %+v, want it to be %v", listener, path, e, access)
			}
		}
		for path := range table.Methods {
			if _, expected := want[path]; !expected && !strings.HasPrefix(path, "/grpc.") && !strings.HasPrefix(path, "/gatehouse.admin.") {
				t.Errorf("%s has %s", listener, path)
			}
		}
		paths := []string{}
		for _, r := range table.Routes.Rules() {
			paths = append(paths, r.Template.String())
		}
		hasInner := slices.ContainsFunc(paths, func(p string) bool { return strings.Contains(strings.ToLower(p), "inner") })
		if hasOpen := slices.Contains(paths, "/open"); hasOpen != (listener == rpc.ListenerPublic) || hasInner {
			t.Errorf("%s has the routes %q", listener, paths)
		}
	}
}

// TestSnapshotLivesUntilItsLastCall swaps a snapshot while a call is on it.
func TestSnapshotLivesUntilItsLastCall(t *testing.T) {
	files := compiled(t, levels)
	g := newGateway(t, files, &configv1.Config{})
	old := g.current.Load()
	table, release := g.acquire(rpc.ListenerPublic)
	next, err := g.compile(Schema{Files: files, Revision: 2})
	if err != nil {
		t.Fatal(err)
	}
	g.swap(next)
	if !old.acquire() {
		t.Fatal("the old snapshot is gone while a call is on it")
	}
	old.release()
	if now, done := g.acquire(rpc.ListenerPublic); now == table {
		t.Error("a new call is on the old snapshot")
	} else {
		done()
	}
	release()
	if old.acquire() {
		t.Error("the old snapshot is there although its last call has ended")
	}
	if got := g.current.Load().Revision; got != 2 {
		t.Errorf("revision %d serves", got)
	}
}

// TestBackendOfAService shows whose word counts: the configuration's first entry that fits, then the publisher's.
func TestBackendOfAService(t *testing.T) {
	files := compiled(t, levels)
	for name, test := range map[string]struct {
		backends  []*configv1.Backend
		published map[protoreflect.FullName]string
		want      map[protoreflect.FullName]string
	}{
		"Nobody":    {nil, nil, map[protoreflect.FullName]string{"a.v1.S": "", "a.v1.Inside": ""}},
		"Publisher": {nil, map[protoreflect.FullName]string{"a.v1.S": "127.0.0.1:1"}, map[protoreflect.FullName]string{"a.v1.S": "127.0.0.1:1", "a.v1.Inside": ""}},
		"Configuration": {
			[]*configv1.Backend{{Services: "a.v1.S", Target: "127.0.0.1:2"}, {Target: "127.0.0.1:3"}},
			map[protoreflect.FullName]string{"a.v1.S": "127.0.0.1:1"},
			map[protoreflect.FullName]string{"a.v1.S": "127.0.0.1:2", "a.v1.Inside": "127.0.0.1:3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, files, &configv1.Config{Backends: test.backends})
			s, err := g.compile(Schema{Files: files, Backends: test.published})
			if err != nil {
				t.Fatal(err)
			}
			defer s.release()
			if !maps.Equal(s.targets, test.want) {
				t.Errorf("got %v, want %v", s.targets, test.want)
			}
		})
	}
}

// TestFaults shows that everything that is wrong with a schema is told at once, each at its place.
func TestFaults(t *testing.T) {
	files := compiled(t, `
service S {
  rpc Fine(M) returns (M) { option (google.api.http) = {get: "/v1/{id}"}; }
  rpc Unbound(M) returns (M) { option (google.api.http) = {get: "/v1/x/{nothing}"}; }
  rpc Template(M) returns (M) { option (google.api.http) = {get: "v1"}; }
  rpc Taken(M) returns (M) {
    option (google.api.http) = {get: "/v1/{m.id}"};
  }
  rpc Hidden(M) returns (M) {
    option (gatehouse.policy.v1.method) = {access: INTERNAL};
    option (google.api.http) = {body: "*"};
  }
  rpc Twice(M) returns (M) {
    option (gatehouse.policy.v1.method) = {success_code: 404};
    option (google.api.http) = {get: "/v1/twice"};
  }
}`)
	g := newGateway(t, compiled(t, levels), &configv1.Config{DefaultAccess: policyv1.Access_PUBLIC})
	_, err := g.compile(Schema{Files: files})
	failed := new(compile.Error)
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	found := map[int]string{}
	for _, d := range failed.Diagnostics {
		if d.Line == 24 && found[24] != "" {
			t.Errorf("told for each way to reach the method: %s", d.Message)
		}
		if d.File != "a.proto" || d.Severity != compile.Fault {
			t.Errorf("%+v", d)
		}
		found[d.Line] += d.Message
	}
	for line, want := range map[int]string{
		13: "a.v1.S.Unbound: GET /v1/x/{nothing}: ", 14: "a.v1.S.Template: GET v1: ", 16: "claimed by both a.v1.S.Fine",
		20: "a.v1.S.Hidden: google.api.http: no pattern", 24: "a.v1.S.Twice: success_code 404",
	} {
		if !strings.Contains(found[line], want) {
			t.Errorf("line %d says %q, want %q", line, found[line], want)
		}
		delete(found, line)
	}
	if len(found) > 0 {
		t.Errorf("and %v", found)
	}
	if g.current.Load().Table(rpc.ListenerPublic).Methods["/a.v1.S/Open"] == nil {
		t.Error("what served before does not serve any more")
	}
}

// TestFaultsAreBounded has more mistakes than anybody reads.
func TestFaultsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("service S {\n")
	for i := range faultsMax + 7 {
		b.WriteString("rpc R" + strings.Repeat("x", i) + `(M) returns (M) { option (google.api.http) = {get: "v1"}; }` + "\n")
	}
	b.WriteString("}\n")
	g := newGateway(t, compiled(t, levels), &configv1.Config{})
	_, err := g.compile(Schema{Files: compiled(t, b.String())})
	failed := new(compile.Error)
	if !errors.As(err, &failed) || len(failed.Diagnostics) != faultsMax || failed.More != 7 {
		t.Errorf("%d faults and %d more: %.200v", len(failed.Diagnostics), failed.More, err)
	}
}

// TestNothingToServe makes a gateway that was told neither what to serve nor where to keep it.
func TestNothingToServe(t *testing.T) {
	_, err := New(t.Context(), config.WithDefaults(&configv1.Config{}), slog.New(slog.DiscardHandler), nil)
	if !errors.Is(err, errNoSchema) {
		t.Errorf("got %v", err)
	}
}
