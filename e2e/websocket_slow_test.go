package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

var binaryFrames = []string{"gatehouse.proto.v1"}

// downSocket takes a stream by WebSocket, when its sender has come to a stop.
func downSocket(t *testing.T, b *bulk, size int64) (n int64) {
	c := openSocket(t, b.gateway, "/bulk.v1.Bulk/Down", &websocket.DialOptions{Subprotocols: binaryFrames})
	c.SetReadLimit(-1)
	ask := b.sized(size)
	if err := c.Write(c.ctx, websocket.MessageBinary, ask.Bytes()); err != nil {
		t.Fatal(err)
	}
	b.stopped(t, size)
	for {
		_, message, err := c.Reader(c.ctx)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		part, err := io.Copy(io.Discard, message)
		if n += part; err != nil {
			t.Fatal(err)
		}
	}
}

// upSocket sends a stream by WebSocket to a backend that does not read it before the sender has come to a stop.
func upSocket(t *testing.T, b *bulk, size int64) int64 {
	c := openSocket(t, b.gateway, "/bulk.v1.Bulk/Up", &websocket.DialOptions{Subprotocols: binaryFrames})
	sent := make(chan error, 1)
	go func() { sent <- b.pump(frames{c}, size) }()
	b.stopped(t, size)
	b.begin <- struct{}{}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	c.say("")
	_, got, err := c.Read(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	c.end(websocket.StatusNormalClosure)
	return b.sizeIn(rpc.FrameOf(b.size, got))
}

// frames is a sender of messages by WebSocket.
type frames struct{ webSocket }

func (f frames) SendMsg(m any) error {
	return f.Write(f.ctx, websocket.MessageBinary, m.(*rpc.Frame).Bytes())
}

// hastyYAML makes whoever gives no sign of life be noticed within a test's time.
const hastyYAML = `default_access: PUBLIC
limits: {stall_timeout: 0.5s}
websocket: {ping_interval: 0.1s, ping_timeout: 0.2s}
`

// hastyTime is far longer than what a client has that gives no sign of life.
const hastyTime = 1500 * time.Millisecond

// TestWebSocket_BusyBackend shows that a client is not blamed for a backend that does not take its message. It cannot answer
// a ping that nobody would read.
func TestWebSocket_BusyBackend(t *testing.T) {
	b := newBulk(t, configFile(t, "websocket: {ping_interval: 0.1s, ping_timeout: 0.2s}")...)
	started := time.Now()
	c := openSocket(t, b.gateway, "/bulk.v1.Bulk/Up", &websocket.DialOptions{Subprotocols: binaryFrames})
	sent := make(chan error, 1)
	const size = 32 << 20
	go func() { sent <- b.pump(frames{c}, size) }()
	b.stopped(t, size)
	until(t, "a client that gives no sign of life would be cut off", func() bool { return time.Since(started) > hastyTime })
	b.begin <- struct{}{}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	c.say("")
	c.hear("")
	c.end(websocket.StatusNormalClosure)
}

// TestWebSocket_SignsOfLife shows who is taken for dead: not whoever is only slow.
func TestWebSocket_SignsOfLife(t *testing.T) {
	s := newSiege(t)
	g := s.serve(t, hastyYAML)
	ended, answer := make(chan error, 1), make(chan struct{})
	s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
		select {
		case <-answer:
			return r.Send(r.New())
		case <-r.Context().Done():
			ended <- r.Context().Err()
			return r.Context().Err()
		}
	})
	t.Run("Silent", func(t *testing.T) { // it reads, and says nothing
		conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Many")
		fmt.Fprint(conn, "\x81\x82\x00\x00\x00\x00{}")
		heard, _ := io.ReadAll(r) // the connection may be reset
		if !bytes.HasPrefix(heard, []byte("\x89\x011")) {
			t.Errorf("heard %q, want a ping", heard)
		}
		<-ended
		until(t, "the access log says why", func() bool { return strings.Contains(g.Stdout(), "CANCELLED") })
	})
	t.Run("Answers", func(t *testing.T) { // a ping is all that it ever says
		var pings atomic.Int64
		c := openSocket(t, g, "/attack.v1.Attack/Many", &websocket.DialOptions{
			OnPingReceived: func(context.Context, []byte) bool { return pings.Add(1) > 0 },
		})
		c.say("{}")
		heard := make(chan error, 1)
		go func() {
			_, _, err := c.Read(c.ctx)
			heard <- err
		}()
		until(t, "it was asked some times", func() bool { return pings.Load() > 10 })
		answer <- struct{}{}
		if err := <-heard; err != nil {
			t.Error(err)
		}
		c.end(websocket.StatusNormalClosure)
	})
	t.Run("SlowToSend", func(t *testing.T) { // a message that takes longer than a ping may be unanswered
		s.backend.Answer(nil)
		conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Upload")
		text := []byte(`{"text":"` + strings.Repeat("x", 1<<20) + `"}`)
		fmt.Fprintf(conn, "\x81\xff%s\x00\x00\x00\x00", binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		go func() {
			paced(text, 16<<10, hastyTime, func(part []byte) { _, _ = conn.Write(part) }) // if it fails, nothing comes back
			fmt.Fprint(conn, "\x81\x80\x00\x00\x00\x00")
		}()
		for {
			opcode, payload, err := readFrame(r)
			if err != nil || opcode != 0x89 && opcode != 0x81 {
				t.Fatalf("%x, %q, %v", opcode, payload, err)
			}
			if opcode == 0x81 { // its echo
				if len(payload) != len(text) {
					t.Errorf("%d bytes came back, of %d", len(payload), len(text))
				}
				return
			}
		}
	})
	t.Run("SlowToTake", func(t *testing.T) { // a reply that takes longer than a client may stand still
		const size = 12 << 20
		s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
			m := r.New()
			m.Set(m.Descriptor().Fields().ByName("text"), protoreflect.ValueOfString(strings.Repeat("x", size)))
			if err := r.Send(m); err != nil {
				return err
			}
			<-answer
			return nil
		})
		c := openSocket(t, g, "/attack.v1.Attack/Many", &websocket.DialOptions{HTTPClient: narrow()})
		c.SetReadLimit(-1)
		c.say("{}")
		_, message, err := c.Reader(c.ctx)
		if err != nil {
			t.Fatal(err)
		}
		n, err := slowly(message, size, 2*hastyTime)
		if err != nil || n < size {
			t.Errorf("%d bytes came, %v", n, err)
		}
		answer <- struct{}{}
		c.end(websocket.StatusNormalClosure)
	})
	s.backend.Answer(nil)
	alive(t, g)
}

