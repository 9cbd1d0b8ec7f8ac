package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// received sends the same headers by REST, by gRPC in public and by gRPC inside, each name in its protocol's spelling,
// and returns what the backend got of them, by protocol. Every call has to succeed.
func (s *siege) received(t *testing.T, g *testkit.Gateway, headers ...string) map[string]metadata.MD {
	t.Helper()
	got := map[string]metadata.MD{}
	take := func(protocol string) {
		if calls := s.backend.Take(); len(calls) == 1 {
			got[protocol] = calls[0].Metadata
		} else {
			t.Errorf("%s: the backend got %d calls", protocol, len(calls))
		}
	}
	s.backend.Take()
	wire := "GET /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + strings.Join(append(headers, "\r\n"), "\r\n")
	if r := testkit.Raw(t, g.Public, "GET", wire); r.StatusCode != 200 {
		t.Errorf("REST: %d %s", r.StatusCode, r.Text)
	}
	take("rest")
	for protocol, address := range map[string]string{"grpc": g.Public, "inside": g.GRPC} {
		c := dialHTTP2(t, address)
		var fields []string
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			if !strings.EqualFold(name, "Connection") { // HTTP/2 has none
				fields = append(fields, strings.ToLower(name), value)
			}
		}
		id := c.grpc("Echo", fields...)
		_ = c.WriteData(id, true, make([]byte, 5))
		if o := c.outcome(id); o.grpcStatus != "0" {
			t.Errorf("%s: %+v", protocol, o)
		}
		take(protocol)
	}
	return got
}

// backendGot checks the values of a key, for every protocol.
func backendGot(t *testing.T, got map[string]metadata.MD, key string, want ...string) {
	t.Helper()
	for protocol, md := range got {
		if values := md.Get(key); !slices.Equal(values, want) {
			t.Errorf("%s: the backend got %s: %q, want %q", protocol, key, values, want)
		}
	}
}

// 10: an address is the connection's, or what a trusted proxy says.
func claimedAddresses(t *testing.T, s *siege) {
	claims := []string{
		"X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4", "X-Real-IP: 1.2.3.4", "X-Forwarded-Host: evil", "X-Forwarded-Proto: https", "X-Forwarded-For: 5.6.7.8",
	}
	got := s.received(t, s.gateway, append(claims, "X-Kept: 1")...)
	backendGot(t, got, "x-kept", "1")
	backendGot(t, got, "x-forwarded-for", "127.0.0.1")
	for _, key := range []string{"forwarded", "x-real-ip", "x-forwarded-host", "x-forwarded-proto"} {
		backendGot(t, got, key)
	}
	trusting := s.serve(t, "default_access: PUBLIC", "trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]")
	for said, want := range map[string]string{
		"1.2.3.4":                               "1.2.3.4",
		"6.6.6.6, 1.2.3.4":                      "1.2.3.4",
		"6.6.6.6, 1.2.3.4, 10.0.0.1, 127.0.0.9": "1.2.3.4",
		"6.6.6.6, unknown":                      "127.0.0.1",
		"6.6.6.6, 10.0.0.1, ":                   "127.0.0.1",
		"6.6.6.6, 1.2.3.4:80":                   "127.0.0.1",
	} {
		got := s.received(t, trusting, "X-Forwarded-For: "+said, "X-Real-IP: 7.7.7.7", "Forwarded: for=7.7.7.7")
		backendGot(t, got, "x-forwarded-for", want)
	}
	// The budget belongs to the address that is believed.
	var codes []int
	for i := range 3 {
		codes = append(codes, fetch(t, "GET", "http://"+s.gateway.Public+"/dear/a", "", fmt.Sprintf("X-Forwarded-For: 1.2.3.%d", i)).StatusCode)
	}
	if !slices.Equal(codes, []int{200, 200, 429}) {
		t.Errorf("a budget of two, by claimed addresses: %v", codes)
	}
}

