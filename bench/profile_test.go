package main

import (
	"strings"
	"testing"
)

func TestParseProfile(t *testing.T) {
	p, err := parseProfile(`# Samples: 143  of event 'cpu-clock:ppp'
#
    10.50%  [.] internal/runtime/syscall.Syscall6
     9.00%  [k] tcp_sendmsg_locked
     3.00%  [.] memeqbody
     1.00%  [.] net/http.(*conn).serve
     0.50%  [.] github.com/gatehouse-gateway/gatehouse/rpc.(*Frame).Free
     0.25%  [.] google.golang.org/grpc/internal/transport.(*http2Client).Write
`)
	if err != nil {
		t.Fatal(err)
	}
	if want := "Go runtime 14 %, kernel 9 %, net/http 1 %, gatehouse/rpc 0 %, google.golang.org/grpc/internal/transport 0 %"; p.packages != want {
		t.Errorf("got %s\nwant %s", p.packages, want)
	}
	want := `10.50%  internal/runtime/syscall.Syscall6
 9.00%  tcp_sendmsg_locked (kernel)
 3.00%  memeqbody
 1.00%  net/http.(*conn).serve
 0.50%  github.com/gatehouse-gateway/gatehouse/rpc.(*Frame).Free
 0.25%  google.golang.org/grpc/internal/transport.(*http2Client).Write`
	if got := strings.Join(p.functions, "\n"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if p, err := parseProfile("# nothing\n"); err == nil {
		t.Errorf("got %v, want an error", p)
	}
}

func TestPackageOf(t *testing.T) {
	for name, want := range map[string]string{
		"google.golang.org/grpc.(*ClientConn).Invoke": "google.golang.org/grpc",
		"sync.(*Pool).Get":                            "sync",
		"runtime.mallocgc":                            "Go runtime",
		"internal/runtime/maps.hash":                  "Go runtime",
		"aeshashbody":                                 "Go runtime",
		"slices.Sort[go.shape.[]a/b.C]":               "slices",
		"github.com/gatehouse-gateway/gatehouse/transcoder/program.(*run).message": "gatehouse/transcoder/program",
	} {
		if got := packageOf(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
