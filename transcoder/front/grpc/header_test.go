package grpc

import (
	"math"
	"net/http"
	"testing"
	"time"
)

func TestTimeout(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0n": 0, "1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "00000004m": 4 * time.Millisecond,
		"5u": 5 * time.Microsecond, "99999999n": 99999999, "99999999H": math.MaxInt64,
	} {
		got, ok, err := timeoutOf(http.Header{"Grpc-Timeout": {in}})
		if err != nil || !ok || got != want {
			t.Errorf("%s: %s, %v, %v", in, got, ok, err)
		}
	}
	for _, in := range []string{"", "1", "S", "-1S", "+1S", "1s", "1.5S", " 1S", "1 S", "100000000S", "NaNS", "0x1S"} {
		if got, ok, err := timeoutOf(http.Header{"Grpc-Timeout": {in}}); err == nil || ok {
			t.Errorf("%q: %s", in, got)
		}
	}
	if _, ok, err := timeoutOf(http.Header{}); ok || err != nil {
		t.Errorf("none: %v, %v", ok, err)
	}
}

func TestSubtype(t *testing.T) {
	for in, want := range map[string]string{
		"application/grpc": "", "application/grpc+proto": "proto", "Application/GRPC": "", "application/grpc+": "",
		"application/grpc+json": "json", "application/grpc;proto": "proto",
	} {
		if got, ok := subtype(in); !ok || got != want {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "application/json", "application/grpc-web", "application/grpc-web+proto", "application/grpcx", "application/grp"} {
		if got, ok := subtype(in); ok {
			t.Errorf("%s: %q", in, got)
		}
	}
}
