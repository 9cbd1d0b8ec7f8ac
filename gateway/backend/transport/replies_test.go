package transport

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
)

// TestReplies takes many replies of all sizes from a real server, compressed and not, in calls that run at the same time.
func TestReplies(t *testing.T) {
	leak.Check(t)
	const calls, replies = 8, 500
	message := func(n int) string { return strings.Repeat(fmt.Sprint(n), n*n%5000) }
	dial := serve(t, func(_ any, ss grpc.ServerStream) error {
		var m mem.BufferSlice
		if err := ss.RecvMsg(&m); err != nil {
			return err
		}
		if m.Len() > 0 {
			if err := grpc.SetSendCompressor(ss.Context(), "gzip"); err != nil {
				return err
			}
		}
		m.Free()
		for n := range replies {
			reply := mem.BufferSlice{mem.SliceBuffer(message(n))}
			if err := ss.SendMsg(&reply); err != nil {
				return err
			}
		}
		return status.Error(codes.OutOfRange, "that is all")
	})
	c := clientOf(t, dial)
	errs := make(chan error, calls)
	for i := range calls {
		call := newCall(make([]byte, i%2)...)
		go func() {
			errs <- func() error {
				if err := c.Start(patient(t), call); err != nil {
					return err
				}
				for n := 0; ; n++ {
					reply, err := call.Next()
					if err == io.EOF && n == replies && call.Status.Code() == codes.OutOfRange {
						return nil
					}
					if err != nil {
						return fmt.Errorf("reply %d: %w", n, err)
					}
					if string(reply.ReadOnlyData()) != message(n) {
						return fmt.Errorf("reply %d is another", n)
					}
					reply.Free()
				}
			}()
		}()
	}
	for range calls {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// What nobody takes is bounded by the stream's window, which is given back when somebody does.
func TestRepliesNotTaken(t *testing.T) {
	for name, obeys := range map[string]bool{"ServerWaits": true, "ServerDoesNot": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const size, replies = 1000, 4 * streamWindow / 1000
				window, sent := streamWindow, 0
				c := client(t, func(p *peer) {
					p.greet()
					id := p.request()
					p.head(id)
					for ; sent < replies; sent++ {
						for obeys && window < size+5 {
							f, ok := p.next(http2.FrameWindowUpdate).(*http2.WindowUpdateFrame)
							if !ok {
								return
							}
							if f.StreamID == id {
								window += int(f.Increment)
							}
						}
						p.message(id, 0, strings.Repeat("x", size))
						window -= size + 5
					}
					p.trailers(id)
					p.drain()
				})
				call := newCall()
				if err := c.Start(t.Context(), call); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if obeys && sent > streamWindow/size {
					t.Errorf("%d replies were let in", sent)
				}
				n := 0
				for {
					reply, err := call.Next()
					if err != nil {
						if whole := err == io.EOF && n == replies; whole != obeys || !obeys && (status.Code(err) != codes.Internal || n > streamWindow/size) {
							t.Errorf("%d replies, then %v", n, err)
						}
						return
					}
					n++
					reply.Free()
				}
			})
		})
	}
}

// A call whose replies are taken one by one ends with its context and with the client, whatever it waits for, and the server
// hears of it.
func TestRepliesEnd(t *testing.T) {
	for _, headers := range []bool{false, true} {
		for end, want := range map[string]codes.Code{"Deadline": codes.DeadlineExceeded, "Cancel": codes.Canceled, "Close": codes.Canceled} {
			t.Run(fmt.Sprint(end, headers), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					reset := make(chan http2.ErrCode, 1)
					c := client(t, func(p *peer) {
						p.greet()
						if id := p.request(); headers {
							p.head(id)
							p.message(id, 0, "fine")
						}
						if f, ok := p.next(http2.FrameRSTStream).(*http2.RSTStreamFrame); ok {
							reset <- f.ErrCode
						}
						p.drain()
					})
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if end != "Deadline" {
						ctx, cancel = context.WithCancel(t.Context())
						defer cancel()
						time.AfterFunc(time.Second, map[string]func(){"Cancel": cancel, "Close": c.Close}[end])
					}
					call := newCall()
					err := c.Start(ctx, call)
					for n := 0; err == nil; n++ {
						var reply mem.Buffer
						if reply, err = call.Next(); err == nil {
							reply.Free()
						}
						if n > 1 {
							t.Fatalf("%d replies", n)
						}
					}
					if status.Code(err) != want {
						t.Errorf("got %v", err)
					}
					if end != "Close" {
						if code := <-reset; code != http2.ErrCodeCancel {
							t.Errorf("the stream was reset with %s", code)
						}
					}
				})
			})
		}
	}
}

// Start returns when the headers have come: the first reply may be long in coming.
func TestStartReturnsWithHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := make(chan struct{})
		c := client(t, func(p *peer) {
			p.greet()
			id := p.request()
			p.headers(id, false, ":status", "200", "content-type", "application/grpc", "some", "thing")
			<-started
			p.message(id, 0, "fine")
			p.trailers(id)
			p.drain()
		})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		call := newCall()
		err := c.Start(ctx, call)
		close(started)
		if err != nil || len(call.Header["some"]) != 1 {
			t.Fatalf("got %v, headers %v", err, call.Header)
		}
		if reply, err := call.Next(); err != nil || string(reply.ReadOnlyData()) != "fine" {
			t.Errorf("got %v", err)
		}
		if _, err := call.Next(); err != io.EOF {
			t.Errorf("got %v at the end", err)
		}
	})
}
