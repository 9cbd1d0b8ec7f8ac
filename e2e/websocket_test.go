package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// webSocket is a client's connection.
type webSocket struct {
	*websocket.Conn
	t   *testing.T
	ctx context.Context
}

// openSocket opens a connection; it fails the test if the gateway refuses.
func openSocket(t *testing.T, g *testkit.Gateway, path string, o *websocket.DialOptions) webSocket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, "ws://"+g.Public+path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return webSocket{conn, t, ctx}
}

func (s webSocket) say(text string) {
	s.t.Helper()
	if err := s.Write(s.ctx, websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// hear wants the next message to contain a text.
func (s webSocket) hear(want string) {
	s.t.Helper()
	_, got, err := s.Read(s.ctx)
	if err != nil || !strings.Contains(string(got), want) {
		s.t.Fatalf("got %q, %v; want %s", got, err, want)
	}
}

// end wants the connection to be closed with a code.
func (s webSocket) end(want websocket.StatusCode) {
	s.t.Helper()
	if _, got, err := s.Read(s.ctx); websocket.CloseStatus(err) != want {
		s.t.Errorf("got %q, %v; want close code %d", got, err, want)
	}
}

// TestWebSocket calls methods of every streaming kind.
func TestWebSocket(t *testing.T) {
	address, stop := serveOn(t, "127.0.0.1:0", demo.Modules()[1].Server)
	defer stop()
	g := testkit.Serve(t, "--dev", "--reflect", "--backend", address)
	const orders = "/acme.orders.v1.Orders/"
	t.Run("Both", func(t *testing.T) {
		s := openSocket(t, g, orders+"QuoteOrders", nil)
		for range 3 { // each reply comes before the next request
			s.say(`{"book": "shelves/science/books/origin", "quantity": 2}`)
			s.hear(`{`)
		}
		s.say("")
		s.end(websocket.StatusNormalClosure)
	})
	t.Run("Client", func(t *testing.T) {
		s := openSocket(t, g, orders+"ImportOrders", nil)
		s.say("")
		s.hear("{")
		s.end(websocket.StatusNormalClosure)
	})
	t.Run("Unary", func(t *testing.T) {
		s := openSocket(t, g, orders+"GetOrder", &websocket.DialOptions{Subprotocols: []string{"gatehouse.json.v1"}})
		s.say(`{"orderId": "none"}`)
		s.hear(`"status":"NOT_FOUND"`)
		s.end(4005)
	})
	t.Run("Record", func(t *testing.T) {
		until(t, "the access log has the calls", func() bool {
			return strings.Count(g.Stdout(), `"protocol":"websocket"`) >= 3
		})
	})
}

// TestWebSocket_Refusals shows what becomes of frames that are no messages.
func TestWebSocket_Refusals(t *testing.T) {
	s := newSiege(t)
	g := s.serve(t, "default_access: PUBLIC", "websocket: {message_bytes_max: 4096}")
	for name, test := range map[string]struct {
		kind websocket.MessageType
		text string
		want websocket.StatusCode
	}{
		"TooLarge": {websocket.MessageText, `{"text":"` + strings.Repeat("x", 5000) + `"}`, websocket.StatusMessageTooBig},
		"NotUTF8":  {websocket.MessageText, "{\"text\":\"\xff\"}", websocket.StatusInvalidFramePayloadData},
		"Binary":   {websocket.MessageBinary, "\x0a\x01x", websocket.StatusUnsupportedData},
		"NotJSON":  {websocket.MessageText, `{"text":`, 4003},
	} {
		t.Run(name, func(t *testing.T) {
			c := openSocket(t, g, "/attack.v1.Attack/Echo", nil)
			if err := c.Write(c.ctx, test.kind, []byte(test.text)); err != nil {
				t.Fatal(err)
			}
			c.hear(`{"error":`)
			c.end(test.want)
			s.untouched(t, name)
		})
	}
	t.Run("Repeated", func(t *testing.T) {
		s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
			<-r.Context().Done()
			return r.Context().Err()
		})
		defer s.backend.Answer(nil)
		c := openSocket(t, g, "/attack.v1.Attack/Many", nil)
		c.say("{}")
		c.say("{}")
		c.hear("REQUEST_REPEATED")
		c.end(4012)
		s.backend.Take()
		until(t, "the access log says the same", func() bool { return strings.Contains(g.Stdout(), `"code":"UNIMPLEMENTED"`) })
	})
	t.Run("FragmentsAndPings", func(t *testing.T) { // control frames may come between the parts of a message
		conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Upload")
		const key = "\x00\x00\x00\x00"
		text := "\x01\x81" + key + "{" + strings.Repeat("\x89\x80"+key, 1000) + "\x80\x81" + key + "}" + "\x81\x80" + key
		go func() { _, _ = io.WriteString(conn, text) }()
		pongs := 0
		for {
			head := make([]byte, 2)
			if _, err := io.ReadFull(r, head); err != nil {
				t.Fatal(err)
			}
			if head[0] == 0x8a {
				pongs++
				continue
			}
			if head[0] != 0x81 || pongs != 1000 { // the echo of the message
				t.Errorf("frame %x after %d pongs", head, pongs)
			}
			break
		}
		s.backend.Take()
	})
	t.Run("Route", func(t *testing.T) { // path and query are the message
		c := openSocket(t, g, "/echo/hello", nil)
		c.hear(`{"text":"hello"}`)
		c.end(websocket.StatusNormalClosure)
		s.backend.Take()
	})
	t.Run("HTTP", func(t *testing.T) {
		for path, want := range map[string]int{"/nowhere": 404, "/shut/a": 403, "/inside/a": 404} {
			_, r, err := websocket.Dial(t.Context(), "ws://"+g.Public+path, nil)
			if err == nil || r == nil || r.StatusCode != want {
				t.Errorf("%s: %v, want HTTP %d", path, err, want)
			}
		}
	})
	for name, frame := range map[string]string{
		"Unmasked":      "\x81\x02{}",
		"ReservedBits":  "\xf1\x82\x00\x00\x00\x00{}",
		"UnknownOpcode": "\x83\x82\x00\x00\x00\x00{}",
		"LongPing":      "\x89\xfe\x00\x7e\x00\x00\x00\x00" + strings.Repeat("x", 126),
		"Continuation":  "\x80\x82\x00\x00\x00\x00{}",
		"CloseOfOne":    "\x88\x81\x00\x00\x00\x00x",
		"CloseOfNobody": "\x88\x82\x00\x00\x00\x00\x03\xed", // 1005 stands for no code
		"CloseOfNone":   "\x88\x82\x00\x00\x00\x00\x03\xe7", // 999
		"PartOfAPing":   "\x09\x81\x00\x00\x00\x00x",
		"Compressed":    "\xc1\x82\x00\x00\x00\x00{}",
		"TwoAtOnce":     "\x01\x81\x00\x00\x00\x00{\x81\x82\x00\x00\x00\x00{}",
		"NegativeSize":  "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00{}",
	} {
		t.Run(name, func(t *testing.T) {
			conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Echo")
			if _, err := io.WriteString(conn, frame); err != nil {
				t.Fatal(err)
			}
			// RFC 6455, section 5.1 leaves it open whether a client that does not mask is told why the connection ends.
			silent := name == "Unmasked" || name == "NegativeSize"
			if code, err := closeFrame(r); code != 1002 && (!silent || err != io.EOF) {
				t.Errorf("got %d, %v; want close code 1002", code, err)
			}
			s.untouched(t, name)
		})
	}
	for name, test := range map[string]struct {
		said string
		want uint16
	}{
		"Goodbye":      {"\x88\x82\x00\x00\x00\x00\x03\xe8", 1000},
		"AfterGoodbye": {"\x88\x82\x00\x00\x00\x00\x0f\xa0\x81\x82\x00\x00\x00\x00{}", 4000},
	} {
		t.Run(name, func(t *testing.T) {
			conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Echo")
			if _, err := io.WriteString(conn, test.said); err != nil {
				t.Fatal(err)
			}
			if code, err := closeFrame(r); code != test.want {
				t.Errorf("got %d, %v; want close code %d", code, err, test.want)
			}
			s.untouched(t, name)
		})
	}
	t.Run("CharactersInParts", func(t *testing.T) { // a character may be cut in two, and must not be half
		const begin, end = "\x01\x8b\x00\x00\x00\x00{\"text\":\"\xe2\x82", "\x80\x83\x00\x00\x00\x00"
		for rest, want := range map[string]string{"\xac\"}": "€", "\x22\"}": "MALFORMED_BODY"} {
			conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Echo")
			if _, err := io.WriteString(conn, begin+end+rest); err != nil {
				t.Fatal(err)
			}
			if first, payload, err := readFrame(r); first != 0x81 || !strings.Contains(string(payload), want) {
				t.Errorf("%x, %q, %v; want %s", first, payload, err, want)
			}
		}
		s.backend.Take()
	})
	t.Run("Early", func(t *testing.T) { // what comes with the handshake counts, when the call was admitted
		conn := connect(t, g.Public)
		fmt.Fprint(conn, "GET /attack.v1.Attack/Echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+
			"\x81\x8c\x00\x00\x00\x00{\"text\":\"a\"}")
		r := bufio.NewReader(conn)
		if response, err := http.ReadResponse(r, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(response, err)
		}
		if first, payload, err := readFrame(r); first != 0x81 || string(payload) != `{"text":"a"}` {
			t.Errorf("%x, %q, %v", first, payload, err)
		}
		s.backend.Take()
	})
	t.Run("PingsWithoutEnd", func(t *testing.T) { // from a client that reads no pong
		before := g.MemoryPeak(t)
		conn, _ := rawSocket(t, g.Public, "/attack.v1.Attack/Upload")
		pings := []byte(strings.Repeat("\x89\xfd\x00\x00\x00\x00"+strings.Repeat("x", 125), 1000))
		var err error
		for err == nil {
			_, err = conn.Write(pings)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("still open")
		}
		if grown := g.MemoryPeak(t) - before; grown > memoryMax && !testkit.Race() {
			t.Errorf("the gateway grew by %d bytes", grown)
		}
	})
	alive(t, g)
}

