package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

const movedProto = `syntax = "proto3";
package moved.v1;
import "gatehouse/policy/v1/policy.proto";
import "google/api/annotations.proto";
service Old {
  option (gatehouse.policy.v1.service) = {compat: GRPC_GATEWAY};
  rpc Get(Thing) returns (Thing) { option (google.api.http) = {get: "/old/{name}"}; }
  rpc Deep(Thing) returns (Thing) { option (google.api.http) = {get: "/new/{name}/{a}"}; }
  rpc Names(Thing) returns (Thing) { option (google.api.http) = {get: "/names/{tags}"}; }
  rpc Make(Thing) returns (Thing) { option (google.api.http) = {post: "/old", body: "*"}; }
  rpc Save(Thing) returns (Thing) {
    option (google.api.http) = {post: "/saved", body: "*"};
    option (gatehouse.policy.v1.method) = {forms: true};
  }
  rpc List(Thing) returns (stream Thing) { option (google.api.http) = {get: "/old"}; }
  rpc Put(stream Thing) returns (Thing) { option (google.api.http) = {post: "/old:put", body: "*"}; }
  rpc Talk(stream Thing) returns (stream Thing) { option (google.api.http) = {post: "/old:talk", body: "*"}; }
}
service New {
  rpc Get(Thing) returns (Thing) { option (google.api.http) = {get: "/new/{name}"}; }
  rpc List(Thing) returns (stream Thing) { option (google.api.http) = {get: "/new"}; }
}
message Thing { string name = 1; int64 size = 2; repeated string tags = 3; Thing part = 4; optional bool good = 5; oneof o { string a = 6; string b = 7; } }
`

// unset is what grpc-gateway writes of fields that are not set.
const unset = `"size":"0","tags":[],"part":null`

// TestGRPCGatewayStreams: each message of a stream is in an envelope, and so is its failure, early or late.
func TestGRPCGatewayStreams(t *testing.T) {
	b := newBodies(t, movedProto)
	fail := status.Error(codes.NotFound, "no more")
	script := func(n int, err error) testkit.Script {
		return func(_ *testkit.Received, s *testkit.Replies) error {
			for i := range n {
				m := s.New()
				if err := protojson.Unmarshal(fmt.Appendf(nil, `{"name":"%d"}`, i), m); err != nil {
					return err
				}
				if err := s.Send(m); err != nil {
					return err
				}
			}
			return err
		}
	}
	const one, failed = `{"result":{"name":"0",` + unset + "}}\n", `{"error":{"code":5,"message":"no more","details":[]}}` + "\n"
	for _, c := range []struct {
		script testkit.Script
		status int
		want   string
	}{
		{script(0, nil), 200, ""},
		{script(1, nil), 200, one},
		{script(1, fail), 200, one + failed},
		{script(0, fail), 404, failed},
	} {
		b.backend.Answer(c.script)
		for _, accept := range []string{"*/*", "text/event-stream", "application/json", "text/html"} {
			resp, text := b.call(t, "GET", "/old", "", "Accept", accept)
			media := resp.Header.Get("Content-Type")
			if resp.StatusCode != c.status || text != c.want || (media == "application/json") == (c.want == "") { // nothing has no type
				t.Errorf("%s: %d %s %q, want %d %q", accept, resp.StatusCode, resp.Header.Get("Content-Type"), text, c.status, c.want)
			}
		}
	}
	b.backend.Answer(script(1, nil))
	if resp, text := b.call(t, "GET", "/old?size=x", ""); resp.StatusCode != 400 || !strings.HasPrefix(text, `{"code":3,`) {
		t.Errorf("a request that is wrong: %d %s", resp.StatusCode, text)
	}
	if _, text := b.call(t, "GET", "/new", ""); text != "{\"name\":\"0\"}\n" {
		t.Errorf("another service: %q", text)
	}
}