// 11: Connection takes away what the client sent, never what the gateway says.
func nominatedHeaders(t *testing.T, s *siege) {
	got := s.received(t, s.gateway, "Connection: X-Forwarded-For, gatehouse-principal, gatehouse-decision-id, x-api-key, X-Private",
		"x-api-key: "+keyOf("reader"), "X-Private: 1", "X-Kept: 1")
	backendGot(t, got, "x-kept", "1")
	backendGot(t, got, "x-forwarded-for", "127.0.0.1")
	if values := got["rest"].Get("x-private"); len(values) != 0 {
		t.Errorf("a header of the connection reached the backend: %q", values)
	}
	for protocol, md := range got {
		if len(md.Get("gatehouse-decision-id")) != 1 {
			t.Errorf("%s: %v", protocol, md)
		}
		// A credential that the client takes back is none: it becomes an anonymous call, never one of somebody else's.
		if who := md.Get("gatehouse-principal"); protocol != "rest" && !slices.Equal(who, []string{"api-key/p-reader"}) || protocol == "rest" && len(who) != 0 {
			t.Errorf("%s: principal %q", protocol, who)
		}
	}
	r := testkit.Raw(t, s.gateway.Public, "GET", "GET /mine/a HTTP/1.1\r\nHost: x\r\nConnection: close, x-api-key\r\nx-api-key: "+keyOf("reader")+"\r\n\r\n")
	if r.StatusCode != 401 {
		t.Errorf("a nominated credential: %d %s", r.StatusCode, r.Text)
	}
}

// 12: no spelling with "_" or "." reaches a backend as another's header.
func underscores(t *testing.T, s *siege) {
	var reserved, plain []string
	for _, name := range []string{
		"gatehouse_principal", "Gatehouse.Principal", "gatehouse_decision-id", "x_forwarded_for", "X-Forwarded_For", "x.forwarded-for",
		"grpc_timeout", "x_real_ip", "content_length", "connect_protocol_version", "x_http_method_override",
	} {
		reserved = append(reserved, name+": root")
	}
	for _, name := range []string{"X_User_Id", "x.user.id", "X-User_Id", "x_user-id"} {
		plain = append(plain, name+": root")
	}
	got := s.received(t, s.gateway, append(append(reserved, plain...), "X-Kept: 1")...)
	backendGot(t, got, "x-kept", "1")
	for _, h := range reserved {
		name, _, _ := strings.Cut(h, ": ")
		backendGot(t, got, strings.ToLower(name))
	}
	backendGot(t, got, "gatehouse-principal")
	backendGot(t, got, "x-forwarded-for", "127.0.0.1")
	// gRPC allows such names, and its servers tell them apart; HTTP servers may not.
	for _, h := range plain {
		name, _, _ := strings.Cut(h, ": ")
		if values := got["rest"].Get(name); len(values) != 0 {
			t.Errorf("REST: the backend got %s: %q", name, values)
		}
	}
	backendGot(t, got, "x-user-id")
}

// 13: nothing in a header's name or bytes makes it the gateway's or another protocol's.
func metadataInDisguise(t *testing.T, s *siege) {
	got := s.received(t, s.gateway,
		"Grpc-Metadata-authorization: Bearer root", "grpc-metadata-x-user-id: root", "grpc-metadata-gatehouse-principal: root",
		"gatehouse-principal: root", "Gatehouse-Scopes: all", "grpc-status: 0", "connect-timeout-ms: 5000", "X-Kept: 1",
		"X-Good-Bin: "+base64.RawStdEncoding.EncodeToString([]byte("a\x00b")))
	backendGot(t, got, "x-kept", "1")
	backendGot(t, got, "x-good-bin", "a\x00b")
	for _, key := range []string{
		"authorization", "x-user-id", "gatehouse-principal", "gatehouse-scopes", "grpc-metadata-authorization", "grpc-metadata-x-user-id",
		"grpc-metadata-gatehouse-principal", "connect-timeout-ms",
	} {
		backendGot(t, got, key)
	}
	wire := "GET /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Bad-Bin: !!\r\nX-Bad-Bin: QQ=\r\nX-Tab: a\tb\r\nX-Latin: caf\xe9\r\nX-Kept: 1\r\n\r\n"
	if r := testkit.Raw(t, s.gateway.Public, "GET", wire); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	calls := s.backend.Take()
	if len(calls) != 1 || !slices.Equal(calls[0].Metadata.Get("x-kept"), []string{"1"}) {
		t.Fatalf("the backend got %d calls", len(calls))
	}
	for _, key := range []string{"x-bad-bin", "x-tab", "x-latin"} {
		if values := calls[0].Metadata.Get(key); len(values) != 0 {
			t.Errorf("the backend got %s: %q", key, values)
		}
	}
	for _, control := range []string{"a\x00b", "a\x07b", "a\rb"} {
		r := testkit.Raw(t, s.gateway.Public, "GET", "GET /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Control: "+control+"\r\n\r\n")
		if r.StatusCode != 400 {
			t.Errorf("%q in a header: %d", control, r.StatusCode)
		}
		s.untouched(t, control)
	}
}