// TestWebSocket_OldHTTP is a handshake that is told in the way of all other refusals.
func TestWebSocket_OldHTTP(t *testing.T) {
	g := newSiege(t).gateway
	r := handshakeSaid(t, g.Public, "GET /attack.v1.Attack/Echo HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if r.StatusCode != http.StatusBadRequest || r.Header.Get("Gatehouse-Decision-Id") == "" {
		t.Errorf("%d %v", r.StatusCode, r.Header)
	}
}

// rawSocket upgrades a connection on which a test may then say anything.
func rawSocket(t *testing.T, address, path string) (net.Conn, *bufio.Reader) {
	t.Helper()
	return rawSocketFor(t, address, path, "")
}

// rawSocketFor is rawSocket with further headers, each with its line's end.
func rawSocketFor(t *testing.T, address, path, headers string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", path, headers)
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", response, err)
	}
	return conn, r
}

// closeFrame reads the first frame, which is a short one, and returns its close code.
func closeFrame(r io.Reader) (code uint16, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, err
	}
	if head[0] != 0x88 {
		return 0, fmt.Errorf("frame %x", head)
	}
	return binary.BigEndian.Uint16(head[2:]), nil
}

// TestWebSocket_ClientGone shows that the backend hears of it, however the client goes.
func TestWebSocket_ClientGone(t *testing.T) {
	s := newSiege(t)
	arrived, ended := make(chan struct{}), make(chan time.Time, 1)
	s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
		close(arrived)
		<-r.Context().Done()
		ended <- time.Now()
		return r.Context().Err()
	})
	c := openSocket(t, s.gateway, "/attack.v1.Attack/Many", nil)
	c.say("{}")
	<-arrived
	left := time.Now()
	if err := c.CloseNow(); err != nil {
		t.Fatal(err)
	}
	if took := (<-ended).Sub(left); took > 50*time.Millisecond*slow {
		t.Errorf("it took %v until the backend was cancelled", took)
	}
}

// TestWebSocket_Drain shows that a connection has limits.drain to end, and what ends it then.
func TestWebSocket_Drain(t *testing.T) {
	s := newSiege(t)
	g := s.serve(t, "default_access: PUBLIC", "limits: {drain: 0.5s}")
	arrived := make(chan struct{})
	s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
		close(arrived)
		<-r.Context().Done()
		return r.Context().Err()
	})
	c := openSocket(t, g, "/attack.v1.Attack/Many", nil)
	c.say("{}")
	<-arrived
	g.Signal(t, syscall.SIGTERM)
	c.hear(`"status":"CANCELLED"`)
	c.end(websocket.StatusGoingAway)
	if code := g.Wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
