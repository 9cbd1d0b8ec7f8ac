package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// get sends a request target as it is written, dots and all.
func (s *siege) get(t *testing.T, target string, headers ...string) *testkit.Response {
	t.Helper()
	wire := "GET " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	for _, h := range headers {
		wire += h + "\r\n"
	}
	return testkit.Raw(t, s.gateway.Public, "GET", wire+"\r\n")
}

// invoke calls a unary method of attack.v1 by gRPC, with a request in JSON, and returns how it ended.
func (s *siege) invoke(t *testing.T, address, method, request string, md ...string) *status.Status {
	t.Helper()
	m := s.method(t, method)
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if err := protojson.Unmarshal([]byte(request), in); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), md...), longest)
	defer cancel()
	return status.Convert(dialed(t, address).Invoke(ctx, "/attack.v1.Attack/"+method, in, out))
}

// method is a method of the schema.
func (s *siege) method(t *testing.T, name string) protoreflect.MethodDescriptor {
	t.Helper()
	d, err := s.files.Registry().FindDescriptorByName(protoreflect.FullName("attack.v1.Attack." + name))
	if err != nil {
		t.Fatal(err)
	}
	return d.(protoreflect.MethodDescriptor)
}

// 17: policy acts on the method that routing found, so no spelling of a path passes it by.
func pathsInDisguise(t *testing.T, s *siege) {
	for target, want := range map[string]int{
		"/open/a": 200, "/shut/a": 403, "/%73hut/a": 403, "/shut/%61": 403, "/shut/a;x=y": 403, "/shut/a%5c": 403, "/shut/a%2f..": 403, "/shut/a?b=/open": 403,
	} {
		if r := s.get(t, target); r.StatusCode != want {
			t.Errorf("%s: %d %s", target, r.StatusCode, r.Text)
		}
	}
	if called := s.called(); !slices.Equal(called, []string{"Open"}) {
		t.Errorf("called %v", called)
	}
	for _, target := range []string{
		"/open/../shut/a", "/open/%2e%2e/shut/a", "/open/%2E./shut/a", "/open/.%2e/shut/a", "/./shut/a", "/open/..", "/shut/a/.", "/shut/a/..", "/%2e/shut/a",
		"/open/%00/shut/a", "/shut/a%00", "/open/%c0%ae%c0%ae/shut/a", "/open/%e0%80%ae/shut/a", "/shut/%ff", "/open/%zz", "/open/%2", "/open/%u002e",
		"/open/\xc0\xae/shut", "open/a", "\\shut\\a",
	} {
		if r := s.get(t, target); r.StatusCode != 400 {
			t.Errorf("%q: %d %s", target, r.StatusCode, r.Text)
		}
		s.untouched(t, target)
	}
	// Whatever these are, they are no way to Shut; what reaches Open is Open's own text.
	for _, target := range []string{
		"//shut/a", "/open//shut/a", "/open/..;/shut/a", "/open/..;x=y/shut/a", "/open/..%2fshut/a", "/open/%252e%252e/shut/a", "/open/..%5cshut%5ca", "/open/..\\shut\\a",
		"/open%2f..%2fshut/a", "/shut%2fa", "/shut;x=y/a", "/shut./a", "/shut%20/a", "/shut/a/", "/shut/a%23frag", "/shut/a#frag", "/open/#/../shut/a", "/open;/../shut/a",
		"/open/a?/../shut/a", "/SHUT/a", "/shut%09/a", "/shut\u200b/a", "/ｓｈｕｔ/a", "/open/%2e%2e%2fshut/a", "/open/.../shut/a", "/open/a:shut", "/;/shut/a",
	} {
		r := s.get(t, target)
		calls := s.called()
		if r.StatusCode == 200 && (!slices.Equal(calls, []string{"Open"}) || !strings.HasPrefix(target, "/open/")) {
			t.Errorf("%q: %d, called %v", target, r.StatusCode, calls)
		}
		if r.StatusCode != 200 && (!slices.Contains([]int{400, 403, 404}, r.StatusCode) || len(calls) != 0) {
			t.Errorf("%q: %d, called %v", target, r.StatusCode, calls)
		}
	}
	c := dialHTTP2(t, s.gateway.Public)
	for _, path := range []string{"/open/../shut/a", "/open/%2e%2e/shut/a", "/shut/a#frag", "/shut/a%00"} {
		if o := c.outcome(c.get(path)); o.status == "200" {
			t.Errorf("by HTTP/2, %s: %+v", path, o)
		}
		s.untouched(t, path)
	}
}

