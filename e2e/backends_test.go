package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"flag"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

var (
	pythonBackend = flag.String("python", "", "a Python interpreter that has grpcio: run TestBackends with it")
	javaBackend   = flag.String("java", "", "a class path that has grpc-java and the backend: run TestBackends with it")
)

// TestBackends is for backends that are not Go, and stricter than it: make conformance runs it.
func TestBackends(t *testing.T) {
	backends := map[string][]string{}
	if *pythonBackend != "" {
		backends["grpcio"] = []string{*pythonBackend, "backends/python/server.py"}
	}
	if *javaBackend != "" {
		backends["grpc-java"] = []string{"java", "-cp", *javaBackend, "Backend"}
	}
	if len(backends) == 0 {
		t.Skip("make conformance brings the backends")
	}
	for name, command := range backends {
		t.Run(name, func(t *testing.T) {
			files := testkit.Schema(t, "attack")
			g := testkit.Serve(t, "--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", startBackend(t, command))
			w := newWays(t, g)
			for _, method := range []string{"Echo", "Many", "Upload"} {
				d, err := files.Registry().FindDescriptorByName(protoreflect.FullName("attack.v1.Attack." + method))
				if err != nil {
					t.Fatal(err)
				}
				askForeign(t, w, d.(protoreflect.MethodDescriptor))
			}
		})
	}
}

// startBackend returns the address of a process that prints its port.
func startBackend(t *testing.T, command []string) string {
	t.Helper()
	process := exec.Command(command[0], command[1:]...)
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = process.Wait() // it has no more to say
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s does not start: %v", command[0], err)
	}
	return "127.0.0.1:" + strings.TrimSpace(port)
}

// askForeign calls a method by every protocol: messages of all sizes, metadata, failures, deadlines.
func askForeign(t *testing.T, w *ways, m protoreflect.MethodDescriptor) {
	large := `{"text":"` + strings.Repeat("x", 1<<20) + `"}`
	requests := []string{`{"text":"a"}`}
	if m.IsStreamingClient() {
		requests = []string{`{"text":"a"}`, large, `{}`}
	}
	want := requests
	if m.Name() == "Many" {
		want = []string{requests[0], requests[0], requests[0]}
	}
	raw := base64.StdEncoding.EncodeToString([]byte("\x00\xff"))
	for by, got := range w.every(t, m, requests, http.Header{"X-Ask": {"1"}}) {
		if got.Code != codes.OK || strings.Join(got.Replies, "|") != strings.Join(want, "|") {
			t.Errorf("%s by %s: %s %s, %d replies", m.Name(), by, got.Code, got.Message, len(got.Replies))
		}
		if by != "websocket" && (!strings.Contains(got.Header, "x-header=h") || got.Trailer != "x-trailer=t") {
			t.Errorf("%s by %s: headers %q, trailers %q", m.Name(), by, got.Header, got.Trailer)
		}
	}
	for by, got := range w.every(t, m, requests, http.Header{"X-Fail": {"1"}, "X-Raw-Bin": {raw}}) {
		if got.Code != codes.FailedPrecondition || got.Message != "nöt now" || got.Reason != "BUSY" {
			t.Errorf("%s by %s, a failure: %+v", m.Name(), by, got)
		}
	}
	for by, got := range w.every(t, m, requests, http.Header{"X-Server-Timeout": {"30"}}) { // others send what is left of longest
		_, left, _ := strings.Cut(got.Header, "x-left=")
		left, _, _ = strings.Cut(left, ";")
		if seconds, err := strconv.ParseFloat(left, 64); by != "websocket" && (err != nil || seconds > 30.001 || seconds < 15) {
			t.Errorf("%s by %s: the backend had %q seconds of 30", m.Name(), by, left)
		}
	}
	ctx, cancel := context.WithTimeout(w.public, longest)
	defer cancel()
	started := time.Now()
	got, err := speakREST(ctx, w.g, m, requests, http.Header{"X-Wait": {"1"}, "X-Server-Timeout": {"0.3"}})
	if err != nil || got.Code != codes.DeadlineExceeded || tooLong(time.Since(started)) {
		t.Errorf("%s, a deadline: %+v, %v, after %v", m.Name(), got, err, time.Since(started))
	}
}