// TestGRPCGatewayClientStreams: messages are JSON values one behind the other, with space or lines between them or not.
func TestGRPCGatewayClientStreams(t *testing.T) {
	b := newBodies(t, movedProto)
	var got []string
	b.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		got = nil
		for _, m := range c.Requests {
			got = append(got, string(m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName("name")).String()))
		}
		return s.Send(s.New())
	})
	for body, want := range map[string]string{
		"":                          "[]",
		" \n":                       "[]",
		`{"name":"a"}`:              "[a]",
		`{"name":"a"}{"name":"}{"}`: "[a }{]",
		"{\"name\":\"a\"}\n{}\n":    "[a ]",
		" {\"name\":\"\\\"{\"} \t {\"name\":\"b\",\"part\":{\"tags\":[\"]\"]}}": `["{ b]`,
		`{"name":"a","nope":1}`: "[a]",
	} {
		for _, media := range []string{"application/json", "text/plain", ""} {
			got = nil
			resp, text := b.call(t, "POST", "/old:put", body, "Content-Type", media)
			if resp.StatusCode != 200 || fmt.Sprint(got) != want {
				t.Errorf("%q as %q: %d %s, the backend got %v, want %s", body, media, resp.StatusCode, text, got, want)
			}
		}
	}
	for _, body := range []string{`{"name":"a"}x`, `{"name":"a"`, `{"name":"a"}{"name":1}`, `{"name":"a"}}`} {
		if resp, text := b.call(t, "POST", "/old:put", body); resp.StatusCode != 400 || !strings.HasPrefix(text, `{"code":3,`) {
			t.Errorf("%q: %d %s", body, resp.StatusCode, text)
		}
	}
}

// TestGRPCGatewayRubbish: what is no message of a bidi stream is the end of the messages, and the operator gets to know what it was. What
// the gateway itself bounds stays a failure.
func TestGRPCGatewayRubbish(t *testing.T) {
	b := newBodies(t, movedProto, configFile(t, "limits: {body_bytes_max: 100}\n")...)
	b.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		for range c.Requests {
			if err := s.Send(s.New()); err != nil {
				return err
			}
		}
		return nil
	})
	const empty = `{"result":{"name":"",` + unset + "}}\n"
	for body, want := range map[string]string{
		`{"name":1}`: "", `x`: "", `{"name":"a"}x`: empty, `{"name":"a"}{"name":"b"`: empty, `[{"name":"a"}]`: "", `{"name":"a"}[]`: empty,
	} {
		resp, text := b.call(t, "POST", "/old:talk", body)
		if resp.StatusCode != 200 || text != want {
			t.Errorf("%s: %d %q, want %q", body, resp.StatusCode, text, want)
		}
	}
	until(t, "the log says six times what was wrong", func() bool {
		n := 0
		for line := range strings.Lines(b.gateway.Stdout()) {
			if strings.Contains(line, `"code":"OK"`) && strings.Contains(line, `"reason":"MALFORMED_BODY"`) {
				n++
			}
		}
		return n == 6
	})
	if metrics := fetch(t, "GET", "http://"+b.gateway.Admin+"/metrics", "").Text; !strings.Contains(metrics, `gatehouse_ignored_total{kind="message"} 6`) {
		t.Errorf("metrics:\n%s", metrics)
	}
	for _, first := range []string{"", `{"name":"a"}`} {
		resp, text := b.call(t, "POST", "/old:talk", first+`{"name":"`+strings.Repeat("a", 100)+`"}`)
		if resp.StatusCode != 413 || !strings.HasPrefix(text, `{"code":8,`) {
			t.Errorf("too large behind %q: %d %s", first, resp.StatusCode, text)
		}
	}
}

// TestGRPCGatewayErrors: google.rpc.Status, 501 for a wrong method, and the words of a mux.
func TestGRPCGatewayErrors(t *testing.T) {
	b := newBodies(t, movedProto)
	b.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return status.Error(codes.NotFound, "no such thing") })
	for _, c := range []struct {
		verb, path string
		status     int
		want       string
	}{
		{"GET", "/old/x", 404, `{"code":5,"message":"no such thing","details":[]}`},
		{"DELETE", "/old/x", 501, `{"code":12,"message":"Method Not Allowed","details":[`},
		{"HEAD", "/old/x", 501, ""},
		{"GET", "/new/x", 404, `{"error":{"code":404,`},
		{"DELETE", "/new/x", 405, `{"error":{"code":405,`},
		{"GET", "/nowhere", 404, `{"error":{"code":404,`},
	} {
		if resp, text := b.call(t, c.verb, c.path, ""); resp.StatusCode != c.status || !strings.HasPrefix(text, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.verb, c.path, resp.StatusCode, text, c.status, c.want)
		}
	}
	whole := newBodies(t, movedProto, configFile(t, "compat: GRPC_GATEWAY\nservices: [{match: moved.v1.New, compat: GATEHOUSE}]\n")...)
	if resp, text := whole.call(t, "GET", "/nowhere", ""); resp.StatusCode != 404 || !strings.HasPrefix(text, `{"code":5,"message":"Not Found","details":[`) {
		t.Errorf("no route: %d %s", resp.StatusCode, text)
	}
	if resp, text := whole.call(t, "DELETE", "/new/x", ""); resp.StatusCode != 501 {
		t.Errorf("no route, and the gateway's habits count: %d %s", resp.StatusCode, text)
	}
	if _, text := whole.call(t, "GET", "/new/x", ""); text != `{"name":"x"}` {
		t.Errorf("a service that keeps Gatehouse's habits: %s", text)
	}
}

