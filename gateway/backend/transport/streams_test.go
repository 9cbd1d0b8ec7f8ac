package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
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
				conn.mu.Lock()
				if n := len(call.replies.waiting); !c.ended && (n > 0 || call.stream.message != nil) {
					t.Errorf("%d replies wait for nobody, a part: %t", n, call.stream.message != nil)
				}
				conn.mu.Unlock()
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

// A taker that takes nothing stops its server: no more is held than the window and one message, and twice that when the
// taker has begun. Nobody else on the connection waits, and when all is taken, all has come.
func TestRepliesWindow(t *testing.T) {
	for _, c := range []struct{ count, size int }{{200_000, 0}, {100_000, 13}, {3000, 1000}, {40, 100_000}, {5, streamWindow - 5}, {5, streamWindow}, {5, 3 << 20}} {
		t.Run(fmt.Sprintf("%dTimes%d", c.count, c.size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int64
				client := New(Config{Dial: dialer(func(p *peer) {
					p.greet()
					id := p.request()
					grants := make(chan int, 1000)
					go func() {
						all, message := bytes.NewBuffer(nil), append([]byte{0, byte(c.size >> 24), byte(c.size >> 16), byte(c.size >> 8), byte(c.size)}, make([]byte, c.size)...)
						p.head(id)
						for left, window := c.count, streamWindow; ; {
							for ; left > 0 && all.Len() < frameBytesMax; left-- {
								all.Write(message)
							}
							if all.Len() == 0 {
								p.trailers(id)
								return
							}
							for window == 0 {
								n, ok := <-grants
								if !ok {
									return
								}
								window += n
							}
							frame := all.Next(min(frameBytesMax, window))
							p.WriteData(id, false, frame)
							window -= len(frame)
							sent.Add(int64(len(frame)))
						}
					}()
					defer close(grants)
					for f := p.next(http2.FrameWindowUpdate); f != nil; f = p.next(http2.FrameWindowUpdate) {
						if f.Header().StreamID == id {
							grants <- int(f.(*http2.WindowUpdateFrame).Increment)
						}
					}
				}), Scheme: "http", Authority: "test", MessageBytesMax: 3 << 20})
				defer client.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				call := newCall()
				if err := client.Start(ctx, call); err != nil {
					t.Fatal(err)
				}
				all, most := int64(c.count*(c.size+5)), int64(streamWindow+c.size+5)
				synctest.Wait()
				if got := sent.Load(); got > most || got < min(streamWindow, all) {
					t.Errorf("%d bytes came before any was taken", got)
				}
				first, err := call.Next()
				if err != nil || first.Len() != c.size {
					t.Fatalf("got %v", err)
				}
				synctest.Wait()
				if got := sent.Load(); got > 2*most || got < min(streamWindow+int64(c.size)+5, all) {
					t.Errorf("%d bytes came when the first was taken", got)
				}
				got, err := call.rest()
				if err != io.EOF || len(got) != c.count-1 || slices.ContainsFunc(got, func(m string) bool { return len(m) != c.size }) || sent.Load() != all {
					t.Errorf("got %d of %d bytes and %v", len(got), sent.Load(), err)
				}
			})
		})
	}
}

