package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestMetadata holds every protocol to the names that the configuration lets pass, both ways.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	g := s.serve(t, "default_access: PUBLIC", keysYAML(), "metadata: {request: [X-Acme-*, traceparent], reply: [x-acme-*, X-Told]}")
	ways := newWays(t, g)
	s.backend.Answer(func(c *testkit.Received, r *testkit.Replies) error {
		if err := r.SetHeader(metadata.Pairs("x-acme-header", "h", "x-told", "h", "x-inner", "h", "x-acme", "h")); err != nil {
			return err
		}
		r.SetTrailer(metadata.Pairs("x-acme-trailer", "t", "x-inner-trailer", "t"))
		return testkit.Echo(c, r)
	})
	for _, name := range []string{"Echo", "Many", "Upload"} {
		answers := ways.every(t, s.method(t, name), []string{`{}`}, http.Header{
			"X-Acme-Tenant": {"7"}, "X-Acme": {"7"}, "Traceparent": {"00-1"}, "X-Request-Id": {"7"}, "X-Api-Key": {keyOf("reader")},
		})
		for by, got := range answers {
			header, trailer := "x-acme-header=h;x-told=h", "x-acme-trailer=t"
			if by == "websocket" {
				header, trailer = "", ""
			}
			if got.Code != 0 || sorted(got.Header) != header || got.Trailer != trailer {
				t.Errorf("%s by %s: %+v, want the headers %q and the trailers %q", name, by, got, header, trailer)
			}
		}
		for _, c := range s.backend.Take() {
			passed(t, c.Metadata, "x-acme-tenant", "7")
			passed(t, c.Metadata, "traceparent", "00-1")
			passed(t, c.Metadata, "x-acme")
			passed(t, c.Metadata, "x-request-id")
			passed(t, c.Metadata, "x-api-key")
			// The key was read all the same, and what the gateway says itself needs no entry.
			passed(t, c.Metadata, "gatehouse-principal", "api-key/p-reader")
			passed(t, c.Metadata, "x-forwarded-for", "127.0.0.1")
		}
	}
}

// TestMetadataForwarded has credentials go on: the setting that says so needs no entry besides.
func TestMetadataForwarded(t *testing.T) {
	t.Parallel()
	files := testkit.Schema(t, "attack")
	backend := testkit.NewBackend(t, files)
	args := []string{"--descriptors", testkit.Descriptors(t, files)}
	g := testkit.Serve(t, append(args, configFile(t, "default_access: PUBLIC", keysYAML(), "metadata: {request: [x-acme]}",
		"backends: [{target: "+backend.Target+", forward_credentials: true}]")...)...)
	if r := fetch(t, "GET", "http://"+g.Public+"/echo/a", "", "X-Api-Key: "+keyOf("reader"), "X-Acme: 7", "X-Inner: 7"); r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	calls := backend.Take()
	if len(calls) != 1 {
		t.Fatalf("the backend got %d calls", len(calls))
	}
	passed(t, calls[0].Metadata, "x-api-key", keyOf("reader"))
	passed(t, calls[0].Metadata, "x-acme", "7")
	passed(t, calls[0].Metadata, "x-inner")
}

// passed checks what a backend got under a key.
func passed(t *testing.T, md metadata.MD, key string, want ...string) {
	t.Helper()
	if got := md.Get(key); !slices.Equal(got, want) {
		t.Errorf("the backend got %s: %q, want %q", key, got, want)
	}
}

// sorted brings what own says into one order.
func sorted(text string) string {
	parts := strings.Split(text, ";")
	slices.Sort(parts)
	return strings.Join(parts, ";")
}