// TestGRPCGatewayBodies: any type, no more than one value, unknown fields; paths are decoded before they are split; forms are queries.
func TestGRPCGatewayBodies(t *testing.T) {
	b := newBodies(t, movedProto)
	for _, c := range []struct{ verb, path, media, body, want string }{
		{"POST", "/old", "text/plain", `{"name":"a"} x`, `{"name":"a",` + unset + `}`},
		{"POST", "/old", "application/json; charset=latin1", `{"nope":[1],"name":"a","good":false,"a":""}`, `{"name":"a",` + unset + `,"good":false,"a":""}`},
		{"POST", "/old", "", "", `{"name":"",` + unset + `}`},
		{"GET", "/old/x?nope=1&name=y", "", `body`, `{"name":"x",` + unset + `}`},
		{"GET", "/old%2Fx", "", "", `{"name":"x",` + unset + `}`},
		{"GET", "/old/a%252Fb", "", "", `{"name":"a%2Fb",` + unset + `}`},
		{"GET", "/names/a,b", "", "", `{"name":"","size":"0","tags":["a","b"],"part":null}`},
		{"POST", "/old/x", "application/x-www-form-urlencoded", "size=3&tags=a+b", `{"name":"x","size":"3","tags":["a b"],"part":null}`},
		{"POST", "/saved", "application/x-www-form-urlencoded", "size=%2B3&nope=1", `{"name":"","size":"3","tags":[],"part":null}`},
	} {
		if resp, text := b.call(t, c.verb, c.path, c.body, "Content-Type", c.media, "Accept", "text/html"); resp.StatusCode != 200 || text != c.want {
			t.Errorf("%s %s %s: %d %s, want %s", c.verb, c.path, c.body, resp.StatusCode, text, c.want)
		}
	}
	if resp, text := b.call(t, "POST", "/old", "size=3", "Content-Type", "application/x-www-form-urlencoded"); resp.StatusCode != 400 {
		t.Errorf("a body is JSON, unless the method takes forms: %d %s", resp.StatusCode, text)
	}
	if resp, text := b.call(t, "GET", "/old/a%2Fb", ""); resp.StatusCode != 404 {
		t.Errorf("an escaped slash is one: %d %s", resp.StatusCode, text)
	}
	for path, want := range map[string]string{"/old/%2e%2e": "..", "/old/..": "..", "/old/a%00b": `a\u0000b`, "/old/": ""} {
		if resp, text := b.call(t, "GET", path, ""); resp.StatusCode != 200 || text != `{"name":"`+want+`",`+unset+`}` {
			t.Errorf("%s is the value of a variable: %d %s", path, resp.StatusCode, text)
		}
	}
	for path, want := range map[string]int{"/new/%2e%2e": 400, "/new/../old/x": 400, "/old/%ff": 500, "/new/%ff": 400} {
		if resp, text := b.call(t, "GET", path, ""); resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", path, resp.StatusCode, text, want)
		}
	}
}

// TestGRPCGatewayWebSocket finds routes as REST does.
func TestGRPCGatewayWebSocket(t *testing.T) {
	b := newBodies(t, movedProto)
	for path, want := range map[string]string{"/old/x": "x", "/old%2Fx": "x", "/old/a%252Fb": "a%2Fb", "/old/..": "..", "/old/": ""} {
		s := openSocket(t, b.gateway, path, nil)
		s.hear(`{"name":"` + want + `"`)
		s.end(websocket.StatusNormalClosure)
	}
}