// 14: the method of a request is the one in its first line.
func methodOverrides(t *testing.T, s *siege) {
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"} {
		for _, h := range []string{name + ": GET", name + ": DELETE"} {
			r := fetch(t, "GET", "http://"+s.gateway.Public+"/echo/a", "", h)
			calls := s.backend.Take()
			if r.StatusCode != 200 || len(calls) != 1 || len(calls[0].Metadata.Get(name)) != 0 {
				t.Errorf("GET with %s: %d, %d calls", h, r.StatusCode, len(calls))
			}
			if r := fetch(t, "POST", "http://"+s.gateway.Public+"/echo/a", "", h); r.StatusCode != 405 {
				t.Errorf("POST with %s: %d", h, r.StatusCode)
			}
			s.untouched(t, h)
		}
	}
	if r := fetch(t, "POST", "http://"+s.gateway.Public+"/echo/a?_method=GET", ""); r.StatusCode != 405 {
		t.Errorf("in the query: %d", r.StatusCode)
	}
	s.untouched(t, "in the query")
}

// 15: what the gateway says of a caller replaces what the caller says, and is one header whatever its bytes.
func claimedIdentity(t *testing.T, s *siege) {
	got := s.received(t, s.gateway, "gatehouse-principal: api-key/root", "Gatehouse-Principal: api-key/admin", "gatehouse-decision-id: mine",
		"x-api-key: "+keyOf("reader"))
	backendGot(t, got, "gatehouse-principal", "api-key/p-reader")
	backendGot(t, got, "x-api-key")
	for protocol, md := range got {
		if id := md.Get("gatehouse-decision-id"); len(id) != 1 || len(id[0]) != 32 {
			t.Errorf("%s: decision id %q", protocol, id)
		}
	}
	f := newForge(t)
	g := s.serve(t, "default_access: PUBLIC", f.yaml(t))
	got = s.received(t, g, "Authorization: Bearer "+f.token(t, map[string]any{"sub": "ann\r\ngatehouse-principal: root\x00é"}))
	backendGot(t, got, "gatehouse-principal", "https://attack.test/ann%0D%0Agatehouse-principal:%20root%00%C3%A9")
	backendGot(t, got, "authorization")
	for _, wrong := range []string{"reader.wrong", "reader", "", "root.root-secret"} {
		if r := fetch(t, "GET", "http://"+s.gateway.Public+"/mine/a", "", "x-api-key: "+wrong, "gatehouse-principal: api-key/p-reader"); r.StatusCode != 401 {
			t.Errorf("key %q: %d", wrong, r.StatusCode)
		}
		s.untouched(t, wrong)
	}
}

// 21: there is no cross-origin access at all yet: no page of another origin can read an answer.
func crossOrigin(t *testing.T, s *siege) {
	url := "http://" + s.gateway.Public
	s.backend.Answer(func(c *testkit.Received, r *testkit.Replies) error {
		if err := r.SetHeader(metadata.Pairs("access-control-allow-origin", "*", "access-control-allow-credentials", "true", "x-kept", "1")); err != nil {
			return err
		}
		return testkit.Echo(c, r)
	})
	for _, origin := range []string{"null", "https://evil-example.com", "https://example.com", "*", "http://" + s.gateway.Public} {
		answers := map[string]*testkit.Response{
			"reply":   fetch(t, "GET", url+"/echo/a", "", "Origin: "+origin),
			"error":   fetch(t, "GET", url+"/nowhere", "", "Origin: "+origin),
			"refusal": fetch(t, "GET", url+"/mine/a", "", "Origin: "+origin),
		}
		if r := answers["reply"]; r.StatusCode != 200 || r.Header.Get("X-Kept") != "1" || len(s.called()) != 1 {
			t.Errorf("%s: %d %v", origin, r.StatusCode, r.Header)
		}
		for range 5 { // more than the budget of the method
			answers["preflight"] = fetch(t, "OPTIONS", url+"/dear/a", "", "Origin: "+origin,
				"Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-api-key")
		}
		if r := answers["preflight"]; r.StatusCode != 204 {
			t.Errorf("preflight: %d %s", r.StatusCode, r.Text)
		}
		s.untouched(t, "preflight")
		for what, r := range answers {
			for name := range r.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s, %s: %s: %q", origin, what, name, r.Header.Values(name))
				}
			}
		}
	}
	g := s.serve(t, "default_access: PUBLIC")
	for range 5 {
		fetch(t, "OPTIONS", "http://"+g.Public+"/dear/a", "", "Origin: https://example.com", "Access-Control-Request-Method: GET")
	}
	if r := fetch(t, "GET", "http://"+g.Public+"/dear/a", ""); r.StatusCode != 200 {
		t.Errorf("preflights took budget: %d", r.StatusCode)
	}
	crossOriginAllowed(t, s)
	s.backend.Answer(nil)
}

