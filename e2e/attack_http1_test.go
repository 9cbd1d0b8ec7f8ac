package e2e

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// said is what came back on one HTTP/1 connection.
type said struct {
	codes  []int
	texts  []string
	closed bool // the server ended the connection
}

// say sends bytes as they are and reads up to most responses, or until the server closes the connection.
func say(t *testing.T, address string, most int, text string) said {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, text) }() // a server may answer and close before it has read everything
	var s said
	for r := bufio.NewReader(conn); len(s.codes) < most; {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("no answer and no end after %v, %.300q", s.codes, text)
			}
			s.closed = true
			return s
		}
		body, err := io.ReadAll(response.Body)
		s.codes, s.texts = append(s.codes, response.StatusCode), append(s.texts, string(body))
		if err != nil || response.Close { // a reset: the server did not read the rest
			s.closed = true
			return s
		}
	}
	return s
}

// followUp is a request behind another on the same connection.
const followUp = "GET /echo/after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

// postOf is a POST whose headers, and bytes behind them, are as given.
func postOf(headers, body string) string {
	return "POST /post HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body
}

// 1: where a message ends is read in one way, or not at all.
func lengthsThatDisagree(t *testing.T, s *siege) {
	const seven = `{"number":7}`
	length := fmt.Sprintf("Content-Length: %d\r\n", len(seven))
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(seven), seven)
	for name, c := range map[string]struct{ headers, body string }{
		"length": {length, seven}, "chunks": {"Transfer-Encoding: chunked\r\n", chunks},
	} {
		got := say(t, s.gateway.Public, 9, postOf(c.headers, c.body)+followUp)
		if called := s.called(); !slices.Equal(got.codes, []int{200, 200}) || !slices.Equal(called, []string{"Post", "Echo"}) {
			t.Errorf("%s: %v, called %v", name, got, called)
		}
	}
	for name, c := range map[string]struct {
		headers, body string
		want          int
	}{
		"two lengths":            {length + "Content-Length: 3\r\n", seven, 400},
		"a list of lengths":      {"Content-Length: 12, 3\r\n", seven, 400},
		"a signed length":        {"Content-Length: +12\r\n", seven, 400},
		"space before the colon": {"Transfer-Encoding : chunked\r\n", chunks, 400},
		"unknown coding":         {"Transfer-Encoding: xchunked\r\n", chunks, 501},
		"two codings":            {"Transfer-Encoding: gzip, chunked\r\n", chunks, 501},
		"coding with a tab":      {"Transfer-Encoding:\x0bchunked\r\n", chunks, 501},
		"chunked twice":          {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks, 501},
	} {
		got := say(t, s.gateway.Public, 9, postOf(c.headers, c.body)+followUp)
		if len(got.codes) != 1 || got.codes[0] != c.want && got.codes[0] != 400 || !got.closed {
			t.Errorf("%s: %v, want %d and the end of the connection", name, got, c.want)
		}
		s.untouched(t, name)
	}
	// What the library reads although it could refuse: one way, and what follows is the follow-up.
	for name, c := range map[string]struct{ headers, body string }{
		"length and chunks":        {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", chunks},
		"length that hides a call": {fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n", len(chunks)+len(followUp)), chunks},
		"equal lengths":            {length + length, seven},
		"folded line":              {length + "X-Folded: a\r\n b\r\n", seven},
		"folded coding":            {length + "X-Folded: a\r\n Transfer-Encoding: chunked\r\n", seven},
	} {
		got := say(t, s.gateway.Public, 9, postOf(c.headers, c.body)+followUp)
		calls := s.backend.Take()
		if got.codes[0] == 400 && len(got.codes) == 1 && got.closed && len(calls) == 0 {
			continue
		}
		if len(calls) == 0 || calls[0].Method.Name() != "Post" || !strings.Contains(fmt.Sprint(calls[0].Requests[0]), "number:7") {
			t.Errorf("%s: %v, %d calls", name, got, len(calls))
			continue
		}
		if len(calls) != len(got.codes) || len(calls) > 2 || len(calls) == 2 && got.texts[1] != `{"text":"after"}` {
			t.Errorf("%s: %v, %d calls", name, got, len(calls))
		}
		if len(calls[0].Metadata.Get("content-length")) != 0 || len(calls[0].Metadata.Get("transfer-encoding")) != 0 {
			t.Errorf("%s: framing reached the backend: %v", name, calls[0].Metadata)
		}
	}
	lengthsHTTP3(t, s)
}

// 2: chunks have one spelling, and what is beside them is bounded.
func chunksThatLie(t *testing.T, s *siege) {
	const body = `{"number":7}`
	chunked := func(chunks string) said {
		return say(t, s.gateway.Public, 9, postOf("Transfer-Encoding: chunked\r\nConnection: close\r\n", chunks))
	}
	for _, good := range []string{"c\r\n" + body + "\r\n0\r\n\r\n", "C;name=value\r\n" + body + "\r\n0\r\n\r\n", "2\r\n{\"\r\na\r\nnumber\":7}\r\n0\r\nX-Trailer: 1\r\n\r\n"} {
		if got := chunked(good); !slices.Equal(got.codes, []int{200}) {
			t.Errorf("%q: %v", good, got)
		}
	}
	s.backend.Take()
	for name, chunks := range map[string]string{
		"bare LF after the size":      "c\n" + body + "\r\n0\r\n\r\n",
		"bare LF after an extension":  "c;a=b\n" + body + "\r\n0\r\n\r\n",
		"bare CR in an extension":     "c;a=\rb\r\n" + body + "\r\n0\r\n\r\n",
		"size that is no number":      "0xc\r\n" + body + "\r\n0\r\n\r\n",
		"negative size":               "-c\r\n" + body + "\r\n0\r\n\r\n",
		"size beyond 64 bits":         "1000000000000000c\r\n" + body + "\r\n0\r\n\r\n",
		"no line end after the chunk": "c\r\n" + body + "0\r\n\r\n",
		"huge extensions":             strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\n \r\n", 200) + "0\r\n\r\n",
		"one endless extension":       "c;" + strings.Repeat("x", 1<<20) + "\r\n" + body + "\r\n0\r\n\r\n",
	} {
		if got := chunked(chunks); !slices.Equal(got.codes, []int{400}) || !got.closed {
			t.Errorf("%s: %v", name, got)
		}
		s.untouched(t, name)
	}
}

// 5: HTTP/2 begins by TLS or by prior knowledge; nothing becomes a tunnel.
func upgradesAndTunnels(t *testing.T, s *siege) {
	const upgrade = "GET /echo/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
	// As HTTP/1.1 it is an ordinary request; RFC 9110 lets a server ignore Upgrade.
	if got := say(t, s.gateway.Public, 1, upgrade); !slices.Equal(got.codes, []int{200}) {
		t.Errorf("upgrade: %v", got)
	}
	s.backend.Take()
	early := upgrade + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" + followUp
	got := say(t, s.gateway.Public, 9, early)
	if called := s.called(); !got.closed || len(called) != 1 || len(got.codes) > 2 || len(got.codes) == 2 && got.codes[1] < 400 {
		t.Errorf("frames behind an upgrade: %v, called %v", got, called)
	}
	for _, target := range []string{"127.0.0.1:22", "x:443", "/echo/a", s.backend.Target} {
		got := say(t, s.gateway.Public, 9, "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\nConnection: close\r\n\r\n")
		if len(got.codes) != 1 || got.codes[0] < 400 || got.codes[0] >= 500 {
			t.Errorf("CONNECT %s: %v", target, got)
		}
		s.untouched(t, "CONNECT")
	}
	c := dialHTTP2(t, s.gateway.Public)
	c.request(true, ":method", "CONNECT", ":authority", "127.0.0.1:22")
	if o := c.outcome(1); o.status == "200" {
		t.Errorf("CONNECT by HTTP/2: %+v", o)
	}
	s.untouched(t, "CONNECT by HTTP/2")
	alive(t, s.gateway)
	tunnelsHTTP3(t, s)
}

// 16: one host is the request's, and nothing is decided on it.
func hostsThatDisagree(t *testing.T, s *siege) {
	send := func(request string) *testkit.Response { return testkit.Raw(t, s.gateway.Public, "GET", request) }
	for _, ok := range []string{
		"GET /echo/a HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
		"GET http://a.example/echo/a HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
	} {
		if r := send(ok); r.StatusCode != 200 {
			t.Errorf("%q: %d %s", ok, r.StatusCode, r.Text)
		}
	}
	s.backend.Take()
	for _, request := range []string{
		"GET /echo/a HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\nConnection: close\r\n\r\n",
		"GET /echo/a HTTP/1.1\r\nConnection: close\r\n\r\n",
		"GET /echo/a HTTP/1.1\r\nHost: a.example, b.example\r\nConnection: close\r\n\r\n",
		"GET /echo/a HTTP/1.1\r\nHost: a.example/echo\r\nConnection: close\r\n\r\n",
	} {
		if r := send(request); r.StatusCode != 400 {
			t.Errorf("%q: %d %s", request, r.StatusCode, r.Text)
		}
		s.untouched(t, request)
	}
	// Two hosts where the protocol says which one counts (RFC 9112, section 3.2.2): the decision is that for either.
	r := send("GET http://a.example/shut/a HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n")
	if r.StatusCode != 403 {
		t.Errorf("absolute form: %d %s", r.StatusCode, r.Text)
	}
	for _, request := range []string{ // a form that every protocol takes
		"GET http://a.example/echo/a HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
		"GET http://a.example/attack.v1.Attack/Echo?x HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 12\r\n\r\n",
		"POST http://a.example/attack.v1.Attack/Echo HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Type: application/proto\r\n" +
			"Content-Length: 0\r\n\r\n",
		"POST http://a.example/attack.v1.Attack/Echo HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Type: application/grpc-web\r\n" +
			"Content-Length: 5\r\n\r\n\x00\x00\x00\x00\x00",
	} {
		websocket := strings.Contains(request, "websocket")
		r := send(request)
		if calls := len(s.called()); websocket != strings.Contains(r.Text, "Sec-WebSocket-Version must be 13") || !websocket && (r.StatusCode != 200 || calls != 1) {
			t.Errorf("%q: %d %s, %d calls", request, r.StatusCode, r.Text, calls)
		}
	}
	c := dialHTTP2(t, s.gateway.Public)
	c.request(true, ":method", "GET", ":scheme", "http", ":path", "/echo/a", ":authority", "a.example", "host", "b.example")
	if o := c.outcome(1); o.status != "421" {
		t.Errorf("authority and host that differ: %+v", o)
	}
	id := c.grpc("Echo", "host", "y")
	_ = c.WriteData(id, true, make([]byte, 5))
	if o := c.outcome(id); o.status != "421" {
		t.Errorf("by gRPC: %+v", o)
	}
	if o := c.outcome(c.get("/echo/a", "host", "X")); o.status != "200" || len(s.called()) != 1 {
		t.Errorf("authority and host that are the same: %+v", o)
	}
	s.untouched(t, "authority and host that differ")
	s.backend.Take()
	hostsOfCertificates(t, s)
}

// hostsOfCertificates: whom a certificate identifies names the same host to TLS and to HTTP, in every form.
func hostsOfCertificates(t *testing.T, s *siege) {
	a := newAuthority(t)
	a.issue(t, "server")
	a.issue(t, "caller")
	g := s.serve(t, "default_access: PUBLIC", fmt.Sprintf("tls: {cert_file: %q, key_file: %q, client_ca_file: %q}", a.file("server", "cert"), a.file("server", "key"), a.file("authority", "cert")))
	for version := 1; version <= 2; version++ {
		for sni, hosts := range map[string]map[string]int{
			"localhost": {"localhost": 200, "LOCALHOST:8443": 200, "localhost.": 200, "other.example": 421, "localhost.evil.example": 421, "127.0.0.1": 421},
			"":          {"localhost": 200, "other.example": 200}, // an address has no name in TLS
		} {
			config := a.client(t, "caller")
			config.ServerName = sni
			for host, want := range hosts {
				for _, headers := range [][]string{nil, {"Content-Type: application/proto"}, {"Content-Type: application/grpc-web"}} {
					verb, target := "GET", "/echo/a"
					if headers != nil {
						verb, target = "POST", "/attack.v1.Attack/Echo"
					}
					r := fetchBy(t, secured(t, config, version), verb, "https://"+g.Public+target, "", append(headers, "Host: "+host)...)
					if r.StatusCode != want {
						t.Errorf("HTTP/%d, TLS to %q, host %s, %v: %d %s, want %d", version, sni, host, headers, r.StatusCode, r.Text, want)
					}
				}
			}
		}
	}
	config := a.client(t, "caller")
	config.ServerName = "localhost"
	for origin, want := range map[string]int{"https://localhost": 200, "https://evil.example": 403} { // of a page, whose browser does not ask first
		r := fetchBy(t, secured(t, config, 1), "POST", "https://"+g.Public+"/attack.v1.Attack/Echo", "", "Host: localhost", "Origin: "+origin)
		if r.StatusCode != want {
			t.Errorf("POST of a page of %s: %d %s, want %d", origin, r.StatusCode, r.Text, want)
		}
	}
	s.backend.Take()
	conn, err := tls.Dial("tcp", g.Public, func() *tls.Config { c := a.client(t, "caller"); c.ServerName = "localhost"; return c }())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET https://other.example/echo/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 421 ") {
		t.Errorf("absolute form: %v %s", err, text)
	}
	s.untouched(t, "absolute form")
}
