package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	orders = `syntax = "proto3";
package acme.orders.v1;
import "acme/money/v1/money.proto";
import "google/api/annotations.proto";
service Orders {
  rpc Get(GetRequest) returns (Order) { option (google.api.http) = {get: "/v1/orders/{id}"}; }
}
message GetRequest { string id = 1; }
message Order { string id = 1; acme.money.v1.Money price = 2; }
`
	money = `syntax = "proto3";
package acme.money.v1;
message Money { int64 units = 1; }
`
	ordersPath, moneyPath = "acme/orders/v1/orders.proto", "acme/money/v1/money.proto"
	backend               = "127.0.0.1:50051"
)

// module returns a request to publish files, given as path, content, path, content …
func module(name string, files ...string) *registryv1.PublishModuleRequest {
	req := &registryv1.PublishModuleRequest{Module: name, Backend: backend}
	for i := 0; i < len(files); i += 2 {
		req.Files = append(req.Files, &registryv1.File{Path: files[i], Content: files[i+1]})
	}
	return req
}

// gateway stands for what serves: it notes which revision is live, and refuses what it is told to.
type gateway struct {
	live    *registry.Candidate
	lives   int
	refusal error
	busy    atomic.Bool
}

func (g *gateway) check(_ context.Context, c *registry.Candidate) (registry.Verdict, error) {
	if !g.busy.CompareAndSwap(false, true) {
		return registry.Verdict{}, errors.New("two checks at once")
	}
	defer g.busy.Store(false)
	runtime.Gosched() // lets others in, if they can come in
	if g.refusal != nil {
		return registry.Verdict{}, g.refusal
	}
	return registry.Verdict{Live: func() { g.live = c; g.lives++ }}, nil
}

// room is a registry over a store in a folder, with what serves it.
type room struct {
	*registry.Registry
	gateway *gateway
	store   store.Store
}

func options(s store.Store) registry.Options {
	return registry.Options{
		Store: s,
		Allowed: func(target string) error {
			if !strings.HasPrefix(target, "127.0.0.1:") {
				return errors.New("only loopback is allowed here")
			}
			return nil
		},
		Routed: func(service protoreflect.FullName) bool { return service == "acme.routed.v1.Routed" },
		Now:    func() time.Time { return time.Unix(1_800_000_000, 0) },
		Log:    slog.New(slog.DiscardHandler),
	}
}

