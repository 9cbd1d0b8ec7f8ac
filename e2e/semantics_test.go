package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// lastNumber is the last line of docs/semantics.md.
const lastNumber = 101

// later returns the lines that wait for what they speak of, with the reason.
func later() map[int]string {
	lines := map[int]string{}
	for n := 44; n <= 74; n++ {
		lines[n] = "ProtoJSON in detail: transcoder/program tests how it reads and writes values"
	}
	return lines
}

// TestSemantics has a subtest for each line of docs/semantics.md, run against the real binary.
func TestSemantics(t *testing.T) {
	k := newKit(t)
	tested := map[int]bool{}
	for _, s := range readCases(t, "testdata/semantics/cases.txt") {
		tested[s.number] = true
		t.Run(strconv.Itoa(s.number), func(t *testing.T) { k.section(t, s) })
	}
	tests := coded()
	for _, n := range slices.Sorted(maps.Keys(tests)) {
		tested[n] = true
		t.Run(strconv.Itoa(n), func(t *testing.T) { tests[n](t, k) })
	}
	t.Run("EveryLineIsTested", func(t *testing.T) {
		waiting := later()
		for n := 1; n <= lastNumber; n++ {
			if reason := waiting[n]; tested[n] == (reason != "") {
				t.Errorf("line %d is tested: %v, waits: %q; want one of the two", n, tested[n], reason)
			}
		}
	})
}

// kit is what the lines are tested with: one backend, and gateways in front of it.
type kit struct {
	files    *compile.Files
	backend  *testkit.Backend
	gateways map[string]*testkit.Gateway
}

func newKit(t *testing.T) *kit {
	files := testkit.Schema(t, "semantics")
	k := &kit{files: files, backend: testkit.NewBackend(t, files)}
	args := []string{"--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", k.backend.Target}
	k.gateways = map[string]*testkit.Gateway{
		"":       testkit.Serve(t, args...),
		"strip":  testkit.Serve(t, append(args, "--config", "testdata/semantics/strip.yaml")...),
		"events": testkit.Serve(t, append(args, "--config", "testdata/semantics/events.yaml")...),
		"rules":  testkit.Serve(t, append(args, "--config", "testdata/semantics/rules.yaml")...),
	}
	return k
}

// section runs the cases of one number.
func (k *kit) section(t *testing.T, s *section) {
	accepted, refused := 0, 0
	for _, c := range s.cases {
		t.Run(fmt.Sprintf("line%d", c.line), func(t *testing.T) {
			switch {
			case c.verb == "publish":
				k.publish(t, c)
			case c.accepted():
				k.accept(t, c)
			default:
				k.refuse(t, c)
			}
		})
		if c.accepted() {
			accepted++
		} else {
			refused++
		}
	}
	if accepted == 0 || refused == 0 {
		t.Errorf("%d %s: %d cases are accepted and %d refused; want at least one of each", s.number, s.title, accepted, refused)
	}
}

// send sends a case's request and checks the headers of the response.
func (k *kit) send(t *testing.T, c testCase) *testkit.Response {
	t.Helper()
	k.backend.Take()
	r := testkit.Raw(t, k.gateways[c.gateway].Public, c.verb, c.wire())
	for _, want := range c.response {
		name, value, _ := strings.Cut(want, ": ")
		if got := strings.Join(r.Header.Values(name), ", "); got != value {
			t.Errorf("response header %s: got %q, want %q", name, got, value)
		}
	}
	return r
}

// accept checks that exactly one message reached the backend, and that the reply says the same.
func (k *kit) accept(t *testing.T, c testCase) {
	r := k.send(t, c)
	if r.StatusCode != http.StatusOK {
		t.Fatalf("got %d %s", r.StatusCode, r.Text)
	}
	calls := k.backend.Take()
	if len(calls) != 1 || len(calls[0].Requests) != 1 {
		t.Fatalf("the backend got %d calls, want one with one message", len(calls))
	}
	got := calls[0]
	if string(got.Method.Name()) != c.method {
		t.Errorf("%s was called, want %s", got.Method.Name(), c.method)
	}
	want := dynamicpb.NewMessage(got.Method.Input())
	if err := protojson.Unmarshal([]byte(c.request), want); err != nil {
		t.Fatalf("line %d: %v", c.line, err)
	}
	if !proto.Equal(got.Requests[0], want) {
		t.Errorf("the backend got %v, want %v", got.Requests[0], want)
	}
	if got.Method.Output() != got.Method.Input() {
		want = dynamicpb.NewMessage(got.Method.Output())
	}
	reply := dynamicpb.NewMessage(got.Method.Output())
	if err := protojson.Unmarshal([]byte(r.Text), reply); err != nil || !proto.Equal(reply, want) {
		t.Errorf("the reply is %s (%v), want %v", r.Text, err, want)
	}
}