// 18: case tells paths and methods apart, hosts do not, however many there are.
func caseAndHosts(t *testing.T, s *siege) {
	for target, want := range map[string]int{"/echo/A": 200, "/Echo/a": 404, "/ECHO/a": 404, "/attack.v1.attack/Echo": 404, "/Attack.v1.Attack/Echo": 404, "/shut/A": 403} {
		if r := s.get(t, target); r.StatusCode != want {
			t.Errorf("%s: %d %s", target, r.StatusCode, r.Text)
		}
	}
	s.backend.Take()
	for _, verb := range []string{"get", "Get", "GeT", "GETT", "G"} {
		if r := testkit.Raw(t, s.gateway.Public, verb, verb+" /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); r.StatusCode != 405 && r.StatusCode != 400 {
			t.Errorf("%s: %d", verb, r.StatusCode)
		}
		s.untouched(t, verb)
	}
	for i := range 120 {
		host := fmt.Sprintf("%s-%d.example:%d", []string{"a", "A", "xn--a"}[i%3], i, i+1)
		for target, want := range map[string]int{"/echo/a": 200, "/shut/a": 403, "/mine/a": 401, "/inside/a": 404} {
			r := fetchBy(t, http.DefaultClient, "GET", "http://"+s.gateway.Public+target, "", "Host: "+host)
			if r.StatusCode != want {
				t.Errorf("%s, host %s: %d", target, host, r.StatusCode)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
	for _, path := range []string{"/attack.v1.attack/Echo", "/attack.v1.Attack/echo", "/ATTACK.V1.ATTACK/ECHO"} {
		c := dialHTTP2(t, s.gateway.Public)
		id := c.request(false, ":method", "POST", ":scheme", "http", ":authority", "x", ":path", path, "content-type", "application/grpc", "te", "trailers")
		_ = c.WriteData(id, true, make([]byte, 5))
		if o := c.outcome(id); o.grpcStatus != "12" {
			t.Errorf("gRPC, %s: %+v", path, o)
		}
	}
}

// 19: the decision on a call is the same by whatever protocol it comes. TestSameDecisionByEveryProtocol asks for every
// method of the demo; here are all kinds of decisions.
func sameDecisionByEveryProtocol(t *testing.T, s *siege) {
	g := s.serve(t, "default_access: PUBLIC", keysYAML())
	ways := newWays(t, g)
	reader := keyOf("reader")
	for _, c := range []struct {
		method, request, key string
		want                 codes.Code
	}{
		{"Echo", `{"text":"a"}`, "", codes.OK},
		{"Echo", `{"text":"a"}`, reader, codes.OK},
		{"Echo", `{"text":"a"}`, "reader.wrong", codes.Unauthenticated},
		{"Mine", `{"text":"a"}`, "", codes.Unauthenticated},
		{"Mine", `{"text":"a"}`, reader, codes.OK},
		{"MineForLong", `{"text":"a"}`, "", codes.Unauthenticated},
		{"Shut", `{"text":"a"}`, "", codes.PermissionDenied},
		{"Shut", `{"text":"a"}`, reader, codes.PermissionDenied},
		{"Judged", `{"text":"fits"}`, "", codes.OK},
		{"Judged", `{"text":"does not fit"}`, "", codes.InvalidArgument},
	} {
		headers := http.Header{}
		if c.key != "" {
			headers.Set("X-Api-Key", c.key)
		}
		answers := ways.every(t, s.method(t, c.method), []string{c.request}, headers)
		for by, got := range answers {
			if got.Code != c.want || got.Reason != answers["grpc"].Reason || c.want != codes.OK && got.Reason == "" {
				t.Errorf("%s %s, key %q, by %s: %+v, want %s, as by gRPC: %s", c.method, c.request, c.key, by, got, c.want, answers["grpc"].Reason)
			}
		}
		if len(answers) < 10 {
			t.Errorf("only %d protocols were asked", len(answers))
		}
	}
	// A budget of two is one for all protocols together.
	passed := 0
	for by, got := range ways.every(t, s.method(t, "Dear"), []string{`{"text":"1"}`}, http.Header{}) {
		if got.Code == codes.OK {
			passed++
		} else if got.Code != codes.ResourceExhausted || got.Reason != "QUOTA_EXCEEDED" {
			t.Errorf("beyond the budget, by %s: %+v", by, got)
		}
	}
	if passed != 2 {
		t.Errorf("%d calls passed, want 2", passed)
	}
	s.backend.Take()
}

// 20: who says nothing serves nobody, and what is inside cannot be seen from outside.
func nothingIsPublicByItself(t *testing.T, s *siege) {
	g := s.serve(t, "access_log: ON\nopenapi: {public: true}") // the configuration says nothing of access
	for target, want := range map[string]int{
		"/echo/a": 403, "/mine/a": 401, "/shut/a": 403, "/inside/a": 404,
	} {
		if r := fetch(t, "GET", "http://"+g.Public+target, ""); r.StatusCode != want {
			t.Errorf("%s: %d %s", target, r.StatusCode, r.Text)
		}
	}
	for _, path := range []string{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Check"} {
		for _, gateway := range []*testkit.Gateway{g, s.gateway} { // default_access: PUBLIC does not open them either
			c := dialHTTP2(t, gateway.Public)
			id := c.request(false, ":method", "POST", ":scheme", "http", ":authority", "x", ":path", path, "content-type", "application/grpc", "te", "trailers")
			_ = c.WriteData(id, true, make([]byte, 5))
			if o := c.outcome(id); o.grpcStatus != "7" {
				t.Errorf("%s: %+v", path, o)
			}
		}
	}
	if r := fetch(t, "GET", "http://"+g.Public+"/openapi.json", ""); !strings.Contains(r.Text, `"/mine/{`) || strings.Contains(r.Text, "nside") {
		t.Errorf("the public document: %d %s", r.StatusCode, r.Text)
	}
	if r := fetch(t, "GET", "http://"+s.gateway.Public+"/openapi.json", ""); r.StatusCode != 404 { // nobody asked for one
		t.Errorf("a document without openapi.public: %d %.200s", r.StatusCode, r.Text)
	}
	s.untouched(t, "denied")
	for _, verb := range []string{"GET", "POST", "OPTIONS", "HEAD", "DELETE"} {
		there, nowhere := fetch(t, verb, "http://"+s.gateway.Public+"/inside/a", ""), fetch(t, verb, "http://"+s.gateway.Public+"/nobody/a", "")
		if a, b := anonymous(there, "/inside/a"), anonymous(nowhere, "/nobody/a"); a != b || there.StatusCode != 404 {
			t.Errorf("%s of what is inside: %s\nof nothing: %s", verb, a, b)
		}
	}
	there, nowhere := fetch(t, "POST", "http://"+s.gateway.Public+"/attack.v1.Attack/Inside", "{}"), fetch(t, "POST", "http://"+s.gateway.Public+"/attack.v1.Attack/Beside", "{}")
	if a, b := anonymous(there, "/attack.v1.Attack/Inside"), anonymous(nowhere, "/attack.v1.Attack/Beside"); a != b || there.StatusCode != 404 {
		t.Errorf("%s\n%s", a, b)
	}
	if st := s.invoke(t, s.gateway.Public, "Inside", `{}`); st.Code() != codes.Unimplemented {
		t.Errorf("by gRPC: %v", st)
	}
	s.untouched(t, "what is inside")
	if st := s.invoke(t, s.gateway.GRPC, "Inside", `{"text":"a"}`); st.Code() != codes.OK || len(s.called()) != 1 {
		t.Errorf("inside: %v", st)
	}
}

// 35: many names, long paths and deep ones cost what their length costs.
func hashFlooding(t *testing.T, s *siege) {
	quick := func(what string, want int, send func() *testkit.Response) {
		t.Helper()
		started := time.Now()
		r := send()
		if took := time.Since(started); r.StatusCode != want || tooLong(took) {
			t.Errorf("%s: %d %.200s after %v", what, r.StatusCode, r.Text, took)
		}
	}
	var headers, query, members []string
	for i := range 1500 {
		headers = append(headers, fmt.Sprintf("X-%s%d: %d", strings.Repeat("A", i%20), i, i))
	}
	for i := range 4000 {
		query = append(query, fmt.Sprintf("k%d=1", i))
	}
	for i := range 100_000 {
		members = append(members, fmt.Sprintf(`"k%d":""`, i))
	}
	quick("headers", 200, func() *testkit.Response { return s.get(t, "/echo/a", headers...) })
	quick("query", 400, func() *testkit.Response { return s.get(t, "/echo/a?"+strings.Join(query, "&")) })
	quick("long path", 200, func() *testkit.Response { return s.get(t, "/open/"+strings.Repeat("a/", 25_000)+"a") })
	quick("path of escapes", 200, func() *testkit.Response { return s.get(t, "/open/"+strings.Repeat("%61%2f", 10_000)+"a") })
	quick("path of colons", 200, func() *testkit.Response { return s.get(t, "/open/"+strings.Repeat(":a", 25_000)) })
	quick("path to nothing", 404, func() *testkit.Response { return s.get(t, "/shut/"+strings.Repeat("a/", 25_000)+"a") })
	quick("map", 200, func() *testkit.Response {
		return fetch(t, "POST", "http://"+s.gateway.Public+"/post", `{"labels":{`+strings.Join(members, ",")+`}}`)
	})
	s.backend.Take()
}
