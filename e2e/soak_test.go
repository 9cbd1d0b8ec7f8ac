package e2e

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

var soak = flag.Int("soak", 0, "how many streams TestSoak holds open; its memory is judged from 1000 on")

const (
	// soakFew shows in an ordinary run that the test works.
	soakFew = 50
	// collections is how many garbage collections it takes until stacks have shrunk; an idle process has one in two minutes.
	collections = 3
	// otherFiles is how many files a process has open beside connections of clients.
	otherFiles = 500
)

const soakYAML = `default_access: PUBLIC
limits: {connections_max: 100000, connections_per_address_max: 100000}
`

// TestSoak holds many streams open that have had a message each way and wait for more, and measures what each of them
// holds at the gateway: its connection, and its call in a backend.
func TestSoak(t *testing.T) {
	const handshake = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	const message = "\x81\x82\x00\x00\x00\x00{}"
	files := testkit.Schema(t, "attack")
	text := rpc.NewType(files.Services()[0].Methods().ByName("Many").Input(), nil)
	address := soakBackend(t, text)
	most := map[string]int{"WebSocketOfReplies": 24 << 10, "WebSocketBothWays": 42 << 10} // in use; some more than docs/protocols.md says
	for name, say := range map[string]string{
		"WebSocketOfReplies": "GET /attack.v1.Attack/Many HTTP/1.1\r\n" + handshake + message,
		"WebSocketBothWays":  "GET /attack.v1.Attack/Upload HTTP/1.1\r\n" + handshake + message,
		"NDJSON":             "GET /many HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--descriptors", testkit.Descriptors(t, files), "--backend", address}
			g := testkit.Serve(t, append(args, configFile(t, soakYAML)...)...)
			var streams idle
			defer streams.close()
			streams.open(t, g, say, soakFew) // what the first ones need is nobody's
			before := memoryOf(t, g)
			n := soakCount(t)
			streams.open(t, g, say, n)
			after := settled(t, g)
			each := (after.resident - before.resident) / n
			t.Logf("%d streams: %d bytes resident each; in use: heap %d, stacks %d; %.1f goroutines", n, each,
				(after.heap-before.heap)/n, (after.stacks-before.stacks)/n, float64(after.goroutines-before.goroutines)/float64(n))
			used := (after.heap + after.stacks - before.heap - before.stacks) / n
			if n >= 1000 && most[name] > 0 && used > most[name] && !testkit.Race() {
				t.Errorf("%d bytes are in use, more than %d", used, most[name])
			}
			streams.alive(t)
		})
	}
}

// soakCount is how many streams there are to be, and can be.
func soakCount(t *testing.T) int {
	n := max(*soak, soakFew)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := int(limit.Max) - otherFiles; n > most {
		t.Logf("the limit for open files allows %d streams", most)
		return most
	}
	return n
}

// soakBackend answers the first message of each call, and waits for its end.
func soakBackend(t *testing.T, text *rpc.Type) (address string) {
	// With TCP_USER_TIMEOUT, which grpc-go sets, one lost probe would end all.
	listener, err := (&net.ListenConfig{KeepAlive: -1}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(rpc.Codec{}), grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
		f := rpc.NewFrame(text)
		if err := ss.RecvMsg(f); err != nil {
			return err
		}
		if err := ss.SendMsg(f); err != nil {
			return err
		}
		f.Free()
		<-ss.Context().Done()
		return ss.Context().Err()
	}))
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// idle are the open streams.
type idle struct {
	mu    sync.Mutex
	conns []net.Conn
	wait  sync.WaitGroup
	ended []error
}

// open opens n more, each of which has had its first message when it returns.
func (s *idle) open(t *testing.T, g *testkit.Gateway, say string, n int) {
	t.Helper()
	const atOnce = 50
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var group sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for range n {
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-places }()
			if err := s.openOne(g.Public, say); err != nil {
				t.Error(err)
				cancel()
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func (s *idle) openOne(address, say string) error {
	conn, err := (&net.Dialer{KeepAlive: -1}).Dial("tcp", address) // the gateway's probes are enough
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.conns = append(s.conns, conn)
	s.mu.Unlock()
	if _, err := io.WriteString(conn, say); err != nil {
		return err
	}
	r := bufio.NewReaderSize(conn, 512)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	upgraded := response.StatusCode == http.StatusSwitchingProtocols
	if upgraded {
		_, _, err = readFrame(r)
	} else {
		_, err = bufio.NewReader(response.Body).ReadString('\n')
	}
	if err != nil {
		return fmt.Errorf("%s: %w", response.Status, err)
	}
	s.wait.Go(func() {
		var err error
		for err == nil {
			if !upgraded {
				_, err = r.ReadByte()
				continue
			}
			var payload []byte
			if _, payload, err = readFrame(r); err == nil { // a ping
				_, err = conn.Write(append([]byte{0x8a, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...))
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = append(s.ended, err)
	})
	return nil
}

// alive checks that none has ended.
func (s *idle) alive(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) > 0 {
		t.Errorf("%d of %d streams have ended: %v", len(s.ended), len(s.conns), s.ended[0])
	}
}

func (s *idle) close() {
	s.mu.Lock()
	for _, conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

// memory is what a gateway holds.
type memory struct{ resident, heap, stacks, goroutines, collections int }

func memoryOf(t *testing.T, g *testkit.Gateway) (m memory) {
	t.Helper()
	for line := range strings.Lines(fetch(t, "GET", "http://"+g.Admin+"/metrics", "").Text) {
		var name string
		var value float64
		if _, err := fmt.Sscanf(line, "%s %g", &name, &value); err != nil {
			continue
		}
		switch name {
		case "process_resident_memory_bytes":
			m.resident = int(value)
		case "go_memstats_heap_inuse_bytes":
			m.heap = int(value)
		case "go_memstats_stack_inuse_bytes":
			m.stacks = int(value)
		case "go_goroutines":
			m.goroutines = int(value)
		case "go_gc_duration_seconds_count":
			m.collections = int(value)
		}
	}
	return m
}

// settled is what a gateway holds when it has collected what the opening of streams left behind, and shrunk no further. Only
// many streams are worth the minutes that this takes.
func settled(t *testing.T, g *testkit.Gateway) memory {
	t.Helper()
	m := memoryOf(t, g)
	if *soak == 0 {
		return m
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	collected := m.collections + collections
	for {
		<-tick.C
		next := memoryOf(t, g)
		if next.collections >= collected && next.resident >= m.resident {
			return next
		}
		m = next
	}
}
