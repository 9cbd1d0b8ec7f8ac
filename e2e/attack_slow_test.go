package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// tightYAML makes whoever is slow be noticed within a test's time, and leaves a machine that does much else time enough
// to serve the others.
const tightYAML = `default_access: PUBLIC
limits: {header_timeout: 1s, stall_timeout: 1s, body_bytes_max: 32Ki, timeout: 3s}
`

// connect opens a connection on which to be slow.
func connect(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// flood answers with messages until the call ends, and tells when it has.
func flood(ended chan<- error) testkit.Script {
	return func(_ *testkit.Received, r *testkit.Replies) error {
		m := r.New()
		m.Set(m.Descriptor().Fields().ByName("text"), protoreflect.ValueOfString(strings.Repeat("x", 16<<10)))
		for r.Context().Err() == nil {
			if err := r.Send(m); err != nil {
				break
			}
		}
		ended <- r.Context().Err()
		return r.Context().Err()
	}
}

// 9: who is slow is cut off, and nobody else notices.
func slowClients(t *testing.T, s *siege) {
	g := s.serve(t, tightYAML)
	for name, test := range map[string]func(*testing.T){
		"HeadersHTTP1": func(t *testing.T) {
			conn := connect(t, g.Public)
			fmt.Fprint(conn, "GET /echo/a HTTP/1.1\r\nHost: ")
			closes(t, conn)
		},
		"HeadersHTTP2": func(t *testing.T) {
			conn := connect(t, g.Public)
			fmt.Fprint(conn, http2.ClientPreface+"\x00\x00\x00\x04\x00\x00\x00\x00\x00"+"\x00\x00\x20\x01\x05\x00\x00\x00\x01\x82")
			closes(t, conn)
		},
		"NothingAtAll": func(t *testing.T) { closes(t, connect(t, g.Public)) },
		"BodyHTTP1": func(t *testing.T) {
			got := say(t, g.Public, 9, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
			if len(got.codes) != 1 || got.codes[0] != 504 || !got.closed {
				t.Errorf("%v", got)
			}
		},
		"ChunksHTTP1": func(t *testing.T) {
			got := say(t, g.Public, 9, "POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
			if len(got.codes) != 1 || got.codes[0] != 504 || !got.closed {
				t.Errorf("%v", got)
			}
		},
		"BodyHTTP2": func(t *testing.T) {
			c := dialHTTP2(t, g.Public)
			id := c.request(false, ":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/post", "content-length", "20")
			_ = c.WriteData(id, false, []byte("{"))
			if o := c.outcome(id); o.status != "504" {
				t.Errorf("%+v", o)
			}
		},
		"MessageOfAUnaryCall":    func(t *testing.T) { halfAMessage(t, g, "Echo") },
		"MessageOfAServerStream": func(t *testing.T) { halfAMessage(t, g, "Many") },
		"MessageOfAClientStream": func(t *testing.T) { halfAMessage(t, g, "Upload") },
		"WindowOfAUnaryReply":    func(t *testing.T) { noWindow(t, g, func(c *rawHTTP2) uint32 { return c.get("/echo/a") }) },
		"WindowOfAReplyOfErrors": func(t *testing.T) { noWindow(t, g, func(c *rawHTTP2) uint32 { return c.get("/nowhere") }) },
	} {
		t.Run(name, func(t *testing.T) { test(t) })
	}
	overQUIC, trust := s.serveQUIC(t, tightYAML)
	for name, test := range slowHTTP3(overQUIC, trust) {
		t.Run("HTTP3"+name, func(t *testing.T) { test(t) })
	}
	s.backend.Take()
	for name, read := range map[string]func(*testing.T){
		"HTTP1":      func(t *testing.T) { fmt.Fprint(connect(t, g.Public), "GET /many HTTP/1.1\r\nHost: x\r\n\r\n") },
		"WindowREST": func(t *testing.T) { noWindow(t, g, func(c *rawHTTP2) uint32 { return c.get("/many") }) },
		"WindowGRPC": func(t *testing.T) {
			noWindow(t, g, func(c *rawHTTP2) uint32 {
				id := c.grpc("Many")
				_ = c.WriteData(id, true, make([]byte, 5))
				return id
			})
		},
		"HTTP3": func(t *testing.T) {
			c := rawHTTP3{quicConn(t, overQUIC.Public, trust), t}
			_ = c.open(getHeaders("/many")).Close() // it cannot fail: nothing was reset yet
		},
		"NobodyReads": func(t *testing.T) {
			c := dialHTTP2(t, g.Public, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			_ = c.WriteWindowUpdate(0, 1<<30)
			c.get("/many")
		},
	} {
		t.Run("Stream"+name, func(t *testing.T) {
			ended := make(chan error, 1)
			s.backend.Answer(flood(ended))
			read(t)
			select {
			case <-ended:
			case <-time.After(longest):
				t.Error("the backend still answers")
			}
			s.backend.Answer(nil)
			alive(t, g)
		})
	}
	// Who is only slow is served: a body in parts, each in time.
	conn := connect(t, g.Public)
	fmt.Fprint(conn, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: close\r\n\r\n")
	for _, part := range []string{`{"numb`, `er":7}`} {
		fmt.Fprint(conn, part)
	}
	if text, err := io.ReadAll(conn); err != nil || len(text) < 12 || string(text[:12]) != "HTTP/1.1 200" {
		t.Errorf("a body in parts: %.100s, %v", text, err)
	}
}

// closes checks that the server ends a connection.
func closes(t *testing.T, conn net.Conn) {
	t.Helper()
	if text, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("still open; it said %q", text)
	}
}

func halfAMessage(t *testing.T, g *testkit.Gateway, method string) {
	t.Helper()
	c := dialHTTP2(t, g.Public)
	id := c.grpc(method)
	_ = c.WriteData(id, false, []byte{0, 0, 0, 0, 9, 1})
	if o := c.outcome(id); o.grpcStatus != "4" {
		t.Errorf("%+v", o)
	}
}

// noWindow opens a stream on a connection that lets nothing through.
func noWindow(t *testing.T, g *testkit.Gateway, open func(c *rawHTTP2) uint32) {
	t.Helper()
	c := dialHTTP2(t, g.Public, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	if o := c.outcome(open(c)); o.reset == 0 && !o.closed || o.length != 0 {
		t.Errorf("%+v", o)
	}
}

// 43: no client decides how long the gateway and its backends work.
func deadlinesAbused(t *testing.T, s *siege) {
	for _, timeout := range []string{"99999999H", "1H", "60S"} {
		c := dialHTTP2(t, s.gateway.Public)
		id := c.grpc("Echo", "grpc-timeout", timeout)
		_ = c.WriteData(id, true, make([]byte, 5))
		o := c.outcome(id)
		if calls := s.backend.Take(); o.grpcStatus != "0" || len(calls) != 1 || calls[0].Left > time.Minute || calls[0].Left < 50*time.Second {
			t.Errorf("%s: %+v, %d calls", timeout, o, len(calls))
		}
	}
	for _, h := range []string{"X-Server-Timeout: 1e300", "grpc-timeout: 99999999H", "Connect-Timeout-Ms: 9999999999"} {
		r := s.get(t, "/echo/a", h)
		if calls := s.backend.Take(); r.StatusCode != 200 || len(calls) != 1 || calls[0].Left > time.Minute {
			t.Errorf("%s: %d %s", h, r.StatusCode, r.Text)
		}
	}
	for timeout, want := range map[string]string{"0S": "4", "0n": "4", "100000000H": "", "1": "", "-1S": "", "1e3S": "", "H": ""} {
		c := dialHTTP2(t, s.gateway.Public)
		id := c.grpc("Echo", "grpc-timeout", timeout)
		_ = c.WriteData(id, true, make([]byte, 5))
		if o := c.outcome(id); want != "" && o.grpcStatus != want || want == "" && o.status != "400" {
			t.Errorf("%s: %+v", timeout, o)
		}
		s.untouched(t, timeout)
	}
	if r := s.get(t, "/echo/a", "X-Server-Timeout: 0"); r.StatusCode != 504 {
		t.Errorf("0 by REST: %d %s", r.StatusCode, r.Text)
	}
	s.untouched(t, "0 by REST")
	for name, open := range map[string]func(c *rawHTTP2) uint32{
		"REST": func(c *rawHTTP2) uint32 { return c.get("/echo/a") },
		"gRPC": func(c *rawHTTP2) uint32 {
			id := c.grpc("Echo")
			_ = c.WriteData(id, true, make([]byte, 5))
			return id
		},
		"stream": func(c *rawHTTP2) uint32 { return c.get("/many") },
	} {
		arrived, ended := make(chan struct{}), make(chan time.Time, 1)
		s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
			close(arrived)
			<-r.Context().Done()
			ended <- time.Now()
			return r.Context().Err()
		})
		c := dialHTTP2(t, s.gateway.Public)
		id := open(c)
		<-arrived
		left := time.Now()
		if err := c.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
			t.Fatal(err)
		}
		if took := (<-ended).Sub(left); took > 50*time.Millisecond*slow {
			t.Errorf("%s: the backend's call ended %v after its client's", name, took)
		}
	}
	s.backend.Answer(nil)
	s.backend.Take()
}

// 44: nobody takes all connections, and whoever looks after the gateway reaches it when they are taken.
func connectionsWithoutEnd(t *testing.T, s *siege) {
	const most = 20
	g := s.serve(t, fmt.Sprintf("default_access: PUBLIC\nlimits: {connections_per_address_max: %d}", most))
	var open []net.Conn
	for range most {
		open = append(open, connect(t, g.Public))
	}
	if servedOn(t, g.Public, longest) { // it is closed at once, so this takes no time
		t.Error("a connection more than an address may have was served")
	}
	if r := fetch(t, "GET", "http://"+g.Admin+"/healthz", ""); r.StatusCode != 200 {
		t.Errorf("health: %d", r.StatusCode)
	}
	open[0].Close()
	until(t, "a connection is free again", func() bool { return servedOn(t, g.Public, longest) })

	g = s.serve(t, fmt.Sprintf("default_access: PUBLIC\ntrusted_proxies: [127.0.0.0/8]\nlimits: {connections_max: %d, connections_per_address_max: 1}", most))
	open = open[:0]
	for range most {
		open = append(open, connect(t, g.Public))
	}
	if servedOn(t, g.Public, 200*time.Millisecond) {
		t.Error("a connection more than there may be was served")
	}
	if r := fetch(t, "GET", "http://"+g.Admin+"/healthz", ""); r.StatusCode != 200 {
		t.Errorf("health: %d", r.StatusCode)
	}
	for _, conn := range open[:2] {
		conn.Close()
	}
	if !servedOn(t, g.Public, longest) {
		t.Error("connections were not given back")
	}

	s.filesWithoutEnd(t)

	var ran crowd
	s.backend.Answer(ran.answer)
	c := dialHTTP2(t, s.gateway.Public)
	for range streamsMax {
		c.get("/echo/a")
	}
	// What comes before the settings are acknowledged is refused as a race, later as an error.
	if o := c.outcome(c.get("/echo/a")); o.reset != http2.ErrCodeRefusedStream && o.reset != http2.ErrCodeProtocol {
		t.Errorf("a stream more than there may be: %+v", o)
	}
	s.backend.Answer(nil)
	c.conn.Close()
	until(t, "the calls end", func() bool { return ran.running.Load() == 0 })
	s.backend.Take()
}

// filesWithoutEnd has clients take all the files that the process can have open, by each listener that they reach.
func (s *siege) filesWithoutEnd(t *testing.T) {
	const files = 256
	g := testkit.ServeWithin(t, files, append([]string{"--descriptors", testkit.Descriptors(t, s.files), "--backend", s.backend.Target},
		configFile(t, "default_access: PUBLIC", "trusted_proxies: [127.0.0.0/8]", "limits: {header_timeout: 2m}")...)...) // else they are soon gone
	if !strings.Contains(g.Stderr(), "fewer connections than limits.connections_max") {
		t.Errorf("nobody was told:\n%s", g.Stderr())
	}
	var open []net.Conn
	for _, address := range []string{g.Public, g.GRPC} {
		for range files + 50 {
			open = append(open, connect(t, address))
		}
	}
	if servedOn(t, g.Public, 200*time.Millisecond) {
		t.Error("a connection more than the process has files for was served")
	}
	for range 10 {
		if r := fetch(t, "GET", "http://"+g.Admin+"/healthz", ""); r.StatusCode != 200 {
			t.Errorf("health: %d", r.StatusCode)
		}
	}
	for _, conn := range open {
		conn.Close()
	}
	for _, address := range []string{g.Public, g.GRPC} {
		if st := s.invoke(t, address, "Echo", `{"text": "a"}`); st.Code() != 0 {
			t.Errorf("when all have left: %v", st)
		}
	}
}

// servedOn reports whether a call on a new connection is answered in time.
func servedOn(t *testing.T, address string, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(within))
	fmt.Fprint(conn, "GET /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	text, err := io.ReadAll(conn)
	return err == nil && len(text) > 12 && string(text[:12]) == "HTTP/1.1 200"
}
