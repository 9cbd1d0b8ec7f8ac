package front

import (
	"math"
	"net/http"
	"testing"
	"time"
)

func TestTimeout(t *testing.T) {
	for _, tc := range []struct {
		name   string
		header http.Header
		want   time.Duration
		ok     bool
		fails  bool
	}{
		{name: "None", header: http.Header{"Timeout": {"1"}}},
		{name: "Hours", header: http.Header{"Grpc-Timeout": {"2H"}}, want: 2 * time.Hour, ok: true},
		{name: "Minutes", header: http.Header{"Grpc-Timeout": {"3M"}}, want: 3 * time.Minute, ok: true},
		{name: "Seconds", header: http.Header{"Grpc-Timeout": {"0S"}}, want: 0, ok: true},
		{name: "Millis", header: http.Header{"Grpc-Timeout": {"00000004m"}}, want: 4 * time.Millisecond, ok: true},
		{name: "Micros", header: http.Header{"Grpc-Timeout": {"5u"}}, want: 5 * time.Microsecond, ok: true},
		{name: "Nanos", header: http.Header{"Grpc-Timeout": {"6n"}}, want: 6, ok: true},
		{name: "LongerThanDuration", header: http.Header{"Grpc-Timeout": {"99999999H"}}, want: math.MaxInt64, ok: true},
		{name: "ConnectMillis", header: http.Header{"Connect-Timeout-Ms": {"9999999999"}}, want: 9999999999 * time.Millisecond, ok: true},
		{name: "DecimalSeconds", header: http.Header{"X-Server-Timeout": {".5"}}, want: 500 * time.Millisecond, ok: true},
		{name: "HugeSeconds", header: http.Header{"X-Server-Timeout": {"1e999"}}, want: math.MaxInt64, ok: true},
		{name: "FirstCounts", header: http.Header{"Grpc-Timeout": {"1S"}, "X-Server-Timeout": {"nonsense"}}, want: time.Second, ok: true},
		{name: "Twice", header: http.Header{"X-Server-Timeout": {"1", "1"}}, fails: true},
		{name: "NineDigits", header: http.Header{"Grpc-Timeout": {"123456789S"}}, fails: true},
		{name: "NoDigits", header: http.Header{"Grpc-Timeout": {"S"}}, fails: true},
		{name: "NoUnit", header: http.Header{"Grpc-Timeout": {"10"}}, fails: true},
		{name: "Empty", header: http.Header{"Grpc-Timeout": {""}}, fails: true},
		{name: "ElevenDigits", header: http.Header{"Connect-Timeout-Ms": {"12345678901"}}, fails: true},
		{name: "NegativeMillis", header: http.Header{"Connect-Timeout-Ms": {"-1"}}, fails: true},
		{name: "NotANumber", header: http.Header{"X-Server-Timeout": {"NaN"}}, fails: true},
		{name: "Negative", header: http.Header{"X-Server-Timeout": {"-0.1"}}, fails: true},
		{name: "Infinity", header: http.Header{"X-Server-Timeout": {"Inf"}}, fails: true},
		{name: "Hexadecimal", header: http.Header{"X-Server-Timeout": {"0x1p4"}}, fails: true},
		{name: "Underscore", header: http.Header{"X-Server-Timeout": {"1_0"}}, fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok, err := Timeout(tc.header)
			if got != tc.want || ok != tc.ok || (err != nil) != tc.fails {
				t.Errorf("got %v, %v, %v; want %v, %v, error %v", got, ok, err, tc.want, tc.ok, tc.fails)
			}
		})
	}
}

// FuzzTimeout: a timeout that is taken is never negative.
func FuzzTimeout(f *testing.F) {
	for _, v := range []string{"1S", "99999999H", "1.5", "1e999", "-1", "NaN", "9999999999", "0x1p4"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, format := range timeouts {
			d, ok, err := Timeout(http.Header{format.name: {v}})
			if d < 0 || ok == (err != nil) {
				t.Errorf("%s %q: %v, %v, %v", format.name, v, d, ok, err)
			}
		}
	})
}
