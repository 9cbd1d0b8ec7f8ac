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
