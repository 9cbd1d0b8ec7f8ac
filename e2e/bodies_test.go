package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

const bodiesProto = `syntax = "proto3";
package bodies.v1;
import "gatehouse/policy/v1/policy.proto";
import "google/api/annotations.proto";
service Things {
  option (gatehouse.policy.v1.service) = {errors: RPC_STATUS};
  rpc Get(Thing) returns (Thing) { option (google.api.http) = {get: "/things/{name}"}; }
  rpc Make(Thing) returns (Thing) {
    option (google.api.http) = {post: "/things", body: "*"};
    option (gatehouse.policy.v1.method) = {success_code: 201};
  }
  rpc Begin(Thing) returns (Thing) {
    option (google.api.http) = {post: "/things:begin", body: "*"};
    option (gatehouse.policy.v1.method) = {success_code: 202, errors: PROBLEM};
  }
  rpc Drop(Thing) returns (Thing) {
    option (google.api.http) = {delete: "/things/{name}"};
    option (gatehouse.policy.v1.method) = {success_code: 204, errors: CONNECT};
  }
  rpc List(Thing) returns (stream Thing) { option (google.api.http) = {get: "/things"}; }
}
message Thing { string name = 1; }
`

// bodies is a gateway in front of a scripted backend.
type bodies struct {
	backend *testkit.Backend
	gateway *testkit.Gateway
}

func newBodies(t *testing.T, source string, args ...string) *bodies {
	files := testkit.Compile(t, compile.Sources{"bodies.proto": []byte(source)})
	b := &bodies{backend: testkit.NewBackend(t, files)}
	args = append([]string{"--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", b.backend.Target}, args...)
	b.gateway = testkit.Serve(t, args...)
	return b
}

// call sends a request with headers given as name and value in turn, and reads the whole answer.
func (b *bodies) call(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.gateway.Public+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Add(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, Timeout: longest}
	resp, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

// TestErrorShapes is the same failure in every shape: by the option of a service and of a method, by configuration, and by
// what the client accepts.
func TestErrorShapes(t *testing.T) {
	config := testkit.File(t, "gatehouse.yaml", []byte("errors: PROBLEM\nservices:\n- {match: bodies.v1.Things.Make, errors: AIP_193}\n"))
	b := newBodies(t, bodiesProto, "--config", config)
	b.backend.Answer(func(*testkit.Received, *testkit.Replies) error {
		p := status.New(codes.NotFound, "no such thing").Proto()
		p.Details = []*anypb.Any{{TypeUrl: "type.googleapis.com/acme.Unknown", Value: []byte("\x00\xff")}}
		return status.FromProto(p).Err()
	})
	const (
		aip      = `{"error":{"code":404,"message":"no such thing","status":"NOT_FOUND","details":[{"@type":"type.googleapis.com/acme.Unknown","value":"AP8="}]}}`
		rpc      = `{"code":5,"message":"no such thing","details":[{"@type":"type.googleapis.com/acme.Unknown","value":"AP8="}]}`
		problem  = `{"type":"about:blank","title":"Not Found","status":404,"detail":"no such thing","code":"NOT_FOUND","details":[{"@type":"type.googleapis.com/acme.Unknown","value":"AP8="}]}`
		connect  = `{"code":"not_found","message":"no such thing","details":[{"type":"acme.Unknown","value":"AP8","debug":{"@type":"type.googleapis.com/acme.Unknown","value":"AP8="}}]}`
		problems = "application/problem+json"
	)
	for _, tc := range []struct{ method, path, accept, media, body string }{
		{"GET", "/things/a", "", "application/json", rpc},
		{"GET", "/things", "", "application/json", rpc},
		{"POST", "/things", "", "application/json", aip},
		{"POST", "/things:begin", "", problems, problem},
		{"DELETE", "/things/a", "", "application/json", connect},
		{"GET", "/things/a", problems, problems, problem},
		{"GET", "/things/a", "application/json, application/problem+json", problems, problem},
		{"GET", "/things/a", "application/json, application/problem+json;q=0.5", "application/json", rpc},
		{"GET", "/things/a", "application/problem+json;q=0, */*", "application/json", rpc},
		{"DELETE", "/things/a", "Application/Problem+JSON", problems, problem},
	} {
		resp, text := b.call(t, tc.method, tc.path, "", "Accept", tc.accept)
		if resp.StatusCode != 404 || resp.Header.Get("Content-Type") != tc.media || text != tc.body {
			t.Errorf("%s %s, Accept %q: %d %s\n%s, want %s\n%s", tc.method, tc.path, tc.accept, resp.StatusCode, resp.Header.Get("Content-Type"), text, tc.media, tc.body)
		}
	}
	resp, text := b.call(t, "GET", "/nowhere", "")
	var got struct {
		Status int
		Code   string
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || resp.StatusCode != 404 || got.Status != 404 || got.Code != "NOT_FOUND" {
		t.Errorf("before a route is found: %d %s", resp.StatusCode, text)
	}
}

// TestLateErrorShape is a stream that fails after a message: its last line has the shape's error under one key.
func TestLateErrorShape(t *testing.T) {
	b := newBodies(t, bodiesProto)
	b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		if err := s.Send(s.New()); err != nil {
			return err
		}
		return status.Error(codes.DataLoss, "half of it")
	})
	for accept, want := range map[string]string{
		"": `{"error":{"code":15,"message":"half of it","details":[]}}`,
		"application/x-ndjson, application/problem+json": `{"error":{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"half of it","code":"DATA_LOSS"}}`,
	} {
		resp, text := b.call(t, "GET", "/things", "", "Accept", accept)
		if resp.StatusCode != 200 || text != "{}\n"+want+"\n" {
			t.Errorf("Accept %q: %d\n%s, want {} and\n%s", accept, resp.StatusCode, text, want)
		}
	}
}

// TestSuccessCodes are those of the options; failures keep their own.
func TestSuccessCodes(t *testing.T) {
	b := newBodies(t, bodiesProto)
	for _, tc := range []struct {
		method, path, body string
		status             int
		media, want        string
	}{
		{"GET", "/things/a", "", 200, "application/json", `{"name":"a"}`},
		{"POST", "/things", `{"name":"a"}`, 201, "application/json", `{"name":"a"}`},
		{"POST", "/things:begin", `{"name":"a"}`, 202, "application/json", `{"name":"a"}`},
		{"DELETE", "/things/a", "", 204, "", ""},
		{"POST", "/things", `{"name":1}`, 400, "application/json", ""},
	} {
		resp, text := b.call(t, tc.method, tc.path, tc.body)
		if resp.StatusCode != tc.status || resp.Header.Get("Content-Type") != tc.media || tc.status < 400 && text != tc.want {
			t.Errorf("%s %s: %d %q %s, want %d %q %s", tc.method, tc.path, resp.StatusCode, resp.Header.Get("Content-Type"), text, tc.status, tc.media, tc.want)
		}
		if tc.status == 204 && (resp.Header["Content-Length"] != nil || resp.Header["Transfer-Encoding"] != nil) {
			t.Errorf("204 has headers of a body: %v", resp.Header)
		}
	}
}