// crossOriginAllowed is for pages that may call, and those that look like them.
func crossOriginAllowed(t *testing.T, s *siege) {
	s.backend.Take()
	g := s.serve(t, "default_access: PUBLIC", keysYAML(), "cors: {allowed_origins: [https://example.com, 'https://*.example.org'], credentials: true}",
		"services: [{match: attack.v1.Attack.Many, cors: {}}, {match: attack.v1.Attack.Open, cors: {allowed_origins: ['*']}}]")
	url := "http://" + g.Public
	ask := func(verb, target, origin string, headers ...string) *testkit.Response {
		return fetch(t, verb, url+target, "", append(headers, "Origin: "+origin)...)
	}
	for origin, want := range map[string]string{
		"https://example.com": "https://example.com", "https://a.example.org": "https://a.example.org",
		"null": "", "https://evil-example.com": "", "https://example.com.evil.com": "", "https://evil-example.org": "", "http://example.com": "", "https://example.com:444": "", "*": "",
	} {
		for what, r := range map[string]*testkit.Response{
			"reply":             ask("GET", "/echo/a", origin),
			"refusal":           ask("GET", "/mine/a", origin),
			"nothing there":     ask("GET", "/nowhere", origin),
			"gRPC-Web":          ask("POST", "/attack.v1.Attack/Mine", origin, "Content-Type: application/grpc-web"),
			"Connect":           ask("POST", "/attack.v1.Attack/Mine", origin, "Content-Type: application/connect+json"),
			"preflight":         ask("OPTIONS", "/dear/a", origin, "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-api-key"),
			"Connect preflight": ask("OPTIONS", "/attack.v1.Attack/Dear", origin, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type"),
		} {
			got := r.Header
			if got.Get("Access-Control-Allow-Origin") != want || (got.Get("Access-Control-Allow-Credentials") == "true") != (want != "") || !strings.Contains(strings.Join(got.Values("Vary"), ","), "Origin") {
				t.Errorf("%s, %s: %d %v", origin, what, r.StatusCode, got)
			}
			preflight := strings.HasSuffix(what, "preflight")
			if preflight && (r.StatusCode != 204 || want != "" && (!strings.Contains(got.Get("Access-Control-Allow-Headers"), "x-api-key") || got.Get("Access-Control-Allow-Methods") == "")) {
				t.Errorf("%s, %s: %d %v", origin, what, r.StatusCode, got)
			}
			if !preflight && want != "" && !strings.Contains(got.Get("Access-Control-Expose-Headers"), "grpc-status") {
				t.Errorf("%s, %s: %v", origin, what, got)
			}
		}
	}
	if called := s.called(); len(called) != 9 { // /echo/a
		t.Errorf("called: %v", called)
	}
	for range 2 { // the budget is whole
		if r := ask("GET", "/dear/a", "https://example.com"); r.StatusCode != 200 {
			t.Errorf("preflights took budget: %d", r.StatusCode)
		}
	}
	if r := ask("GET", "/many", "https://example.com"); r.Header.Get("Access-Control-Allow-Origin") != "" || r.StatusCode != 200 {
		t.Errorf("a service without: %d %v", r.StatusCode, r.Header)
	}
	r := ask("GET", "/open/a", "https://anybody.example")
	if r.Header.Get("Access-Control-Allow-Origin") != "*" || r.Header.Get("Access-Control-Allow-Credentials") != "" || r.Header.Get("Access-Control-Expose-Headers") != "*" {
		t.Errorf("a service for all: %d %v", r.StatusCode, r.Header)
	}
	if r := fetch(t, "GET", url+"/echo/a", ""); !strings.Contains(r.Header.Get("Vary"), "Origin") {
		t.Errorf("no page: %v", r.Header) // a cache may keep it for one
	}
	for origin, want := range map[string]int{"https://a.example.org": 101, "https://example.com": 101, "https://example.com.evil.com": 403} {
		r := handshakeSaid(t, g.Public, "GET /echo/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: "+origin+"\r\n\r\n")
		if r.StatusCode != want {
			t.Errorf("a socket of %s: %d, want %d", origin, r.StatusCode, want)
		}
	}
	if r := fetch(t, "OPTIONS", url+"/echo/a", ""); r.StatusCode != 204 || r.Header.Get("Allow") == "" {
		t.Errorf("OPTIONS: %d %v", r.StatusCode, r.Header)
	}
	s.backend.Take()
}

// 22: a page of another origin opens no socket, a token is checked and goes nowhere else, and a cookie is no credential.
func upgradesToSockets(t *testing.T, s *siege) {
	const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for origin, open := range map[string]bool{
		"": true, "http://x": true, "https://x": true,
		"https://X": false, "http://x:80": false, "http://x:8080": false, // as no browser writes it, or another port
		"https://evil.example": false, "null": false, "http://x.evil.example": false, "http://x@evil.example": false, "file://x": false, "x": false, "://": false,
	} {
		header := ""
		if origin != "" {
			header = "Origin: " + origin + "\r\n"
		}
		for target, want := range map[string]int{"/echo/a": 101, "/mine/a": 401, "/attack.v1.Attack/Upload": 101} {
			if !open {
				want = 403
			}
			got := handshakeSaid(t, s.gateway.Public, "GET "+target+" HTTP/1.1\r\nHost: x\r\n"+handshake+header+"\r\n")
			if got.StatusCode != want {
				t.Errorf("%s, %q: %d, want %d", target, origin, got.StatusCode, want)
			}
		}
	}
	nobody := "GET /echo/a HTTP/1.1\r\nHost:\r\n" + handshake + "Origin: http://\r\n\r\n"
	if r := handshakeSaid(t, s.gateway.Public, nobody); r.StatusCode != 403 {
		t.Errorf("the origin of nobody, to the host of nobody: %d", r.StatusCode)
	}
	s.backend.Take()
	tokenIsNotTold(t, s, handshake)
	key := keyOf("reader")
	for _, cookie := range []string{"x-api-key=" + key, "authorization=Bearer " + key, "token=" + key, key} {
		if r := fetch(t, "GET", "http://"+s.gateway.Public+"/mine/a", "", "Cookie: "+cookie); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("Cookie: %s: %d", cookie, r.StatusCode)
		}
		s.untouched(t, "cookie")
	}
	if r := fetch(t, "GET", "http://"+s.gateway.Public+"/mine/a", "", "Cookie: a=b", "x-api-key: "+key); r.StatusCode != 200 {
		t.Errorf("a key: %d", r.StatusCode)
	}
	if calls := s.backend.Take(); len(calls) != 1 || len(calls[0].Metadata.Get("cookie")) != 0 {
		t.Errorf("the cookie reached the backend: %d calls", len(calls))
	}
}