// A stream that its taker waits for ends when it should, after what has come, and the server is told if it does not know.
func TestStreamsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(p *peer, id uint32)
		want  codes.Code
		after time.Duration
		reset bool
	}{
		"Deadline":   {func(p *peer, id uint32) {}, codes.DeadlineExceeded, 3 * time.Second, true},
		"Cancel":     {func(p *peer, id uint32) {}, codes.Canceled, 2 * time.Second, true},
		"Close":      {func(p *peer, id uint32) {}, codes.Canceled, 2 * time.Second, false},
		"Gone":       {func(p *peer, id uint32) { p.conn.Close() }, codes.Unavailable, 0, false},
		"Fault":      {func(p *peer, id uint32) { p.WriteData(0, false, nil) }, codes.Unavailable, 0, false},
		"Reset":      {func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeNo) }, codes.Internal, 0, false},
		"Refused":    {func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, codes.Unavailable, 0, false},
		"GoAway":     {func(p *peer, id uint32) { p.WriteGoAway(0, http2.ErrCodeNo, nil) }, codes.Unavailable, 0, false},
		"Drained":    {func(p *peer, id uint32) { p.WriteGoAway(id, http2.ErrCodeNo, nil); p.trailers(id) }, codes.OK, 0, false},
		"CutShort":   {func(p *peer, id uint32) { p.WriteData(id, false, []byte{0, 0, 0, 0, 9, 'x'}); p.trailers(id) }, codes.Internal, 0, false},
		"NoTrailers": {func(p *peer, id uint32) { p.WriteData(id, true, nil) }, codes.Internal, 0, false},
		"TooLarge":   {func(p *peer, id uint32) { p.WriteData(id, false, []byte{0, 255, 0, 0, 0}) }, codes.ResourceExhausted, 0, true},
		"Error":      {func(p *peer, id uint32) { p.headers(id, true, "grpc-status", "9") }, codes.FailedPrecondition, 0, false},
		"RepliesAfterTheEnd": {func(p *peer, id uint32) {
			p.trailers(id)
			p.message(id, 0, "c")
			p.headers(id, true, "grpc-status", "9")
			p.WriteRSTStream(id, http2.ErrCodeInternal)
		}, codes.OK, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := make(chan *http2.RSTStreamFrame, 10)
				calls := 0
				client := client(t, func(p *peer) {
					p.greet()
					id := p.request()
					calls++
					p.head(id)
					p.message(id, 0, "a")
					p.message(id, 0, "b")
					time.Sleep(time.Millisecond) // of the bubble, when the taker waits
					c.do(p, id)
					for f, err := p.ReadFrame(); err == nil; f, err = p.ReadFrame() {
						if rst, ok := f.(*http2.RSTStreamFrame); ok {
							seen <- rst
						}
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				switch name {
				case "Cancel":
					time.AfterFunc(2*time.Second, cancel)
				case "Close":
					time.AfterFunc(2*time.Second, client.Close)
				}
				start := time.Now()
				call := newCall()
				if err := client.Start(ctx, call); err != nil {
					t.Fatal(err)
				}
				got, err := call.rest()
				if err == io.EOF {
					err = call.Status.Err()
				} else if call.Status != nil {
					t.Errorf("%v beside %v", call.Status, err)
				}
				if took := time.Since(start).Truncate(time.Second); status.Code(err) != c.want || !slices.Equal(got, []string{"a", "b"}) || took != c.after {
					t.Errorf("got %q and %v after %s", got, err, took)
				}
				synctest.Wait()
				if (len(seen) > 0) != c.reset || calls != 1 {
					t.Errorf("the server has seen %d calls, and %d resets", calls, len(seen))
				}
				if c.reset {
					if f := <-seen; f.StreamID != 1 || f.ErrCode != http2.ErrCodeCancel {
						t.Errorf("the server got %v", f)
					}
				}
			})
		})
	}
}

// streamed answers a request with as many messages as the metadata say, and ends with the code that they say. The messages
// are numbered.
func streamed(_ any, ss grpc.ServerStream) error {
	md, _ := metadata.FromIncomingContext(ss.Context())
	var count, size int
	var code codes.Code
	if _, err := fmt.Sscan(strings.Join(slices.Concat(md["count"], md["size"], md["code"]), " "), &count, &size, &code); err != nil {
		return err
	}
	var m mem.BufferSlice
	if err := ss.RecvMsg(&m); err != nil {
		return err
	}
	m.Free()
	if len(md["zip"]) > 0 {
		if err := grpc.SetSendCompressor(ss.Context(), "gzip"); err != nil {
			return err
		}
	}
	ss.SetHeader(metadata.Pairs("head", "a", "head", "b"))
	ss.SetTrailer(metadata.Pairs("tail-bin", "\x00\xff"))
	for i := range count {
		reply := mem.BufferSlice{mem.SliceBuffer(numbered(i, size))}
		if err := ss.SendMsg(&reply); err != nil {
			return err
		}
	}
	if code == codes.OK {
		return nil
	}
	st, err := status.New(code, "so it is: 100 %").WithDetails(&errdetails.ErrorInfo{Reason: "GONE"})
	if err != nil {
		return err
	}
	return st.Err()
}

// numbered is the message of a stream with this number: it stands wherever there is room for it.
func numbered(n, size int) []byte {
	b := make([]byte, size)
	for i := 0; i+4 <= size; i += 4 {
		binary.BigEndian.PutUint32(b[i:], uint32(n))
	}
	return b
}

func newStream(count, size int, code codes.Code, more ...string) *Call {
	call := newCall()
	call.Metadata = pairs(append(more, "count", fmt.Sprint(count), "size", fmt.Sprint(size), "code", fmt.Sprint(uint32(code)))...)
	return call
}

