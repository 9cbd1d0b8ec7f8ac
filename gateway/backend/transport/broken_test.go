package transport

import (
	"context"
	"io"
	"slices"
	"strings"
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

// What a server sent before it broke a call off can be taken, even if it has done so before Start returns.
func TestRepliesBeforeReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingInitialWindowSize}) // Start waits until it may send, or need not
			id := p.next(http2.FrameHeaders).Header().StreamID
			p.head(id)
			p.message(id, 0, "a")
			p.message(id, 0, "b")
			p.WriteRSTStream(id, http2.ErrCodeInternal)
			p.drain()
		})
		call := newCall()
		if err := c.Start(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		if got, err := call.rest(); status.Code(err) != codes.Internal || !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// A call that was given up ends at once for the one who takes, too, and holds nothing of what was not taken; the server is
// told. A call that the server has ended before does not change any more.
func TestRepliesGivenUp(t *testing.T) {
	for name, c := range map[string]struct {
		ended bool
		want  codes.Code
		left  int // that can be taken
	}{"Running": {false, codes.Canceled, 0}, "Ended": {true, codes.OK, 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reset := make(chan http2.ErrCode, 1)
				client := client(t, func(p *peer) {
					p.greet()
					id := p.request()
					p.head(id)
					for range 5 {
						p.message(id, 0, strings.Repeat("x", 5000))
					}
					p.next(http2.FramePing) // the taker has these
					for range 5 {
						p.message(id, 0, strings.Repeat("x", 5000))
					}
					p.WriteData(id, false, []byte{0, 0, 0, 0x10, 0, 'x'}) // and a part
					if c.ended {
						p.WriteData(id, false, make([]byte, 0xfff))
						p.trailers(id)
					}
					if f, ok := p.next(http2.FrameRSTStream).(*http2.RSTStreamFrame); ok {
						reset <- f.ErrCode
					}
					p.drain()
				})
				ctx, cancel := context.WithCancel(t.Context())
				call := newCall()
				if err := client.Start(ctx, call); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if _, err := call.Next(); err != nil {
					t.Fatal(err)
				}
				conn := call.replies.conn
				conn.mu.Lock()
				conn.tell(http2.FramePing, 0, 0, make([]byte, 8)...)
				conn.mu.Unlock()
				synctest.Wait()
				cancel()
				synctest.Wait()
				got, err := call.rest()
				if err == io.EOF {
					err = call.Status.Err()
				}
				if status.Code(err) != c.want || len(got) != c.left {
					t.Errorf("got %d replies and %v", len(got), err)
				}
				if r := call.replies; len(r.waiting)+len(r.taken) > 0 || call.stream.message != nil {
					t.Errorf("%d replies wait and %d are taken, a part: %t", len(r.waiting), len(r.taken), call.stream.message != nil)
				}
				if !c.ended {
					if code := <-reset; code != http2.ErrCodeCancel {
						t.Errorf("the stream was reset with %s", code)
					}
				}
			})
		})
	}
}

// The end stays the end, whatever was left.
func TestRepliesAfterTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(p *peer, id uint32)
		start codes.Code
		want  codes.Code
	}{
		"OK":       {func(p *peer, id uint32) { p.ok(id) }, codes.OK, codes.OK},
		"NotGRPC":  {func(p *peer, id uint32) { p.headers(id, true, ":status", "401") }, codes.Unauthenticated, codes.Unauthenticated},
		"Gone":     {func(p *peer, id uint32) { p.conn.Close() }, codes.Unavailable, codes.Unavailable},
		"NoServer": {nil, codes.Unavailable, codes.Unavailable},
		"BrokenReply": {func(p *peer, id uint32) {
			p.headers(id, false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip")
			p.message(id, 1, "broken")
			p.message(id, 0, "fine")
			p.trailers(id)
		}, codes.OK, codes.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := client(t, func(p *peer) {
					if c.do != nil {
						p.greet()
						c.do(p, p.request())
						p.drain()
					}
				})
				call := newCall()
				if err := client.Start(t.Context(), call); status.Code(err) != c.start {
					t.Fatalf("got %v", err)
				}
				synctest.Wait()
				_, first := call.rest()
				if err := first; err != io.EOF && status.Code(err) != c.want {
					t.Errorf("got %v", err)
				}
				for range 3 {
					if m, err := call.Next(); m != nil || err != first {
						t.Errorf("got %v after %v", err, first)
					}
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