// handshakeSaid sends a handshake and returns the head of the answer.
func handshakeSaid(t *testing.T, address, text string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// tokenIsNotTold shows that a token in a subprotocol counts, and goes nowhere but to authentication; and that a call ends with
// it.
func tokenIsNotTold(t *testing.T, s *siege, handshake string) {
	f := newForge(t)
	g := s.serve(t, "default_access: PUBLIC", f.yaml(t))
	mine := openSocket(t, g, "/mine/a", &websocket.DialOptions{Subprotocols: []string{"gatehouse.json.v1", "gatehouse.bearer." + f.token(t, nil)}})
	if got := mine.Subprotocol(); got != "gatehouse.json.v1" {
		t.Errorf("subprotocol %q", got)
	}
	mine.hear(`"a"`)
	foreign := "Sec-WebSocket-Protocol: gatehouse.json.v1, gatehouse.bearer." + newForge(t).token(t, nil)
	if r := handshakeSaid(t, g.Public, "GET /mine/a HTTP/1.1\r\nHost: x\r\n"+handshake+foreign+"\r\n\r\n"); r.StatusCode != 401 {
		t.Errorf("another issuer's token: %d", r.StatusCode)
	}
	calls := s.backend.Take()
	if len(calls) != 1 {
		t.Fatalf("the backend got %d calls", len(calls))
	}
	for key := range calls[0].Metadata {
		if strings.HasPrefix(key, "sec-") || key == "authorization" {
			t.Errorf("%s reached the backend", key)
		}
	}
	s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
		<-r.Context().Done()
		return r.Context().Err()
	})
	// Tokens are good for a minute after their end, because clocks differ.
	short := f.token(t, map[string]any{"exp": time.Now().Add(-58 * time.Second).Unix()})
	c := openSocket(t, g, "/mine-for-long", &websocket.DialOptions{Subprotocols: []string{"gatehouse.json.v1", "gatehouse.bearer." + short}})
	c.hear("CREDENTIAL_EXPIRED")
	c.end(4016)
	s.backend.Answer(nil)
	s.backend.Take()
}
