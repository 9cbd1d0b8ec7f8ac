package e2e

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// TestSameAnswerByEveryProtocol makes each call by every protocol, and wants the same message, status, metadata and decision.
// The methods are all of the demo's and of the test schemas'.
func TestSameAnswerByEveryProtocol(t *testing.T) {
	t.Parallel()
	sources, err := compile.ReadDir(newShop(t).proto(t), func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files  *compile.Files
		config []string // takes away the budgets that a schema has
	}{
		"demo":      {testkit.Compile(t, sources), []string{`services: [{match: "acme.*", quota: {}}]`}},
		"attack":    {testkit.Schema(t, "attack"), []string{`services: [{match: "attack.*", quota: {}}]`}},
		"semantics": {testkit.Schema(t, "semantics"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			files := c.files
			backend := testkit.NewBackend(t, files)
			args := append([]string{"--descriptors", testkit.Descriptors(t, files), "--backend", backend.Target},
				configFile(t, append(c.config, "default_access: PUBLIC", keysYAML())...)...)
			g := testkit.Serve(t, args...)
			ways := newWays(t, g)
			for _, service := range files.Services() {
				for i := range service.Methods().Len() {
					ways.agreeOn(t, backend, service.Methods().Get(i))
				}
			}
		})
	}
}

// ways is how a gateway can be called.
type ways struct {
	g              *testkit.Gateway
	public, inside context.Context
}

func newWays(t *testing.T, g *testkit.Gateway) *ways {
	return &ways{g, withConn(t.Context(), dialed(t, g.Public)), withConn(t.Context(), dialed(t, g.GRPC))}
}

// every makes a call by all protocols that have it.
func (w *ways) every(t *testing.T, m protoreflect.MethodDescriptor, requests []string, headers http.Header) map[string]learned {
	t.Helper()
	answers := map[string]learned{}
	for _, s := range speakers() {
		if s.fits != nil && !s.fits(m) {
			continue
		}
		ctx := w.public
		if s.inside {
			ctx = w.inside
		}
		ctx, cancel := context.WithTimeout(ctx, longest)
		got, err := s.call(ctx, w.g, m, requests, headers.Clone())
		cancel()
		if err != nil {
			t.Errorf("%s by %s: %v", m.FullName(), s.name, err)
			continue
		}
		answers[s.name] = got
	}
	return answers
}

// agreeOn calls a method in several ways, each by every protocol.
func (w *ways) agreeOn(t *testing.T, backend *testkit.Backend, m protoreflect.MethodDescriptor) {
	for name, c := range map[string]struct {
		script  testkit.Script
		headers http.Header
	}{
		"OK":      {echoTwice, http.Header{}},
		"Failure": {failing, http.Header{}},
		"Late":    {failingLate, http.Header{}},
		"Key":     {echoTwice, http.Header{"X-Api-Key": {keyOf("reader")}}},
		"BadKey":  {echoTwice, http.Header{"X-Api-Key": {"reader.wrong"}}},
	} {
		backend.Answer(marked(c.script))
		requests := []string{"{}"}
		if m.IsStreamingClient() {
			requests = []string{"{}", "{}", "{}"}
		}
		answers := w.every(t, m, requests, c.headers)
		want, ok := answers["grpc"]
		for by, got := range answers {
			if nowhere(want) && (nowhere(got) || by == "grpc inside") {
				continue // each protocol has words of its own for that, and some methods are inside only
			}
			want := want
			if by == "websocket" {
				want.Header, want.Trailer = "", ""
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s, by %s:\n%+v, by gRPC:\n%+v", m.FullName(), name, by, got, want)
			}
		}
		if !ok {
			t.Errorf("%s, %s: nobody asked by gRPC", m.FullName(), name)
		}
	}
	backend.Take()
}

// nowhere reports whether there is no such method.
func nowhere(a learned) bool { return a.Reason == "METHOD_UNKNOWN" || a.Reason == "ROUTE_NOT_FOUND" }

func marked(script testkit.Script) testkit.Script {
	return func(c *testkit.Received, s *testkit.Replies) error {
		if err := s.SetHeader(metadata.Pairs("x-header", "h")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("x-trailer", "t"))
		return script(c, s)
	}
}

func echoTwice(c *testkit.Received, s *testkit.Replies) error {
	if err := testkit.Echo(c, s); err != nil || !c.Method.IsStreamingServer() {
		return err
	}
	return testkit.Echo(c, s)
}

func failing(*testkit.Received, *testkit.Replies) error {
	st, err := status.New(codes.FailedPrecondition, "nöt now: 100%\n").WithDetails(&errdetails.ErrorInfo{Reason: "BUSY", Domain: "example.com"})
	if err != nil {
		return err
	}
	return st.Err()
}

// failingLate fails after a reply, if there may be one.
func failingLate(c *testkit.Received, s *testkit.Replies) error {
	if c.Method.IsStreamingServer() {
		if err := testkit.Echo(c, s); err != nil {
			return err
		}
	}
	return status.Error(codes.Aborted, fmt.Sprint("after ", len(c.Requests)))
}