// readFrame reads a frame of a server: its first byte and its payload.
func readFrame(r io.Reader) (first byte, payload []byte, err error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1])
	if size := map[byte]int{126: 2, 127: 8}[head[1]]; size > 0 {
		long := make([]byte, 8)
		if _, err := io.ReadFull(r, long[8-size:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(long)
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(r, payload)
	return head[0], payload, err
}

// narrow is for a connection whose client has next to no room for what it does not read.
func narrow() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn, conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	}}}
}

// paced does something with data in parts, evenly in a time.
func paced(data []byte, step int, within time.Duration, do func(part []byte)) {
	tick := time.NewTicker(within * time.Duration(step) / time.Duration(len(data)))
	defer tick.Stop()
	for len(data) > 0 {
		n := min(step, len(data))
		do(data[:n])
		data = data[n:]
		<-tick.C
	}
}

// slowly reads to the end, evenly in a time.
func slowly(r io.Reader, size int, within time.Duration) (n int, err error) {
	paced(make([]byte, size+1<<10), 128<<10, within, func(part []byte) {
		if err == nil {
			var more int
			more, err = io.ReadFull(r, part)
			n += more
		}
	})
	if err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}

// TestWebSocket_StandsStill shows that whoever stands still in the middle of something is cut off.
func TestWebSocket_StandsStill(t *testing.T) {
	s := newSiege(t)
	g := s.serve(t, "default_access: PUBLIC\nlimits: {stall_timeout: 0.5s}\nwebsocket: {message_bytes_max: 1000}")
	const mask = "\x00\x00\x00\x00"
	t.Run("TakesNothing", func(t *testing.T) {
		ended := make(chan error, 1)
		s.backend.Answer(flood(ended))
		defer s.backend.Answer(nil)
		c := openSocket(t, g, "/attack.v1.Attack/Many", nil)
		c.say("{}")
		<-ended
		until(t, "the connection is closed", func() bool {
			_, _, err := c.Read(c.ctx)
			return err != nil
		})
	})
	for name, test := range map[string]struct{ path, said string }{
		"NoMessage":     {"Echo", ""},
		"HalfAFrame":    {"Echo", "\x81\xfe\x03\x00" + mask + "{"},
		"HalfAMessage":  {"Upload", "\x01\x81" + mask + "{"},
		"HalfOfASecond": {"Upload", "\x81\x82" + mask + "{}\x01\x81" + mask + "{"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/"+test.path)
			fmt.Fprint(conn, test.said)
			if heard, err := r.ReadString('\xa4'); err != nil || !strings.Contains(heard, "BODY_TOO_SLOW") { // 4004 is 0x0fa4
				t.Errorf("heard %q, %v", heard, err)
			}
		})
	}
	t.Run("Dribbles", func(t *testing.T) { // parts of nothing are no progress
		conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Upload")
		fmt.Fprint(conn, "\x01\x81"+mask+"{")
		go func() {
			for {
				if _, err := conn.Write([]byte(strings.Repeat("\x00\x80"+mask, 100))); err != nil {
					return
				}
			}
		}()
		if heard, err := r.ReadString('\xa4'); err != nil || !strings.Contains(heard, "BODY_TOO_SLOW") {
			t.Errorf("heard %q, %v", heard, err)
		}
	})
	t.Run("NeverEnds", func(t *testing.T) { // a message that is too large, and goes on when that was told
		conn, r := rawSocket(t, g.Public, "/attack.v1.Attack/Upload")
		fmt.Fprint(conn, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"+mask+strings.Repeat(" ", 2000))
		if heard, err := r.ReadString('\xf1'); err != nil || !strings.Contains(heard, "BODY_TOO_LARGE") { // 1009 is 0x03f1
			t.Errorf("heard %q, %v", heard, err)
		}
		until(t, "the connection is closed", func() bool {
			_, err := conn.Write([]byte(" "))
			return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
		})
	})
	alive(t, g)
}

// TestWebSocket_Caps shows that a connection counts as one until it is closed, whatever is spoken on it.
func TestWebSocket_Caps(t *testing.T) {
	s := newSiege(t)
	s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
		<-r.Context().Done()
		return r.Context().Err()
	})
	const most = 5
	for name, limits := range map[string]string{
		"PerAddress": fmt.Sprintf("limits: {connections_per_address_max: %d}", most),
		"All":        fmt.Sprintf("trusted_proxies: [127.0.0.0/8]\nlimits: {connections_max: %d}", most),
	} {
		t.Run(name, func(t *testing.T) {
			g := s.serve(t, "default_access: PUBLIC", limits)
			var open []webSocket
			for range most {
				c := openSocket(t, g, "/attack.v1.Attack/Many", nil)
				c.say("{}")
				open = append(open, c)
			}
			if servedOn(t, g.Public, 200*time.Millisecond) {
				t.Error("a connection more than there may be was served")
			}
			_ = open[0].CloseNow()
			s.backend.Answer(nil)
			until(t, "a connection is free again", func() bool { return servedOn(t, g.Public, longest) })
		})
	}
}