// TestGRPCGatewayMetadata: what backends and clients find under grpc-gateway's names, and what nobody can forge.
func TestGRPCGatewayMetadata(t *testing.T) {
	b := newBodies(t, movedProto)
	b.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		if err := s.SendHeader(metadata.Pairs("x-reply", "1", "x-raw-bin", "\x00\xff")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("x-late", "2"))
		return testkit.Echo(c, s)
	})
	resp, text := b.call(t, "GET", "/old/x", "", "Grpc-Metadata-X-User", "ada", "Grpc-Metadata-X-Some-Bin", "AAH/", "Grpc-Metadata-Gatehouse-Principal", "root",
		"Grpc-Metadata-X-Forwarded-For", "10.9.9.9", "Grpcgateway-Authorization", "forged", "Cookie", "a=b", "Accept-Language", "de", "Te", "trailers",
		"X-Server-Timeout", "x", "Grpc-Timeout", "0m", "X-Plain", "p")
	if resp.StatusCode != 200 {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	if got := resp.Header.Get("Grpc-Metadata-X-Reply") + resp.Header.Get("Grpc-Metadata-X-Raw-Bin") + resp.Trailer.Get("Grpc-Trailer-X-Late"); got != "1AP82" {
		t.Errorf("reply: %q, %v %v", got, resp.Header, resp.Trailer)
	}
	if resp.Header.Get("X-Reply") != "" || resp.Header.Get("Etag") != "" {
		t.Errorf("headers that grpc-gateway has not: %v", resp.Header)
	}
	md := b.backend.Take()[0].Metadata
	for key, want := range map[string][]string{
		"x-user": {"ada"}, "x-some-bin": {"\x00\x01\xff"}, "grpcgateway-cookie": {"a=b"}, "grpcgateway-accept-language": {"de"}, "x-plain": nil,
		"gatehouse-principal": nil, "x-forwarded-for": {"127.0.0.1"}, "x-forwarded-host": {b.gateway.Public}, "grpcgateway-authorization": nil, "cookie": nil,
	} {
		if got := md.Get(key); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if resp, text := b.call(t, "GET", "/old/x", "", "Grpc-Timeout", "x"); resp.StatusCode != 400 {
		t.Errorf("a timeout that is none: %d %s", resp.StatusCode, text)
	}
	b.backend.Take()
	b.call(t, "GET", "/old/x", "", "Grpc-Timeout", "5S")
	if c := b.backend.Take(); len(c) != 1 || c[0].Left <= 0 || c[0].Left > 5*time.Second {
		t.Errorf("the backend was told a deadline in %v", c)
	}
}

// TestGRPCGatewayCredentials: a credential that was for the gateway goes no further, by any name.
func TestGRPCGatewayCredentials(t *testing.T) {
	const keys = `authn: {api_keys: [{id: k, secret_sha256: "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", principal: ada}]}
services: [{match: moved.v1.Old, access: AUTHENTICATED}]
`
	b := newKeyed(t, keys)
	for name, want := range map[string]int{"Authorization": 200, "Grpc-Metadata-Authorization": 401, "Grpcgateway-Authorization": 401} {
		b.backend.Take()
		resp, text := b.call(t, "GET", "/old/x", "", name, "Bearer k.secret")
		if resp.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", name, resp.StatusCode, text, want)
		}
		for _, c := range b.backend.Take() {
			if len(c.Metadata.Get("authorization"))+len(c.Metadata.Get("grpcgateway-authorization")) > 0 || c.Metadata.Get("gatehouse-principal") == nil {
				t.Errorf("%s: the backend got %v", name, c.Metadata)
			}
		}
	}
	if resp, _ := b.call(t, "GET", "/old/x", "", "Authorization", "Bearer k.secret", "Grpc-Metadata-Authorization", "Bearer other"); resp.StatusCode != http.StatusOK {
		t.Errorf("one credential, and one by another name: %d", resp.StatusCode)
	}
}

// TestGRPCGatewayCrossOrigin: which pages may read a reply is decided about the method that is called, and not about one that the path
// would lead to if it were not decoded.
func TestGRPCGatewayCrossOrigin(t *testing.T) {
	b := newBodies(t, movedProto, configFile(t, "services: [{match: moved.v1.New, cors: {allowed_origins: ['*']}}]\n")...)
	for path, want := range map[string]string{"/new/x": "*", "/new/x/y": "", "/new/x%2Fy": ""} {
		resp, text := b.call(t, "GET", path, "", "Origin", "https://example.com")
		if got := resp.Header.Get("Access-Control-Allow-Origin"); resp.StatusCode != 200 || got != want || strings.Contains(text, unset) != (want == "") {
			t.Errorf("%s: %d %s, allowed to %q, want %q", path, resp.StatusCode, text, got, want)
		}
	}
}

// newKeyed is newBodies for callers who need a key.
func newKeyed(t *testing.T, config string) *bodies {
	files := testkit.Compile(t, map[string][]byte{"bodies.proto": []byte(movedProto)})
	b := &bodies{backend: testkit.NewBackend(t, files)}
	b.gateway = testkit.Serve(t, append(configFile(t, config), "--descriptors", testkit.Descriptors(t, files), "--backend", b.backend.Target)...)
	return b
}