// TestRepliesOfServer shows that all of a stream passes, however many messages of whatever size there are, with what stands
// before and behind them.
func TestRepliesOfServer(t *testing.T) {
	leak.Check(t)
	c := New(Config{Dial: serve(t, streamed), Scheme: "http", Authority: "test", MessageBytesMax: 3 << 20})
	t.Cleanup(c.Close)
	for _, s := range []struct{ count, size int }{{0, 0}, {1, 0}, {1, 1}, {10_000, 0}, {10_000, 180}, {300, 1 << 10}, {300, 1<<10 + 1}, {100, 16 << 10}, {10, 1 << 20}, {3, 3 << 20}} {
		for _, code := range []codes.Code{codes.OK, codes.NotFound} {
			for _, zip := range [][]string{nil, {"zip", "1"}} {
				if zip != nil && (code != codes.OK || s.count > 1000) {
					continue // compression takes long, and changes nothing there
				}
				t.Run(fmt.Sprintf("%dTimes%d%s%v", s.count, s.size, code, zip), func(t *testing.T) {
					call := newStream(s.count, s.size, code, zip...)
					if err := c.Start(patient(t), call); err != nil {
						t.Fatal(err)
					}
					if head := (metadata.MD{"head": {"a", "b"}}); s.count > 0 && !maps.EqualFunc(call.Header, head, slices.Equal) {
						t.Errorf("headers %v", call.Header)
					}
					for i := range s.count {
						m, err := call.Next()
						if err != nil {
							t.Fatalf("message %d: %v", i, err)
						}
						if !bytes.Equal(m.ReadOnlyData(), numbered(i, s.size)) {
							t.Fatalf("message %d is another, of %d bytes", i, m.Len())
						}
						m.Free()
					}
					if _, err := call.Next(); err != io.EOF || call.Status.Code() != code {
						t.Fatalf("ended with %v, %v", err, call.Status)
					}
					if want := (metadata.MD{"tail-bin": {"\x00\xff"}}); !maps.EqualFunc(call.Trailer, want, slices.Equal) && s.count > 0 {
						t.Errorf("trailers %v", call.Trailer)
					}
					if code != codes.OK && (call.Status.Message() != "so it is: 100 %" || len(call.Status.Details()) != 1) {
						t.Errorf("status %v", call.Status)
					}
				})
			}
		}
	}
}

// TestManyStreams has many streams at a time, some of which are given up at a random time, by the taker or by the clock.
func TestManyStreams(t *testing.T) {
	leak.Check(t)
	c := New(Config{Dial: serve(t, streamed, grpc.MaxConcurrentStreams(20)), Scheme: "http", Authority: "test", MessageBytesMax: 1 << 20})
	t.Cleanup(c.Close)
	const workers, each = 25, 8
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(worker)))
			for range each {
				size := []int{0, 4, 180, 2000, 50_000, 1 << 20}[random.IntN(6)]
				count := random.IntN(1_000_000/(size+1000) + 1)
				var more []string
				if count < 100 && random.IntN(4) == 0 {
					more = []string{"zip", "1"}
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				until, hurried := count, random.IntN(4) == 0
				switch {
				case hurried:
					cancel()
					ctx, cancel = context.WithTimeout(context.Background(), time.Duration(random.IntN(5_000_000)))
				case random.IntN(3) == 0:
					until = random.IntN(count + 1)
				}
				call := newStream(count, size, codes.NotFound, more...)
				err := c.Start(ctx, call)
				for n := 0; err == nil; n++ {
					if n == until && until < count {
						cancel()
					}
					var m mem.Buffer
					if m, err = call.Next(); err == nil {
						if !bytes.Equal(m.ReadOnlyData(), numbered(n, size)) {
							t.Errorf("message %d of %d is another, of %d bytes", n, size, m.Len())
						}
						m.Free()
					} else if err == io.EOF && call.Status.Code() == codes.NotFound && n != count {
						t.Errorf("got %d of %d messages", n, count)
					}
				}
				cancel()
				code := status.Code(err)
				if err == io.EOF {
					code = call.Status.Code()
				}
				switch {
				case code == codes.NotFound && err == io.EOF:
				case hurried && (code == codes.DeadlineExceeded || code == codes.Canceled): // the server may be the first to know
				case until < count && code == codes.Canceled:
				default:
					t.Errorf("%d messages of %d bytes: %v, %v", count, size, err, call.Status)
				}
			}
		})
	}
	group.Wait()
	checkIdle(t, c)
}
