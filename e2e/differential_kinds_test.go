package e2e

import (
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	kindsv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/kinds/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestDifferentialKinds gives the generated grpc-gateway and Gatehouse in its ways requests for fields of every kind, in every place that
// a rule can give them, before one backend that answers with what it got. There is no difference.
func TestDifferentialKinds(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("differential/proto/kinds/v1/kinds.proto")
	if err != nil {
		t.Fatal(err)
	}
	files := testkit.Compile(t, map[string][]byte{"kinds/v1/kinds.proto": source})
	backend := testkit.NewBackend(t, files)
	backend.Answer(echoMany)
	mux := runtime.NewServeMux()
	if err := kindsv1.RegisterKindsHandler(t.Context(), mux, dialed(t, backend.Target)); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	gatehouse := testkit.Serve(t, append(configFile(t, "compat: GRPC_GATEWAY"), "--dev",
		"--descriptors", testkit.Descriptors(t, files), "--backend", backend.Target)...).Public
	requests := append(kindsRequests(), readRequests(t, "testdata/differential/kinds-requests.txt")...)
	t.Logf("%d requests", len(requests))
	if len(requests) < 3000 {
		t.Errorf("%d requests, want a few thousand", len(requests))
	}
	for _, c := range requests {
		compareSpoken(t, c, speakTo(t, web.Listener.Addr().String(), c), speakTo(t, gatehouse, c))
	}
}

// echoMany answers with each request, and fails if the last one says so.
func echoMany(c *testkit.Received, s *testkit.Replies) error {
	if !c.Method.IsStreamingServer() {
		return testkit.Echo(c, s)
	}
	for _, m := range c.Requests {
		if fd := m.ProtoReflect().Descriptor().Fields().ByName("s"); fd != nil && m.ProtoReflect().Get(fd).String() == "fails" {
			return status.Error(codes.Aborted, "it fails")
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
	return nil
}

// kindsRequests set fields of every kind by the path, and by bodies, and read them from replies.
func kindsRequests() (all []testCase) {
	texts := []string{
		"0", "1", "01", "+1", "-1", "1.0", "1e2", "0x10", " 1", "2147483648", "9223372036854775808", "true", "T", "tRUE", "NaN", "inf", "1e400", "RED", "red", "-2", "7",
		"a", "a,b", "1,2", "1,", ",", "RED,NAVY", "YQ==", "YQ", "-_-_", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05.5+01:00", "1s", "1.5s", "\"1s\"", "ü", "\xff", "a\x00b", "..", ".", "",
		"a/b", "a:b", "a%2Fb", "a+b",
	}
	for _, field := range []string{"i", "l", "u", "ul", "f", "d", "b", "by", "c", "t", "du", "ws", "wi", "wb", "ri", "rs", "rc", "opt", "os", "ss"} {
		for _, text := range texts {
			all = append(all, testCase{verb: "GET", target: "/t/" + field + "/" + url.PathEscape(text)})
		}
	}
	values := []string{
		`null`, `0`, `1`, `"1"`, `-0`, `1.0`, `1.5`, `1e2`, `"1e2"`, `"x"`, `""`, `true`, `"true"`, `[]`, `[1,2]`, `{}`, `{"a":"b"}`, `{"s":"x","i":1}`, `{"i":"x"}`, `{"nope":1}`,
		`[{"s":"x"},{}]`, `"RED"`, `"2020-01-02T03:04:05Z"`, `"YQ"`, `"YQ=="`, `"-_-_"`, `NaN`, `"NaN"`, `9223372036854775807`, `"9223372036854775807"`, `18446744073709551615`, `2147483648`, ` 1 `, `1 2`, `1x`,
		`{"a":"b","a":"c"}`, `"\ud800"`, `"\u0000"`, "\"\xff\"", `[`, ``, ` `, `'a'`, `"2020"`, `-1`, `{"1":"x"}`, `{"a":1}`, `"a" x`,
	}
	bodies := []string{
		`{"i":7}`, `{"l":7}`, `{"d":1.5}`, `{"d":"NaN"}`, `{"d":1e21}`, `{"d":1e-7}`, `{"d":100000000000000000000}`, `{"b":true}`, `{"s":"ü <&> \u2028"}`, `{"by":"YQ"}`, `{"c":"RED"}`, `{"c":-2}`, `{"rs":["a","<"]}`,
		`{"ri":[1,2]}`, `{"rc":[0,1]}`, `{"m":{"b":"1","a":"<"}}`, `{"sub":{"s":"x"}}`, `{"subs":[{"s":"x"},{}]}`, `{"t":"2020-01-02T03:04:05.5Z"}`, `{"ws":""}`, `{"v":null}`, `{"v":{"a":[1,"x"]}}`, `{}`,
	}
	for _, field := range []string{"sub", "b", "rs", "ri", "m", "subs", "t", "ws", "st"} {
		for _, value := range values {
			all = append(all, testCase{verb: "POST", target: "/b/" + field + "?s=q&i=3", body: value, hasBody: true})
		}
	}
	for _, field := range []string{"sub", "i", "b", "s", "c", "rs", "ri", "rc", "m", "subs", "t", "ws"} {
		for _, body := range bodies {
			all = append(all, testCase{verb: "POST", target: "/r/" + field, body: body, hasBody: true})
		}
	}
	for _, body := range append(values, bodies...) {
		for _, target := range []string{"/k", "/collect", "/talk", "/s", "/nothing"} {
			all = append(all, testCase{verb: "POST", target: target, body: body, hasBody: true})
		}
		for _, target := range []string{"/k/x", "/p/x", "/p2/x?i=4", "/p3/x", "/p/x?mask=s"} {
			all = append(all, testCase{verb: "PATCH", target: target, body: body, hasBody: true})
		}
	}
	for _, path := range kindsPaths {
		for _, verb := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "PURGE", "TRACE", "get"} {
			all = append(all, testCase{verb: verb, target: path})
		}
	}
	return all
}

// kindsPaths are tried by every method.
var kindsPaths = strings.Fields(`/k /k/ /k/x /k//x /k/x/ /k/x:run /k/x:go /k/:run /k/x:run:run /k:list /k/x:nope /k/x/of/y/1 /k/x/of//1 /k/x/of/y/z /k/x/a-b/c /k/x%2Fof%2Fy%2F1
	/k/x%3Arun /k%3Alist /k/%2e%2e /k/../k/x /k/%ff /k/a%00b /k/x%20y /k/x+y /k/x;y /k/x,y /k/%25 /k/%252F /k/none/none /head/x /options/x
	/w /w/ /w/a /w/a/b /w/a//b /w/a/ /w/a%2Fb /w/a%252Fb /w/../x /w/a:b /w2/a/x/b /w2/a/x/b/ /w2/a/x/b/c/d /w2/a/b /w3/q/x/y/tail /w3/q/x/y /w3//x//tail /w4/a/b:verb /w4:verb /w4/:verb
	/w4/a:b:verb /w7/a/b /w7/a/x/b /w7/a//b /w7/a/x/y/b /w5 /w5/ /w5/a/b /w6/a/x/b/y /w6/a//b/ /W/a /nothing /collect /talk /s /s/x /s/fails /s/x/sub /s/fails/sub /nope / //k //`)
