package rpc

import (
	"context"
	"regexp"
	"testing"
)

func TestCallContext(t *testing.T) {
	if CallFrom(context.Background()) != nil {
		t.Error("a call out of nowhere")
	}
	c := NewCall(nil)
	ctx, cancel := context.WithCancel(context.Background())
	ctx = c.WithContext(ctx)
	if CallFrom(ctx) != c || c.Context() != ctx {
		t.Error("call and context do not know each other")
	}
	inner, cancelInner := context.WithCancel(ctx)
	defer cancelInner()
	if CallFrom(c.WithContext(inner)) != c || c.Context().Err() != nil {
		t.Error("the context cannot be replaced")
	}
	cancel()
	if c.Context().Err() == nil {
		t.Error("the end of the context is not seen")
	}
}

func TestNewID(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9a-f]{32}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if !shape.MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	if c := NewCall(nil); !shape.MatchString(c.ID) || c.Started.IsZero() {
		t.Errorf("%+v", c)
	}
}

func TestPrincipal(t *testing.T) {
	var p *Principal
	if p.String() != "anonymous" || p.Missing([]string{"a"}) != "a" || p.Missing(nil) != "" {
		t.Error("nobody is anonymous and holds nothing")
	}
	p = &Principal{Name: "n", Issuer: "i", Scopes: []string{"a", "b"}}
	if p.String() != "i/n" || p.Missing([]string{"b", "a"}) != "" || p.Missing([]string{"a", "c", "d"}) != "c" {
		t.Errorf("%s misses %q", p, p.Missing([]string{"a", "c", "d"}))
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		ListenerPublic.String(): "public", ListenerInternal.String(): "internal", ListenerAdmin.String(): "admin",
		Public.String(): "PUBLIC", Authenticated.String(): "AUTHENTICATED", Internal.String(): "INTERNAL", Denied.String(): "DENIED",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
