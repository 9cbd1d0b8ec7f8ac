package backend

import (
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	for _, c := range []struct{ in, want, dial string }{
		{"127.0.0.1:50051", "127.0.0.1:50051", "passthrough:///127.0.0.1:50051"},
		{"[::1]:80", "[::1]:80", "passthrough:///[::1]:80"},
		{"orders.internal:443", "orders.internal:443", "dns:///orders.internal:443"},
		{"grpc://localhost:1", "grpc://localhost:1", "dns:///localhost:1"},
		{"grpcs://h:65535", "grpcs://h:65535", "dns:///h:65535"},
		{"unix:/run/b.sock", "unix:/run/b.sock", "unix:///run/b.sock"},
		{"unix:///run/../b.sock", "unix:/b.sock", "unix:///b.sock"},
	} {
		got, err := ParseTarget(c.in)
		if err != nil || got.String() != c.want || got.dial() != c.dial {
			t.Errorf("%s: %s, %s, %v", c.in, got, got.dial(), err)
		}
	}
	for in, want := range map[string]string{
		"":                       "give host:port",
		"localhost":              "give host:port",
		":50051":                 "give host:port",
		"::1:80":                 "give host:port",
		"h:0":                    "1 to 65535",
		"h:65536":                "1 to 65535",
		"h:http":                 "1 to 65535",
		"h:-1":                   "1 to 65535",
		"http://h:1":             `"http" is not a scheme`,
		"dns:///h:1":             `"dns" is not a scheme`,
		"grpc://h:1/path":        "1 to 65535",
		"grpc://user@h:1":        "give host:port",
		"a b:1":                  "give host:port",
		"unix:relative":          "whole path",
		"unix://host/b.sock":     "whole path",
		"grpcs://" + long + ":1": "give host:port",
	} {
		_, err := ParseTarget(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", in, err, want)
		}
	}
}

var long = strings.Repeat("a", 254)

func TestTargetLoopback(t *testing.T) {
	for in, want := range map[string]bool{
		"127.0.0.1:1": true, "127.8.8.8:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "LOCALHOST:1": true, "unix:/s": true,
		"10.0.0.1:1": false, "localhost.example.com:1": false, "[2001:db8::1]:1": false, "0.0.0.0:1": false,
	} {
		target, err := ParseTarget(in)
		if err != nil || target.Loopback() != want {
			t.Errorf("%s: %v, %v", in, target.Loopback(), err)
		}
	}
}
