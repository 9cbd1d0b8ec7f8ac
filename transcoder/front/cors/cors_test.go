package cors

import (
	"net/http"
	"strings"
	"testing"
)

func TestAllows(t *testing.T) {
	for _, c := range []struct {
		allowed, origin string
		want            bool
	}{
		{"https://example.com", "https://example.com", true},
		{"HTTPS://Example.com:443", "https://example.com", true},
		{"https://example.com", "https://example.com:443", false}, // no browser writes it
		{"https://example.com", "http://example.com", false},
		{"https://example.com", "https://example.com:8443", false},
		{"https://example.com:8443", "https://example.com:8443", true},
		{"https://example.com", "https://example.com.", false},
		{"https://example.com", "https://evil-example.com", false},
		{"https://example.com", "https://example.com.evil.com", false},
		{"https://example.com", "https://example.com@evil.com", false},
		{"https://example.com", "https://EXAMPLE.com", false},
		{"https://example.com", "https://example.com/", false},
		{"https://example.com", "null", false},
		{"https://*.example.com", "https://a.example.com", true},
		{"https://*.example.com", "https://a.b.example.com", true},
		{"https://*.example.com", "https://example.com", false},
		{"https://*.example.com", "https://evil-example.com", false},
		{"https://*.example.com", "https://.example.com", false},
		{"https://*.example.com", "https://a.example.com.evil.com", false},
		{"https://*.example.com", "https://evil.com/.example.com", false},
		{"https://*.example.com", "https://evil.com#.example.com", false},
		{"https://*.example.com", "https://evil.com?.example.com", false},
		{"https://*.example.com", "http://a.example.com", false},
		{"http://localhost:*", "http://localhost:5173", true},
		{"http://localhost:*", "http://localhost", true},
		{"http://localhost:*", "http://localhost.evil.com:80", false},
		{"http://[::1]:8080", "http://[::1]:8080", true},
		{"*", "https://example.com", true},
		{"*", "null", false},
		{"*", "", false},
		{"https://null", "null", false},
	} {
		p, err := New(Options{Origins: []string{c.allowed}})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Allows(c.origin); got != c.want {
			t.Errorf("%s allows %s: %t", c.allowed, c.origin, got)
		}
	}
	if p, err := New(Options{}); p != nil || err != nil || p.Allows("https://example.com") {
		t.Errorf("nothing: %v, %v", p, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, origin := range []string{
		"example.com", "https://", "https://*", "https://a.*.example.com", "https://*example.com", "https://example.com/", "https://example.com:",
		"https://user@example.com", "https://example.com?x", "null", "://x", "https://example.com:x",
	} {
		if _, err := New(Options{Origins: []string{origin}}); err == nil {
			t.Errorf("%s was taken", origin)
		}
	}
	if _, err := New(Options{Origins: []string{"*"}, Credentials: true}); err == nil {
		t.Error("* with credentials was taken")
	}
}

func TestPreflight(t *testing.T) {
	p, err := New(Options{Origins: []string{"https://example.com"}, Headers: []string{"*"}, Credentials: true})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	p.AllowPreflight(h, "https://example.com", []string{"GET", "POST"}, []string{"X-One, x-two", "bad\r\nname,"})
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "https://example.com", "Access-Control-Allow-Credentials": "true",
		"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "x-one, x-two", "Access-Control-Max-Age": "600",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	h = http.Header{}
	if p.AllowPreflight(h, "https://evil-example.com", nil, nil); len(h) > 0 {
		t.Errorf("another origin: %v", h)
	}
	if p.Allow(h, "https://example.com"); strings.Contains(h.Get("Access-Control-Expose-Headers"), "*") {
		t.Error("* means nothing with credentials")
	}
}

func FuzzAllows(f *testing.F) {
	f.Add("https://a.example.com")
	f.Add("https://example.com.evil.com:1")
	p, err := New(Options{Origins: []string{"https://*.example.com"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		if p.Allows(origin) && (!strings.HasSuffix(origin, ".example.com") || !strings.HasPrefix(origin, "https://")) {
			t.Errorf("%q is allowed", origin)
		}
	})
}
