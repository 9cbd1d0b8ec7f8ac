package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// coded returns the lines of docs/semantics.md that take more than one request or another backend to show.
func coded() map[int]func(*testing.T, *kit) {
	return map[int]func(*testing.T, *kit){
		77:  contentEncoding,
		78:  errorsAreJSON,
		79:  httpStatusTable,
		80:  errorBody,
		81:  grpcMessageIsDecoded,
		82:  answersThatAreNotGRPC,
		83:  deadlines,
		84:  binaryAndHopByHop,
		85:  metadataCharset,
		86:  connectGet,
		87:  headAndOptions,
		89:  webText,
		90:  serverSentEvents,
		96:  refusalOrderAndErrorInfo,
		98:  noHeaderFromMessages,
		99:  undefinedStatus,
		100: statusLineAndBodyAgree,
		101: jsonIsREST,
	}
}

// 77: gzip and identity are taken, the decoded size counts, nothing is not decoded.
func contentEncoding(t *testing.T, k *kit) {
	encoded := func(coding, body string) testCase {
		c := request("POST", "/whole", "Content-Encoding: "+coding)
		c.body, c.hasBody = body, true
		return c
	}
	for _, coding := range []string{"gzip", "GZIP", "x-gzip", "identity, gzip"} {
		c := encoded(coding, zipped(t, `{"i":1}`))
		c.method, c.request = "Whole", `{"i":1}`
		k.accept(t, c)
	}
	nothing := encoded("br", "")
	nothing.method, nothing.request = "Whole", `{}`
	k.accept(t, nothing)
	plain := encoded("identity", `{"i":1}`)
	plain.method, plain.request = "Whole", `{"i":1}`
	k.accept(t, plain)

	for _, coding := range []string{"br", "gzip, gzip", "deflate, gzip", "zstd, gzip"} {
		c := encoded(coding, zipped(t, `{"i":1}`)).refusedWith(415, "UNSUPPORTED_MEDIA_TYPE")
		c.response = []string{"Accept-Encoding: gzip, zstd, identity"}
		k.refuse(t, c)
	}
	k.refuse(t, encoded("gzip", `{"i":1}`).refusedWith(400, "MALFORMED_BODY"))
	const limit = 4 << 20
	fits := `{"s":"` + strings.Repeat("x", limit-8) + `"}`
	k.acceptOnly(t, encoded("gzip", zipped(t, fits)))
	k.acceptOnly(t, encoded("identity", fits))
	tooLarge := strings.Replace(fits, "x", "xx", 1)
	k.refuse(t, encoded("gzip", zipped(t, tooLarge)).refusedWith(413, "BODY_TOO_LARGE"))
	k.refuse(t, encoded("identity", tooLarge).refusedWith(413, "BODY_TOO_LARGE"))
	chunked := request("POST", "/whole", "Transfer-Encoding: chunked")
	chunked.body, chunked.hasBody = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(tooLarge), tooLarge), true
	k.refuse(t, chunked.refusedWith(413, "BODY_TOO_LARGE"))
}

// 78: each refusal has its real status and is JSON, whatever the client accepts.
func errorsAreJSON(t *testing.T, k *kit) {
	if r := k.send(t, request("GET", "/one/x", "Accept: application/json")); r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("a reply has Content-Type %q", r.Header.Get("Content-Type"))
	}
	for _, c := range []testCase{
		request("GET", "/one/%00").refusedWith(400, "MALFORMED_PATH"),
		request("GET", "/nowhere").refusedWith(404, "ROUTE_NOT_FOUND"),
		request("DELETE", "/one/x").refusedWith(405, "METHOD_NOT_ALLOWED"),
		request("POST", "/whole", "Content-Type: text/html", "Content-Length: 2000000000").refusedWith(415, "UNSUPPORTED_MEDIA_TYPE"),
		request("POST", "/whole", "Content-Length: 2000000000").refusedWith(413, "BODY_TOO_LARGE"),
	} {
		c.headers = append(c.headers, "Accept: text/html, application/json;q=0.5")
		k.refuse(t, c)
	}
}