// refuse checks the form of a refusal, and that the backend heard nothing.
func (k *kit) refuse(t *testing.T, c testCase) {
	r := k.send(t, c)
	if calls := k.backend.Take(); len(calls) != 0 {
		t.Errorf("the backend was called: %v", calls[0].Requests)
	}
	if c.reason == "-" {
		if r.StatusCode != c.status {
			t.Errorf("got %d %s, want %d", r.StatusCode, r.Text, c.status)
		}
		return
	}
	e := failureOf(t, r)
	if r.StatusCode != c.status || e.reason() != c.reason {
		t.Fatalf("got %d %s, want %d %s", r.StatusCode, r.Text, c.status, c.reason)
	}
	for _, text := range c.texts {
		if !strings.Contains(e.Message, text) {
			t.Errorf("message %q does not say %q", e.Message, text)
		}
	}
}

// publish starts a gateway with a schema.
func (k *kit) publish(t *testing.T, c testCase) {
	files := testkit.Compile(t, compile.Sources{"p.proto": []byte(prelude + c.body)})
	args := []string{"--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", k.backend.Target}
	var said string
	switch c.reason {
	case "refused":
		said = testkit.Refused(t, args...)
	case "served", "warned":
		g := testkit.Serve(t, args...)
		g.Stop(t)
		said = warnings(g.Stderr())
		if c.reason == "served" && said != "" {
			t.Errorf("warnings:\n%s", said)
		}
	default:
		t.Fatalf("line %d: publish => %s", c.line, c.reason)
	}
	for _, text := range c.texts {
		if !strings.Contains(said, text) {
			t.Errorf("want %q in:\n%s", text, said)
		}
	}
}

const prelude = `syntax = "proto3";
package p;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message M {
  string a = 1;
  string b = 2;
  N n = 3;
  repeated int32 r = 4;
  map<string, string> kv = 5;
  google.protobuf.StringValue w = 6;
  google.protobuf.Timestamp t = 7;
}
message N {
  string c = 1;
}
`

// warnings returns the warnings about the schema, unquoted.
func warnings(stderr string) string {
	var lines []string
	for line := range strings.Lines(stderr) {
		if strings.Contains(line, "level=WARN") && !strings.Contains(line, "--dev:") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// failure is the body of an error.
type failure struct {
	Code    int
	Message string
	Status  string
	Details []map[string]any
}

// reason returns the reason of the gateway's ErrorInfo, "" if there is none.
func (f failure) reason() string {
	for _, d := range f.Details {
		if d["@type"] == "type.googleapis.com/google.rpc.ErrorInfo" && d["domain"] == "gatehouse" {
			return fmt.Sprint(d["reason"])
		}
	}
	return ""
}

// failureOf reads an error and checks what holds for every one.
func failureOf(t *testing.T, r *testkit.Response) failure {
	t.Helper()
	var body struct{ Error *failure }
	if err := json.Unmarshal([]byte(r.Text), &body); err != nil || body.Error == nil {
		t.Fatalf("%d %q is no error: %v", r.StatusCode, r.Text, err)
	}
	if body.Error.Code != r.StatusCode {
		t.Errorf("the status line says %d, the body %d", r.StatusCode, body.Error.Code)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s of an error: %q, want %q", name, got, want)
		}
	}
	if len(r.Header.Get("Gatehouse-Decision-Id")) != 32 {
		t.Errorf("Gatehouse-Decision-Id: %q", r.Header.Get("Gatehouse-Decision-Id"))
	}
	seen := map[any]bool{}
	for _, d := range body.Error.Details {
		if seen[d["@type"]] && body.Error.reason() != "" {
			t.Errorf("detail %v is there twice", d["@type"])
		}
		seen[d["@type"]] = true
	}
	return *body.Error
}
