package testkit

import "testing"

func TestRests(t *testing.T) {
	const here = "\t/src/file.go:1\n"
	line := func(function string) string { return "#\t0x1\t" + function + "+0x1" + here }
	server := line("google.golang.org/grpc.(*Server).serveStreams") + line("google.golang.org/grpc.(*Server).handleRawConn.func1")
	for name, c := range map[string]struct {
		stack, all string
		want       bool
	}{
		"the process":                   {stack: line("main.main") + line("runtime.main"), want: true},
		"what somebody began for it":    {stack: line("net.(*TCPListener).Accept") + line(module+"gateway.(*listening).serve.func1") + line("golang.org/x/sync/errgroup.(*Group).Go.func1"), want: true},
		"a connection to a backend":     {stack: line(module + "gateway/backend/transport.(*conn).write"), want: true},
		"a client of HTTP":              {stack: line("net/http.(*conn).serve")},
		"a call's goroutine":            {stack: line(module + "gateway.(*upload).run")},
		"a call's, begun by a group":    {stack: line(module+"transcoder/front.Serve.func2") + line("golang.org/x/sync/errgroup.(*Group).Go.func1")},
		"a client of the services":      {stack: line("google.golang.org/grpc/test/bufconn.(*pipe).Read") + server, want: true},
		"a client of gRPC":              {stack: line("net.(*netFD).Read") + server},
		"a client of a backend of demo": {stack: line("net.(*netFD).Read") + server, all: line("main.(*demonstration).run"), want: true},
	} {
		if got := rests("1 @ 0x1\n"+c.stack, c.all); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