func openStore(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := registry.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newRoom opens a registry on an empty folder and publishes, each of which must succeed.
func newRoom(t testing.TB, publish ...*registryv1.PublishModuleRequest) *room {
	t.Helper()
	r := &room{gateway: &gateway{}, store: openStore(t, t.TempDir())}
	var err error
	if r.Registry, err = registry.New(t.Context(), options(r.store), r.gateway.check); err != nil {
		t.Fatal(err)
	}
	for _, req := range publish {
		if _, err := r.Publish(t.Context(), req); err != nil {
			t.Fatalf("%s: %v", req.GetModule(), err)
		}
	}
	return r
}

// stored returns what the store has.
func (r *room) stored(t testing.TB) *registryv1.Revision {
	t.Helper()
	revision, err := r.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

func TestPublish(t *testing.T) {
	t.Run("IsStoredAndLiveWhenItReturns", func(t *testing.T) {
		r := newRoom(t)
		resp, err := r.Publish(t.Context(), module("acme/orders", ordersPath, orders, moneyPath, money))
		if err != nil {
			t.Fatal(err)
		}
		if resp.GetRevision() != 1 || !resp.GetChanged() || len(resp.GetDigest()) != 64 || len(resp.GetWarnings()) != 0 {
			t.Errorf("got %v", resp)
		}
		if got := r.gateway.live.Revision.GetNumber(); got != 1 {
			t.Errorf("revision %d is live", got)
		}
		if got := r.gateway.live.Files.Services(); len(got) != 1 || got[0].FullName() != "acme.orders.v1.Orders" {
			t.Errorf("live services: %v", got)
		}
		if got := r.gateway.live.Owner(moneyPath).GetModule(); got != "acme/orders" {
			t.Errorf("%s belongs to %q", moneyPath, got)
		}
		if !proto.Equal(r.stored(t), r.Current()) {
			t.Error("what is stored is not what serves")
		}
		if got := r.Current().GetModules()[0]; got.GetFileCount() != 2 || got.GetPublishTime().GetSeconds() != 1_800_000_000 {
			t.Errorf("module: %v", got)
		}
	})
	t.Run("ModuleMayImportAnother", func(t *testing.T) {
		r := newRoom(t, module("acme/money", moneyPath, money), module("acme/orders", ordersPath, orders))
		if got := len(r.gateway.live.Files.Own()); got != 2 {
			t.Errorf("%d files are live", got)
		}
	})
	t.Run("SameContentChangesNothing", func(t *testing.T) {
		r := newRoom(t, module("acme/orders", ordersPath, orders, moneyPath, money))
		before := r.stored(t)
		resp, err := r.Publish(t.Context(), module("acme/orders", moneyPath, money, ordersPath, orders)) // in another order
		if err != nil || resp.GetChanged() || resp.GetRevision() != 1 {
			t.Errorf("got %v, %v", resp, err)
		}
		if !proto.Equal(before, r.stored(t)) || r.gateway.lives != 2 { // the empty registry's, and the first publish's
			t.Errorf("something changed: live %d times", r.gateway.lives)
		}
	})
	t.Run("AnotherBackendIsAChange", func(t *testing.T) {
		r := newRoom(t, module("acme/money", moneyPath, money))
		req := module("acme/money", moneyPath, money)
		req.Backend = "127.0.0.1:1"
		if resp, err := r.Publish(t.Context(), req); err != nil || !resp.GetChanged() || resp.GetRevision() != 2 {
			t.Errorf("got %v, %v", resp, err)
		}
	})
	t.Run("DryRunChecksAndStoresNothing", func(t *testing.T) {
		r := newRoom(t)
		req := module("acme/money", moneyPath, money)
		req.DryRun = true
		if resp, err := r.Publish(t.Context(), req); err != nil || !resp.GetChanged() || resp.GetRevision() != 0 {
			t.Errorf("good module: %v, %v", resp, err)
		}
		req.Files[0].Content += "message"
		if _, err := r.Publish(t.Context(), req); reason(err) != "COMPILE_FAILED" {
			t.Errorf("bad module: %v", err)
		}
		if r.stored(t).GetNumber() != 0 || r.gateway.lives != 1 {
			t.Error("a dry run left a trace")
		}
	})
	t.Run("CopiesOfBuiltinFilesDoNotCollide", func(t *testing.T) {
		const path, text = "google/api/annotations.proto", "syntax = \"proto3\"; package google.api;"
		r := newRoom(t, module("acme/money", moneyPath, money, path, text))
		resp, err := r.Publish(t.Context(), module("acme/orders", ordersPath, orders, path, text))
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.GetWarnings()) != 1 || resp.GetWarnings()[0].GetFile() != path {
			t.Errorf("warnings: %v", resp.GetWarnings())
		}
	})
	t.Run("NoBackendIsAWarningUnlessTheConfigurationHasOne", func(t *testing.T) {
		const empty = `syntax = "proto3"; package acme.%[1]s.v1; message M {} service %[2]s { rpc Do(M) returns (M); }`
		r := newRoom(t)
		req := module("acme/routed", "acme/routed/v1/r.proto", fmt.Sprintf(empty, "routed", "Routed"))
		req.Backend = ""
		if resp, err := r.Publish(t.Context(), req); err != nil || len(resp.GetWarnings()) != 0 {
			t.Errorf("routed: %v, %v", resp.GetWarnings(), err)
		}
		req = module("acme/lost", "acme/lost/v1/l.proto", fmt.Sprintf(empty, "lost", "Lost"))
		req.Backend = ""
		resp, err := r.Publish(t.Context(), req)
		if err != nil || len(resp.GetWarnings()) != 1 || !strings.Contains(resp.GetWarnings()[0].GetMessage(), "acme.lost.v1.Lost") {
			t.Errorf("lost: %v, %v", resp.GetWarnings(), err)
		}
	})
	t.Run("WaitingForATurnEndsWithTheContext", func(t *testing.T) {
		entered, leave := make(chan struct{}), make(chan struct{})
		s := openStore(t, t.TempDir())
		reg := newOn(t, s, func(_ context.Context, c *registry.Candidate) (registry.Verdict, error) {
			if c.Revision.GetNumber() == 0 {
				return registry.Verdict{}, nil
			}
			close(entered)
			<-leave
			return registry.Verdict{}, errors.New("slow, and then no")
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		done := make(chan error)
		go func() {
			_, err := reg.Publish(t.Context(), module("acme/money", moneyPath, money))
			done <- err
		}()
		<-entered
		if _, err := reg.Publish(ctx, module("acme/orders", ordersPath, orders)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(leave)
		<-done
		if stored, err := s.Load(t.Context()); err != nil || stored.GetNumber() != 0 {
			t.Errorf("revision %d is stored (%v)", stored.GetNumber(), err)
		}
	})
	t.Run("ContextThatEndsWhileItIsJudgedStoresNothing", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := openStore(t, t.TempDir())
		reg := newOn(t, s, func(_ context.Context, c *registry.Candidate) (registry.Verdict, error) {
			if c.Revision.GetNumber() > 0 {
				cancel()
			}
			return registry.Verdict{}, nil
		})
		if _, err := reg.Publish(ctx, module("acme/money", moneyPath, money)); !errors.Is(err, context.Canceled) || reason(err) != "" {
			t.Errorf("got %v", err)
		}
		if stored, err := s.Load(t.Context()); err != nil || stored.GetNumber() != 0 || reg.Current().GetNumber() != 0 {
			t.Errorf("revision %d is stored (%v)", stored.GetNumber(), err)
		}
	})
}

func TestPublishKeepsTheBackend(t *testing.T) {
	r := newRoom(t)
	first := module("acme/money", moneyPath, money)
	if _, err := r.Publish(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name, backend string
		none, changed bool
		want          string
	}{
		{"LeftOut", "", false, false, backend},
		{"Another", "127.0.0.1:7", false, true, "127.0.0.1:7"},
		{"LeftOutAgain", "", false, false, "127.0.0.1:7"},
		{"None", "", true, true, ""},
		{"StillNone", "", false, false, ""},
	} {
		req := module("acme/money", moneyPath, money)
		req.Backend, req.NoBackend = step.backend, step.none
		resp, err := r.Publish(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if resp.GetBackend() != step.want || resp.GetChanged() != step.changed {
			t.Errorf("%s: backend %q, changed %v; want %q, %v", step.name, resp.GetBackend(), resp.GetChanged(), step.want, step.changed)
		}
	}
	both := module("acme/money", moneyPath, money)
	both.NoBackend = true
	if _, err := r.Publish(t.Context(), both); err == nil {
		t.Error("a backend and none at the same time is no error")
	}
}

func TestPublishRefuses(t *testing.T) {
	noBackend := func(target string) *registryv1.PublishModuleRequest {
		req := module("acme/money", moneyPath, money)
		req.Backend = target
		return req
	}
	for _, test := range []struct {
		name    string
		req     *registryv1.PublishModuleRequest
		refusal error // of the gateway
		code    codes.Code
		reason  string
		texts   []string
	}{
		{"SyntaxError", module("acme/x", "x.proto", "syntax = \"proto3\";\nmessage M {\n  strin id = 1\n}\n"), nil,
			codes.InvalidArgument, "COMPILE_FAILED", []string{"x.proto:4:1: "}},
		{"MissingImport", module("acme/x", "x.proto", "syntax = \"proto3\";\nimport \"nowhere.proto\";\nimport \"never.proto\";"), nil,
			codes.InvalidArgument, "COMPILE_FAILED", []string{"x.proto:2:8: ", "nowhere.proto", "(and 1 more errors)"}},
		{"RuleThatCannotWork", module("acme/x", "x.proto", "syntax = \"proto3\";\nimport \"buf/validate/validate.proto\";\nmessage M {\n"+
			"  int32 i = 1 [(buf.validate.field).cel = {id: \"odd\" message: \"odd\" expression: \"this.nothing\"}];\n}\n"), nil,
			codes.InvalidArgument, "CHECK_FAILED", []string{"x.proto:4:3: "}},
		{"FileOfAnotherModule", module("acme/x", moneyPath, money), nil,
			codes.FailedPrecondition, "FILE_CONFLICT", []string{"acme/money", "acme/x", moneyPath}},
		{"SymbolOfAnotherModule", module("acme/x", "x.proto", money), nil,
			codes.InvalidArgument, "COMPILE_FAILED", []string{"acme.money.v1.Money"}},
		{"RemovalOfWhatOthersNeed", module("acme/money", "other.proto", "syntax = \"proto3\";"), nil,
			codes.InvalidArgument, "COMPILE_FAILED", []string{moneyPath}},
		{"BackendNotAllowed", noBackend("10.0.0.1:80"), nil,
			codes.PermissionDenied, "BACKEND_NOT_ALLOWED", []string{"acme/money", "10.0.0.1:80", "only loopback"}},
		{"GatewayRefuses", noBackend("127.0.0.1:7"), rpc.Errorf(codes.FailedPrecondition, "ROUTE_CONFLICT", "GET /v1 twice"),
			codes.FailedPrecondition, "ROUTE_CONFLICT", []string{"GET /v1 twice"}},
		{"BadName", module("Acme", "x.proto", "syntax = \"proto3\";"), nil,
			codes.InvalidArgument, "INVALID_MODULE", []string{"module: "}},
		{"NoFiles", module("acme/x"), nil, codes.InvalidArgument, "INVALID_MODULE", []string{"files: "}},
		{"FileTwice", module("acme/x", "x.proto", "", "x.proto", ""), nil,
			codes.InvalidArgument, "INVALID_FILE", []string{`"x.proto" is there twice`}},
		{"NotUTF8", module("acme/x", "x.proto", "// \xff"), nil, codes.InvalidArgument, "INVALID_FILE", []string{"UTF-8"}},
		{"PathOutside", module("acme/x", "../x.proto", "syntax = \"proto3\";"), nil,
			codes.InvalidArgument, "COMPILE_FAILED", []string{"../x.proto"}},
		{"TooMuchText", module("acme/x", "x.proto", strings.Repeat("// x\n", 7<<19)), nil,
			codes.ResourceExhausted, "REGISTRY_FULL", []string{"16 MiB"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(t, module("acme/money", moneyPath, money), module("acme/orders", ordersPath, orders))
			before, live := r.stored(t), r.gateway.live
			r.gateway.refusal = test.refusal
			resp, err := r.Publish(t.Context(), test.req)
			own, ok := errors.AsType[*rpc.Error](err)
			if !ok {
				t.Fatalf("got %v, %v", resp, err)
			}
			if own.Code() != test.code || own.Reason() != test.reason {
				t.Errorf("got %s %s: %v", own.Code(), own.Reason(), err)
			}
			for _, text := range test.texts {
				if !strings.Contains(own.Message(), text) {
					t.Errorf("%q is not in: %s", text, own.Message())
				}
			}
			for _, d := range found(own) {
				if d.GetLine() > 0 && d.GetSource() == "" {
					t.Errorf("without its source line: %v", d)
				}
			}
			if strings.Contains(own.Message(), "\n") {
				t.Errorf("more than one line: %s", own.Message())
			}
			if !proto.Equal(before, r.stored(t)) || r.gateway.live != live || r.Current() != live.Revision {
				t.Error("something changed")
			}
		})
	}
}

func TestCompileErrorsCarryTheirPlaces(t *testing.T) {
	r := newRoom(t)
	_, err := r.Publish(t.Context(), module("acme/x", "x.proto", "syntax = \"proto3\";\nimport \"a.proto\";\nimport \"b.proto\";\n"))
	own, ok := errors.AsType[*rpc.Error](err)
	if !ok {
		t.Fatal(err)
	}
	list := found(own)
	if len(list) != 2 {
		t.Fatalf("got %v", list)
	}
	if d := list[1]; d.GetFile() != "x.proto" || d.GetLine() != 3 || d.GetColumn() != 8 || d.GetSource() != `import "b.proto";` {
		t.Errorf("got %v", d)
	}
}

func TestDiagnosticsFitIntoATrailer(t *testing.T) {
	r := newRoom(t)
	text := "syntax = \"proto3\";\n"
	for i := range 60 {
		text += fmt.Sprintf("import \"%s%d.proto\"; // %s\n", strings.Repeat("long/", 40), i, strings.Repeat("é", 70))
	}
	_, err := r.Publish(t.Context(), module("acme/x", "x.proto", text))
	own, ok := errors.AsType[*rpc.Error](err)
	if !ok || own.Reason() != "COMPILE_FAILED" {
		t.Fatal(err)
	}
	if size := proto.Size(own.GRPCStatus().Proto()); size > 28<<10 || size < 20<<10 {
		t.Errorf("the status has %d bytes", size)
	}
	if !strings.HasSuffix(own.Message(), "(and 59 more errors)") {
		t.Errorf("got %s", own.Message())
	}
}

func TestDelete(t *testing.T) {
	r := newRoom(t, module("acme/money", moneyPath, money), module("acme/orders", ordersPath, orders))
	if _, err := r.Delete(t.Context(), "acme/money"); reason(err) != "MODULE_IN_USE" || !strings.Contains(err.Error(), ordersPath) {
		t.Errorf("module that is needed: %v", err)
	}
	if _, err := r.Delete(t.Context(), "acme/none"); reason(err) != "MODULE_NOT_FOUND" {
		t.Errorf("module that is not there: %v", err)
	}
	if got := r.stored(t).GetNumber(); got != 2 {
		t.Errorf("refused deletes left revision %d", got)
	}
	for i, name := range []string{"acme/orders", "acme/money"} {
		resp, err := r.Delete(t.Context(), name)
		if err != nil || resp.GetRevision() != int64(3+i) || r.gateway.live.Revision.GetNumber() != int64(3+i) {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	if got := r.stored(t); len(got.GetModules()) != 0 || len(r.gateway.live.Files.Own()) != 0 {
		t.Errorf("left: %v", got)
	}
}

func TestConcurrentPublishesAllLand(t *testing.T) {
	const modules, rounds = 6, 3
	r := newRoom(t)
	var wg sync.WaitGroup
	for m := range modules {
		wg.Go(func() {
			for round := range rounds {
				name := fmt.Sprintf("acme/m%d", m)
				text := fmt.Sprintf("syntax = \"proto3\"; package acme.m%d; message R%d {}", m, round)
				if _, err := r.Publish(t.Context(), module(name, name+".proto", text)); err != nil {
					t.Error(err)
				}
				r.Current().GetNumber()
			}
		})
	}
	wg.Wait()
	got := r.stored(t)
	if got.GetNumber() != modules*rounds || len(got.GetModules()) != modules {
		t.Errorf("revision %d with %d modules", got.GetNumber(), len(got.GetModules()))
	}
	for _, m := range got.GetModules() {
		if !strings.Contains(m.GetFiles()[0].GetContent(), fmt.Sprintf("message R%d ", rounds-1)) {
			t.Errorf("%s has %s", m.GetModule(), m.GetFiles()[0].GetContent())
		}
	}
	if r.gateway.live.Revision.GetNumber() != got.GetNumber() {
		t.Errorf("revision %d is live", r.gateway.live.Revision.GetNumber())
	}
}

// reason returns the reason of an error of ours.
func reason(err error) string {
	if own, ok := errors.AsType[*rpc.Error](err); ok {
		return own.Reason()
	}
	return ""
}

// found returns the Diagnostics that an error carries.
func found(own *rpc.Error) []*registryv1.Diagnostic {
	for _, detail := range own.GRPCStatus().Details() {
		if list, ok := detail.(*registryv1.Diagnostics); ok {
			return list.GetDiagnostics()
		}
	}
	return nil
}
