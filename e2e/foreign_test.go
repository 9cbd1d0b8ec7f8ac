package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// foreign starts a gateway in front of a backend that answers as told, without a gRPC library between.
func foreign(t *testing.T, k *kit, answer func(w http.ResponseWriter)) func(t *testing.T) *testkit.Response {
	t.Helper()
	target := testkit.RawBackend(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	g := testkit.Serve(t, "--dev", "--descriptors", testkit.Descriptors(t, k.files), "--backend", target)
	return func(t *testing.T) *testkit.Response {
		return testkit.Raw(t, g.Public, "GET", request("GET", "/one/x").wire())
	}
}

// 81: grpc-message is percent-encoded; of two codes that differ, neither is believed.
func grpcMessageIsDecoded(t *testing.T, k *kit) {
	trailers := http.Header{}
	call := foreign(t, k, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		for name, values := range trailers {
			w.Header()[name] = values
		}
	})
	for message, want := range map[string]string{
		"caf%C3%A9%0A": "café\n", "100%": "100%", "%zz": "%zz", "plain": "plain",
	} {
		trailers = http.Header{"Grpc-Status": {"5"}, "Grpc-Message": {message}}
		r := call(t)
		if f := failureOf(t, r); r.StatusCode != 404 || f.Message != want {
			t.Errorf("%s: %d %q, want %q", message, r.StatusCode, f.Message, want)
		}
	}
	// google.rpc.Status{code: 5, message: "n"}
	for _, details := range []string{"CAUSAW4", "CAUSAW4="} {
		trailers = http.Header{"Grpc-Status": {"5"}, "Grpc-Message": {"m"}, "Grpc-Status-Details-Bin": {details}}
		r := call(t)
		if f := failureOf(t, r); r.StatusCode != 404 || f.Message != "n" {
			t.Errorf("details %s: %d %+v", details, r.StatusCode, f)
		}
	}
	trailers.Set("Grpc-Status", "7")
	if r := call(t); r.StatusCode != 500 || failureOf(t, r).Status != "INTERNAL" {
		t.Errorf("codes that differ: %d %s", r.StatusCode, r.Text)
	}
}

// 82: an answer that is not gRPC has the code that its HTTP status means.
func answersThatAreNotGRPC(t *testing.T, k *kit) {
	httpStatus := 0
	call := foreign(t, k, func(w http.ResponseWriter) {
		if httpStatus == 200 {
			w.Header().Set("Content-Type", "application/grpc")
			_, _ = w.Write([]byte{0, 0, 0, 0, 3, 0x0a, 1, 'n'}) // the gateway is still there
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(httpStatus)
	})
	httpStatus = 200
	if r := call(t); r.StatusCode != 200 || r.Text != `{"n":"n"}` {
		t.Errorf("gRPC: %d %s", r.StatusCode, r.Text)
	}
	for from, want := range map[int]string{
		400: "500 INTERNAL", 401: "401 UNAUTHENTICATED", 403: "403 PERMISSION_DENIED", 404: "501 UNIMPLEMENTED",
		429: "503 UNAVAILABLE", 502: "503 UNAVAILABLE", 503: "503 UNAVAILABLE", 504: "503 UNAVAILABLE",
		418: "500 UNKNOWN", 500: "500 UNKNOWN",
	} {
		httpStatus = from
		r := call(t)
		if got := fmt.Sprint(r.StatusCode, " ", failureOf(t, r).Status); got != want {
			t.Errorf("HTTP %d: got %s, want %s", from, got, want)
		}
	}
}

// 99: a status that gRPC does not define is UNKNOWN, and a number that it had is told.
func undefinedStatus(t *testing.T, k *kit) {
	sent := ""
	call := foreign(t, k, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/grpc")
		if sent != "" {
			w.Header().Set("Grpc-Status", sent)
		}
	})
	sent = "5"
	if r := call(t); r.StatusCode != 404 {
		t.Errorf("status 5: %d %s", r.StatusCode, r.Text)
	}
	for _, sent = range []string{"17", "999", "-1", "abc", ""} {
		r := call(t)
		f := failureOf(t, r)
		if r.StatusCode != 500 || f.Status != "UNKNOWN" {
			t.Errorf("status %q: %d %s", sent, r.StatusCode, r.Text)
		}
		if _, err := strconv.Atoi(sent); err != nil {
			continue
		}
		if info, _ := f.Details[0]["metadata"].(map[string]any); info["grpc-status"] != sent {
			t.Errorf("status %q: details %v", sent, f.Details)
		}
	}
}

// 96: who may not call learns nothing else, and every refusal of the gateway has its ErrorInfo.
func refusalOrderAndErrorInfo(t *testing.T, k *kit) {
	start := func(access string) func(testCase) *testkit.Response {
		g := testkit.Serve(t, "--default-access", access, "--descriptors", testkit.Descriptors(t, k.files), "--backend", k.backend.Target)
		return func(c testCase) *testkit.Response { return testkit.Raw(t, g.Public, c.verb, c.wire()) }
	}
	k.backend.Take() // what tests before this one left
	denied, authenticated, public := start("DENIED"), start("AUTHENTICATED"), start("PUBLIC")
	// Each request has every fault that comes after the one that is told.
	bad := func(target string) testCase {
		return withBody("POST", target, `{"nope":1}`, "Content-Type: text/html", "X-Server-Timeout: x")
	}
	for _, c := range []struct {
		name   string
		r      *testkit.Response
		status int
	}{
		{"malformed path", denied(bad("/whole/%2e")), 400},
		{"unknown path", denied(bad("/nowhere")), 404},
		{"denied", denied(bad("/whole")), 403},
		{"not authenticated", authenticated(bad("/whole")), 401},
		{"body", public(withBody("POST", "/whole?i=1", `{"nope":1}`, "Content-Type: text/html")), 415},
		{"query", public(withBody("POST", "/whole?i=1", `{"nope":1}`)), 400},
	} {
		f := failureOf(t, c.r)
		if c.r.StatusCode != c.status || !upperSnake.MatchString(f.reason()) {
			t.Errorf("%s: got %d %s, want %d and a reason", c.name, c.r.StatusCode, c.r.Text, c.status)
		}
	}
	if calls := k.backend.Take(); len(calls) != 0 {
		t.Errorf("the backend was called %d times", len(calls))
	}
	r := public(withBody("POST", "/field?i=x", "{}"))
	violations, _ := failureOf(t, r).Details[1]["fieldViolations"].([]any)
	if len(violations) != 1 || violations[0].(map[string]any)["field"] != "i" {
		t.Errorf("violations in %s", r.Text)
	}
	if r := public(withBody("POST", "/whole", "{}")); r.StatusCode != 200 {
		t.Errorf("a call that is allowed: %d %s", r.StatusCode, r.Text)
	}
}

var upperSnake = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,61}[A-Z0-9]$`)
