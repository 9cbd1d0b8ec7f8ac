package transport

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// rest takes replies up to the end, which it returns: io.EOF, or what has gone wrong.
func (call *Call) rest() (replies []string, err error) {
	for {
		m, err := call.Next()
		if err != nil {
			return replies, err
		}
		replies = append(replies, string(m.ReadOnlyData()))
		m.Free()
	}
}

// Headers are there when Start returns, whatever they say and however late the first message is. A call that ends without
// any has none.
func TestRepliesHeader(t *testing.T) {
	for name, c := range map[string]struct {
		head func(p *peer, id uint32)
		want bool
	}{
		"WithoutMetadata": {func(p *peer, id uint32) { p.head(id) }, true},
		"WithMetadata": {func(p *peer, id uint32) {
			p.headers(id, false, ":status", "200", "content-type", "application/grpc", "some", "thing")
		}, true},
		"TrailersOnly": {func(p *peer, id uint32) {
			p.headers(id, true, ":status", "200", "content-type", "application/grpc", "some", "thing", "grpc-status", "0")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := client(t, func(p *peer) { p.greet(); c.head(p, p.request()); p.drain() })
				call := newCall()
				if err := client.Start(t.Context(), call); err != nil || (call.Header != nil) != c.want {
					t.Errorf("got %v, headers %v", err, call.Header)
				}
			})
		})
	}
}

// A server that sends more than it may loses the call: what nobody takes is held in memory.
func TestRepliesFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset := make(chan http2.ErrCode, 1)
		c := client(t, func(p *peer) {
			p.greet()
			id := p.request()
			p.head(id)
			go func() {
				for p.WriteData(id, false, make([]byte, 10_000)) == nil {
				}
			}()
			reset <- p.next(http2.FrameRSTStream).(*http2.RSTStreamFrame).ErrCode
			p.conn.Close()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		call := newCall()
		if err := c.Start(ctx, call); err != nil {
			t.Fatal(err)
		}
		if code := <-reset; code != http2.ErrCodeFlowControl {
			t.Errorf("the stream was reset with %s", code)
		}
		got, err := call.rest()
		if n := 5 * len(got); status.Code(err) != codes.Internal || n > streamWindow || n < streamWindow-10_000 {
			t.Errorf("got %d bytes and %v", n, err)
		}
	})
}
