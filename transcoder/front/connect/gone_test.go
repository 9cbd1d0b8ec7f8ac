package connect_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/connect"
)

// A client that leaves in the middle of its request went away: it sent nothing that is wrong.
func TestClientLeavesWithinItsRequest(t *testing.T) {
	for _, version := range []int{1, 2} {
		for _, how := range []string{"", "gzip", "ConnectionLost"} {
			t.Run(how+"/HTTP"+string(rune('0'+version)), func(t *testing.T) {
				leak.Check(t)
				began, got := make(chan struct{}), make(chan error, 1)
				table := &front.Table{Methods: map[string]*front.Endpoint{"/a.B/C": {
					Method: &rpc.Method{Path: "/a.B/C"},
					Serve: func(_ *rpc.Call, ss grpc.ServerStream) error {
						close(began)
						var f rpc.Frame
						err := ss.RecvMsg(&f)
						got <- err
						return err
					},
				}}}
				f := connect.New(front.Env{
					BodyBytesMax: 1 << 20,
					Client:       func(peer netip.Addr, _ http.Header) netip.Addr { return peer },
					Ignored:      func(string, int) {},
					Unrouted:     func(string, string, int, *http.Request) {},
				})
				c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.ServeHTTP(w, r, table) }), version)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				var conn net.Conn
				c.transport.DialContext = func(ctx context.Context, network, address string) (_ net.Conn, err error) {
					conn, err = new(net.Dialer).DialContext(ctx, network, address)
					return conn, err
				}
				body, client := io.Pipe()
				defer client.Close()
				r, err := http.NewRequestWithContext(ctx, "POST", c.url+"/a.B/C", body)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/proto")
				switch how {
				case "gzip":
					r.Header.Set("Content-Encoding", how)
				case "ConnectionLost":
					leave = func() { _ = conn.Close() }
				}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					if resp, err := c.transport.RoundTrip(r); err == nil {
						_ = resp.Body.Close()
					}
				}()
				if _, err := io.WriteString(client, "\x0a\x05ab"); err != nil {
					t.Fatal(err)
				}
				<-began
				leave()
				if err := <-got; rpc.StatusOf(err).Code() != codes.Canceled {
					t.Errorf("%v", err)
				}
				_ = client.CloseWithError(io.ErrClosedPipe) // for net/http's client, which may still read it
				<-ended
			})
		}
	}
}
