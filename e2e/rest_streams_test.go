package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestRESTStreamFaults: in each form of a stream a backend that dies leaves its client with a status, and a client that leaves
// is noticed at once.
func TestRESTStreamFaults(t *testing.T) {
	t.Parallel()
	h1 := func(*testing.T) *http.Client {
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: longest}
	}
	for name, newClient := range map[string]func(*testing.T) *http.Client{"HTTP1": h1, "HTTP2": h2c} {
		for _, accept := range []string{"application/x-ndjson", "application/json", "text/event-stream"} {
			t.Run(name+"/"+accept, func(t *testing.T) {
				b, client := newTelling(t, ""), newClient(t)
				ctx, leave := context.WithCancel(bounded(t))
				first := b.track(ctx, t, client, accept)
				defer first.Body.Close()
				left := time.Now()
				leave()
				if took := (<-b.left).Sub(left); took > 500*time.Millisecond && !testkit.Race() {
					t.Errorf("the backend heard after %v that the client is gone; 50 ms are promised", took)
				}
				second := b.track(bounded(t), t, client, accept)
				defer second.Body.Close()
				b.die()
				text, err := io.ReadAll(second.Body)
				if err != nil || !strings.Contains(string(text), `"status":"UNAVAILABLE"`) {
					t.Errorf("the backend died: %q, %v", text, err)
				}
				if accept == "application/json" && !json.Valid(append([]byte("["), text[strings.IndexByte(string(text), ',')+1:]...)) {
					t.Errorf("no array: %q", text)
				}
			})
		}
	}
}

// TestRESTSlowReader: a client that takes nothing of a stream is cut off, whatever the form, and the backend's call ends.
func TestRESTSlowReader(t *testing.T) {
	t.Parallel()
	b := newTelling(t, "limits: {stall_timeout: 0.3s}")
	b.text = strings.Repeat("x", 64<<10)
	for _, accept := range []string{"application/x-ndjson", "application/json", "text/event-stream"} {
		conn, err := net.Dial("tcp", b.gateway.Public)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /v1/orders/endless:track HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n", accept)
		select {
		case <-b.left:
		case <-time.After(longest):
			t.Errorf("%s: the backend's call goes on", accept)
		}
		_ = conn.Close()
	}
}

// TestEventsFanOut: many clients of server-sent events get all messages, in their order.
func TestEventsFanOut(t *testing.T) {
	t.Parallel()
	const clients, messages = 100, 200
	b := newTelling(t, "")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: longest}
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			r, err := http.NewRequestWithContext(bounded(t), "GET", fmt.Sprintf("http://%s/v1/orders/%d:track", b.gateway.Public, messages), nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Header.Set("Accept", "text/event-stream")
			response, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			lines, n := bufio.NewScanner(response.Body), 0
			for lines.Scan() {
				if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
					if n++; id != fmt.Sprint(n) {
						t.Errorf("event %s, want %d", id, n)
						return
					}
				}
			}
			if n != messages || lines.Err() != nil {
				t.Errorf("%d events, %v", n, lines.Err())
			}
		})
	}
	group.Wait()
}

// telling is a gateway in front of orders that tell their way: of one step and then nothing, of as many as their number says, or
// endlessly.
type telling struct {
	ordersv1.UnimplementedOrdersServer
	gateway *testkit.Gateway
	die     func()
	left    chan time.Time // when a call that tells no more, or endlessly, was over
	text    string
}

func newTelling(t *testing.T, config string) *telling {
	b := &telling{left: make(chan time.Time, 10), text: "step"}
	server := grpc.NewServer()
	ordersv1.RegisterOrdersServer(server, b)
	target, stop := serveOn(t, "127.0.0.1:0", server)
	b.die = stop
	b.gateway = testkit.Serve(t, append([]string{"--dev", "--proto", newShop(t).proto(t), "--backend", target}, configFile(t, config)...)...)
	return b
}

// track asks for an order's way, and returns when its first step is here.
func (b *telling) track(ctx context.Context, t *testing.T, client *http.Client, accept string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+b.gateway.Public+"/v1/orders/silent:track", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	var first [1]byte
	if _, err := io.ReadFull(response.Body, first[:]); err != nil {
		t.Fatal(err)
	}
	return response
}

func (b *telling) TrackOrder(r *ordersv1.TrackOrderRequest, stream grpc.ServerStreamingServer[ordersv1.OrderStep]) error {
	n := 1
	if r.GetOrderId() == "endless" {
		n = 1 << 30
	} else if _, err := fmt.Sscan(r.GetOrderId(), &n); err != nil {
		n = 1
	}
	for range n {
		if err := stream.Send(&ordersv1.OrderStep{Text: b.text}); err != nil {
			b.left <- time.Now()
			return err
		}
	}
	if n > 1 {
		return nil
	}
	<-stream.Context().Done()
	b.left <- time.Now()
	return status.Error(codes.Canceled, "nobody listens")
}