// 79: each code of a backend has its HTTP status, and no backend can bring about a status that is the gateway's own.
func httpStatusTable(t *testing.T, k *kit) {
	defer k.backend.Answer(nil)
	want := []int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}
	for c, httpStatus := range want {
		k.fail(status.New(codes.Code(c), "as told"))
		r := k.send(t, request("GET", "/one/x"))
		if r.StatusCode != httpStatus {
			t.Errorf("%s: HTTP %d, want %d", codes.Code(c), r.StatusCode, httpStatus)
		}
		if c == 0 {
			continue
		}
		if f := failureOf(t, r); f.Status != code.Code(c).String() || f.Message != "as told" {
			t.Errorf("%s: body says %s, %q", codes.Code(c), f.Status, f.Message)
		}
	}
	for _, reason := range []string{"ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED", "BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"} {
		st, err := status.New(codes.Internal, "not mine").WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "gatehouse"})
		if err != nil {
			t.Fatal(err)
		}
		k.fail(st)
		if r := k.send(t, request("GET", "/one/x")); r.StatusCode != 500 {
			t.Errorf("a backend's %s became HTTP %d", reason, r.StatusCode)
		}
	}
}

// 80: the form of an error, of the gateway and of a backend.
func errorBody(t *testing.T, k *kit) {
	defer k.backend.Answer(nil)
	r := k.send(t, request("GET", "/query?i=x"))
	var body map[string]map[string]any
	if err := json.Unmarshal([]byte(r.Text), &body); err != nil {
		t.Fatal(err)
	}
	if len(body) != 1 || len(body["error"]) != 4 || body["error"]["status"] != "INVALID_ARGUMENT" || body["error"]["code"] != 400.0 {
		t.Errorf("got %s", r.Text)
	}
	details := failureOf(t, r).Details
	if len(details) != 2 || details[0]["@type"] != "type.googleapis.com/google.rpc.ErrorInfo" ||
		details[1]["@type"] != "type.googleapis.com/google.rpc.BadRequest" {
		t.Errorf("details %v", details)
	}

	book := &anypb.Any{TypeUrl: "type.googleapis.com/semantics.v1.Book", Value: []byte("\x0a\x01n")}
	unknown := &anypb.Any{TypeUrl: "type.googleapis.com/acme.Unknown", Value: []byte("\x00\xff")}
	broken := &anypb.Any{TypeUrl: "type.googleapis.com/semantics.v1.Book", Value: []byte("\x0a")}
	p := status.New(codes.NotFound, "no book").Proto()
	p.Details = []*anypb.Any{book, book, unknown, broken}
	k.fail(status.FromProto(p))
	r = k.send(t, request("GET", "/one/x"))
	got, err := json.Marshal(failureOf(t, r).Details)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"@type":"type.googleapis.com/semantics.v1.Book","name":"n"},{"@type":"type.googleapis.com/semantics.v1.Book","name":"n"},` +
		`{"@type":"type.googleapis.com/acme.Unknown","value":"AP8="},{"@type":"type.googleapis.com/semantics.v1.Book","value":"Cg=="}]`
	if string(got) != want {
		t.Errorf("details\n%s, want\n%s", got, want)
	}
}

// 83: the first timeout there is counts, to the cap, and travels as what is left of it.
func deadlines(t *testing.T, k *kit) {
	const limit = 60 * time.Second
	for _, c := range []struct {
		headers []string
		want    time.Duration
	}{
		{nil, limit},
		{[]string{"X-Server-Timeout: 7.5"}, 7500 * time.Millisecond},
		{[]string{"X-Server-Timeout: 1e1"}, 10 * time.Second},
		{[]string{"Connect-Timeout-Ms: 8000", "X-Server-Timeout: 20"}, 8 * time.Second},
		{[]string{"Grpc-Timeout: 9S", "Connect-Timeout-Ms: 20000", "X-Server-Timeout: 20"}, 9 * time.Second},
		{[]string{"Grpc-Timeout: 99999999H"}, limit},
		{[]string{"Connect-Timeout-Ms: 9999999999"}, limit},
		{[]string{"X-Server-Timeout: 1e300"}, limit},
	} {
		r := k.send(t, request("GET", "/one/x", c.headers...))
		calls := k.backend.Take()
		if r.StatusCode != 200 || len(calls) != 1 {
			t.Errorf("%v: %d %s", c.headers, r.StatusCode, r.Text)
			continue
		}
		if left := calls[0].Left; left > c.want || left < c.want-5*time.Second {
			t.Errorf("%v: %v were left at the backend, want just under %v", c.headers, left, c.want)
		}
	}
	for _, header := range []string{
		"X-Server-Timeout: soon", "X-Server-Timeout: -1", "X-Server-Timeout: NaN", "X-Server-Timeout: inf", "X-Server-Timeout: 0x10",
		"X-Server-Timeout: ", "Grpc-Timeout: 1", "Grpc-Timeout: 123456789S", "Grpc-Timeout: 1s", "Grpc-Timeout: -1S",
		"Connect-Timeout-Ms: 12345678901", "Connect-Timeout-Ms: 1.5",
	} {
		k.refuse(t, request("GET", "/one/x", header).refusedWith(400, "MALFORMED_TIMEOUT"))
	}
	k.refuse(t, request("GET", "/one/x", "X-Server-Timeout: 0").refusedWith(504, "DEADLINE_EXCEEDED"))
}

// 84: binary metadata is base64 on the outside; what belongs to the connection or the protocol does not travel.
func binaryAndHopByHop(t *testing.T, k *kit) {
	defer k.backend.Answer(nil)
	k.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		if err := s.SetHeader(metadata.Pairs("x-raw-bin", "\x00\xff", "x-plain", "1")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("x-end-bin", "\x01", "x-end", "2"))
		return testkit.Echo(c, s)
	})
	r := k.send(t, request("GET", "/one/x", "Te: trailers", "X-One-Bin: AP8", "X-Two-Bin: AP8=", "X-Three-Bin: !", "X-Kept: 1",
		"Connection: X-Private", "X-Private: 1", "Keep-Alive: 5", "Grpc-Status: 3", "Grpc-Metadata-X: 1",
		"Connect-Protocol-Version: 2", "Gatehouse-Principal: root", "X-Forwarded-For: 10.1.2.3"))
	calls := k.backend.Take()
	if len(calls) != 1 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	md := calls[0].Metadata
	for key, want := range map[string]string{"x-one-bin": "\x00\xff", "x-two-bin": "\x00\xff", "x-kept": "1", "x-forwarded-for": "127.0.0.1"} {
		if got := md.Get(key); !slices.Equal(got, []string{want}) {
			t.Errorf("the backend got %s: %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{
		"x-three-bin", "connection", "x-private", "keep-alive", "te", "grpc-status", "grpc-metadata-x", "connect-protocol-version",
		"gatehouse-principal", "host",
	} {
		if got := md.Get(key); len(got) > 0 && key != "te" {
			t.Errorf("the backend got %s: %q", key, got)
		}
	}
	if got := r.Header.Get("X-Raw-Bin"); got != "AP8" || r.Header.Get("X-Plain") != "1" {
		t.Errorf("headers %v", r.Header)
	}
	if got := r.Trailer.Get("X-End-Bin"); got != "AQ" || r.Trailer.Get("X-End") != "2" {
		t.Errorf("trailers %v", r.Trailer)
	}
	if r := k.send(t, request("GET", "/one/x")); len(r.Trailer) != 0 {
		t.Errorf("trailers that nobody asked for: %v", r.Trailer)
	}
}

// 85: a name or value that cannot be metadata is dropped and counted, and the call goes on.
func metadataCharset(t *testing.T, k *kit) {
	before := ignored(t, k, "header")
	r := k.send(t, request("GET", "/one/x", "X-Good: ~ok", "X_Under: 1", "X.Dot: 1", "X-Tab: a\tb", "X-Latin: caf\xe9", "X!Mark: 1"))
	calls := k.backend.Take()
	if r.StatusCode != 200 || len(calls) != 1 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	if got := calls[0].Metadata.Get("x-good"); !slices.Equal(got, []string{"~ok"}) {
		t.Errorf("x-good: %q", got)
	}
	for _, key := range []string{"x_under", "x.dot", "x-tab", "x-latin", "x!mark", "x-under", "x-dot"} {
		if got := calls[0].Metadata.Get(key); len(got) > 0 {
			t.Errorf("the backend got %s: %q", key, got)
		}
	}
	if n := ignored(t, k, "header") - before; n != 5 {
		t.Errorf("%d headers were counted, want 5", n)
	}
}

// 87: HEAD is GET without the body; OPTIONS is answered by the gateway.
func headAndOptions(t *testing.T, k *kit) {
	get, head := k.send(t, request("GET", "/one/x")), k.send(t, request("HEAD", "/one/x"))
	if calls := k.backend.Take(); len(calls) != 1 {
		t.Errorf("HEAD called the backend %d times", len(calls))
	}
	get.Header.Del("Date")
	head.Header.Del("Date")
	if head.StatusCode != 200 || head.Text != "" || fmt.Sprint(head.Header) != fmt.Sprint(get.Header) || head.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD: %d %q %v, want the headers of GET: %v", head.StatusCode, head.Text, head.Header, get.Header)
	}
	missing := k.send(t, request("HEAD", "/nowhere"))
	if missing.StatusCode != 404 || missing.Text != "" {
		t.Errorf("HEAD of nothing: %d %q", missing.StatusCode, missing.Text)
	}
	if r := k.send(t, request("HEAD", "/many")); r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("HEAD of a stream: %d %v", r.StatusCode, r.Header)
	}
	if r := k.send(t, request("HEAD", "/whole")); r.StatusCode != 405 || r.Header.Get("Allow") != "OPTIONS, POST" {
		t.Errorf("HEAD of a POST: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
	for target, allow := range map[string]string{
		"/one/x": "GET, HEAD, OPTIONS", "/order/a/b": "DELETE, GET, HEAD, OPTIONS", "/any/x": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT",
	} {
		r := k.send(t, request("OPTIONS", target))
		if r.StatusCode != 204 || r.Header.Get("Allow") != allow || r.Text != "" {
			t.Errorf("OPTIONS %s: %d, Allow %q, want %q", target, r.StatusCode, r.Header.Get("Allow"), allow)
		}
	}
	if calls := k.backend.Take(); len(calls) != 0 {
		t.Errorf("OPTIONS called the backend")
	}
	k.refuse(t, request("OPTIONS", "/nowhere").refusedWith(404, "ROUTE_NOT_FOUND"))
	k.refuse(t, request("OPTIONS", "/one/..").refusedWith(400, "MALFORMED_PATH"))
}

// 98: text that came from outside stays in bodies.
func noHeaderFromMessages(t *testing.T, k *kit) {
	defer k.backend.Answer(nil)
	text := "no\r\nSet-Cookie: a=b\x00\u2028\"<é"
	for _, c := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied} {
		k.fail(status.New(c, text))
		r := k.send(t, request("GET", "/one/x"))
		if f := failureOf(t, r); f.Message != text {
			t.Errorf("message %q", f.Message)
		}
		if strings.ContainsAny(r.Text, "\r\n\x00") {
			t.Errorf("raw control characters in %q", r.Text)
		}
		for name, values := range r.Header {
			if name == "Set-Cookie" || strings.Contains(strings.Join(values, ""), "Cookie") {
				t.Errorf("header %s: %q", name, values)
			}
		}
		if got := r.Header.Get("Www-Authenticate"); got != "" != (c == codes.Unauthenticated) {
			t.Errorf("%s: WWW-Authenticate %q", c, got)
		}
	}
	if f := failureOf(t, k.send(t, request("GET", "/nowhere%0d%0aX:1"))); f.reason() != "ROUTE_NOT_FOUND" {
		t.Errorf("got %+v", f)
	}
}

// 100: failureOf compares the two for every error of every test; here for all there are.
func statusLineAndBodyAgree(t *testing.T, k *kit) {
	defer k.backend.Answer(nil)
	if r := k.send(t, request("GET", "/one/x")); r.StatusCode != 200 {
		t.Errorf("got %d", r.StatusCode)
	}
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		k.fail(status.New(c, ""))
		if f := failureOf(t, k.send(t, request("GET", "/one/x"))); f.Code < 400 {
			t.Errorf("%s: %+v", c, f)
		}
	}
}

// 101: JSON posted to a method's own path is REST; the media types of other protocols are not.
func jsonIsREST(t *testing.T, k *kit) {
	c := request("POST", "/semantics.v1.Paths/Segment", "Content-Type: application/json")
	c.body, c.hasBody, c.method, c.request = `{"n":"a/b"}`, true, "Segment", `{"n":"a/b"}`
	k.accept(t, c)
	c.body = `{"nope":1}`
	k.refuse(t, c.refusedWith(400, "UNKNOWN_FIELD"))
	asConnect := withBody("POST", "/semantics.v1.Paths/Segment", `{"nope":1}`, "Content-Type: application/json", "Connect-Protocol-Version: 1")
	for _, c := range []testCase{
		asConnect,
		withBody("POST", "/semantics.v1.Paths/Segment", "\xff", "Content-Type: application/proto", "Connect-Timeout-Ms: x"),
		request("GET", "/semantics.v1.Paths/Safe?connect=v1&encoding=json&message=%7B%22nope%22%3A1%7D"),
	} {
		r := k.send(t, c)
		if r.StatusCode != 400 || !strings.HasPrefix(r.Text, `{"code":"invalid_argument"`) {
			t.Errorf("%s %s %v: %d %s, want an error of Connect", c.verb, c.target, c.headers, r.StatusCode, r.Text)
		}
	}
	stream := k.send(t, withBody("POST", "/semantics.v1.Paths/Segment", "", "Content-Type: application/connect+json"))
	if stream.StatusCode != 415 || stream.Header.Get("Accept-Post") != "application/proto, application/json" {
		t.Errorf("a stream for a unary method: %d %v", stream.StatusCode, stream.Header)
	}
	k.backend.Take()
}

func request(verb, target string, headers ...string) testCase {
	return testCase{verb: verb, target: target, headers: headers}
}

func withBody(verb, target, body string, headers ...string) testCase {
	c := request(verb, target, headers...)
	c.body, c.hasBody = body, true
	return c
}

func (c testCase) refusedWith(httpStatus int, reason string) testCase {
	c.status, c.reason = httpStatus, reason
	return c
}

// acceptOnly is accept for messages that are too large to spell out.
func (k *kit) acceptOnly(t *testing.T, c testCase) {
	t.Helper()
	r := k.send(t, c)
	if calls := k.backend.Take(); r.StatusCode != http.StatusOK || len(calls) != 1 {
		t.Errorf("got %d %.300s, %d calls", r.StatusCode, r.Text, len(calls))
	}
}

// fail makes the backend answer with a status.
func (k *kit) fail(st *status.Status) {
	k.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		if st.Code() == codes.OK {
			return testkit.Echo(c, s)
		}
		return st.Err()
	})
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// ignored reads from the metrics how many things of a kind were left out.
func ignored(t *testing.T, k *kit, kind string) (n int) {
	t.Helper()
	r := testkit.Raw(t, k.gateways[""].Admin, "GET", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	for line := range strings.Lines(r.Text) {
		if count, ok := strings.CutPrefix(line, fmt.Sprintf("gatehouse_ignored_total{kind=%q} ", kind)); ok {
			if _, err := fmt.Sscan(count, &n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}
