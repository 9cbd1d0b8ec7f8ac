package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A call that waits ends with its context, whatever it waits for, and with the client.
func TestWait(t *testing.T) {
	for name, serve := range map[string]func(*peer){
		"ForTheReply": func(p *peer) { p.greet(); p.drain() },
		"ForAStream":  func(p *peer) { p.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams}); p.drain() },
		"ForTheWindowOfTheStream": func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingInitialWindowSize})
			p.drain()
		},
		"ForTheWindowOfTheConnection": func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			p.drain()
		},
		"ForAServerThatDoesNotRead": func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
			p.WriteWindowUpdate(0, 1<<30)
			<-p.gone
		},
		"ForTheFirstFrame": func(p *peer) { <-p.gone },
	} {
		for end, want := range map[string]codes.Code{"Deadline": codes.DeadlineExceeded, "Cancel": codes.Canceled, "Close": codes.Canceled, "DeadlineOfStart": codes.DeadlineExceeded, "CancelOfStart": codes.Canceled, "CloseOfStart": codes.Canceled} {
			t.Run(name+end, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					end, start := strings.CutSuffix(end, "OfStart")
					c := client(t, serve)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					switch end {
					case "Deadline":
						ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
						defer cancel()
					case "Cancel":
						time.AfterFunc(2*time.Second, cancel)
					case "Close":
						time.AfterFunc(2*time.Second, c.Close)
					}
					call := c.Do
					if start {
						call = c.Start
					}
					began := time.Now()
					err := call(ctx, newCall(make([]byte, 1<<20)...))
					if took := time.Since(began); status.Code(err) != want || took != 2*time.Second {
						t.Errorf("got %v after %s", err, took)
					}
				})
			})
		}
	}
}

// A call that ends before its reply is taken back from the server, one that was never sent is not mentioned.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan http2.Frame, 100)
		c := client(t, func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
			for f := p.next(http2.FrameRSTStream); f != nil; f = p.next(http2.FrameRSTStream) {
				seen <- f
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range 2 { // the second waits for the first
			go c.Do(ctx, newCall())
		}
		<-ctx.Done()
		synctest.Wait()
		if f := (<-seen).(*http2.RSTStreamFrame); f.StreamID != 1 || f.ErrCode != http2.ErrCodeCancel || len(seen) > 0 {
			t.Errorf("the server got %v, and %d more", f, len(seen))
		}
	})
}

// Calls that wait for a stream get one in the order in which they came, and no more run at a time than the server takes.
func TestStreamsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, calls = 2, 50
		running := make(chan uint32, calls)
		gate := make(chan struct{})
		c := client(t, func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: most})
			go func() {
				for range gate {
					p.ok(<-running)
				}
				p.conn.Close()
			}()
			for id := p.request(); id != 0; id = p.request() {
				running <- id
			}
		})
		ended := make(chan int, calls)
		gaveUp, cancel := context.WithCancel(t.Context())
		for i := range calls {
			ctx := t.Context()
			if i%5 == 4 {
				ctx = gaveUp
			}
			go func() {
				if err := c.Do(ctx, newCall()); err == nil {
					ended <- i
				}
			}()
			synctest.Wait()
		}
		cancel()
		for i := range calls {
			if i%5 == 4 {
				continue
			}
			synctest.Wait()
			if len(running) > most {
				t.Fatalf("%d calls at a time", len(running))
			}
			gate <- struct{}{}
			if got := <-ended; got != i {
				t.Fatalf("call %d came before %d", got, i)
			}
		}
		close(gate)
	})
}

// Large requests share what the server takes, however small its windows are, and whatever changes meanwhile.
func TestWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls, size = 5, 100_000
		c := client(t, func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
			got, window := map[uint32]int{}, 65535
			limit := map[uint32]int{}
			for n := 0; ; n++ {
				f, err := p.ReadFrame()
				if err != nil {
					return
				}
				d, ok := f.(*http2.DataFrame)
				if !ok {
					continue
				}
				id := d.StreamID
				if limit[id] == 0 {
					limit[id] = 1000
				}
				got[id] += len(d.Data())
				if window -= len(d.Data()); window < 0 || got[id] > limit[id] {
					t.Errorf("stream %d sent %d of %d, %d are left for all", id, got[id], limit[id], window)
				}
				if d.StreamEnded() {
					if got[id] != size+5 {
						t.Errorf("got %d bytes", got[id])
					}
					p.ok(id)
					continue
				}
				if window == 0 || window < 2000 && n%2 == 0 {
					p.WriteWindowUpdate(0, 10_000)
					window += 10_000
				}
				if got[id] == limit[id] {
					limit[id] += 3000
					p.WriteWindowUpdate(id, 3000)
				}
			}
		})
		doAll(t, c, calls, size)
	})
}

// What a call leaves of the connection's window goes to those that wait for it, at once.
func TestWindowIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls, size = 5, 40_000
		c := client(t, func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
			for got := 0; got < 65535; {
				got += len(p.next(http2.FrameData).(*http2.DataFrame).Data())
			}
			synctest.Wait()
			p.WriteWindowUpdate(0, calls*(size+5)-65535)
			p.serveAtOnce(calls - 1) // the first was in the first window
		})
		doAll(t, c, calls, size)
	})
}

// All that wait for a stream get one as soon as the server takes more.
func TestStreamsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 3 * grantsMax
		c := client(t, func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams})
			synctest.Wait()
			p.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: calls})
			p.serveAtOnce(calls)
		})
		doAll(t, c, calls, 1)
	})
}

// serveAtOnce answers all calls when it has n of them.
func (p *peer) serveAtOnce(n int) {
	var ids []uint32
	for range n {
		ids = append(ids, p.request())
	}
	for id := uint32(1); id <= ids[n-1]+100; id += 2 {
		p.ok(id)
	}
	p.drain()
}

// doAll makes calls at a time, none of which may need the time to pass: a PING would wake what nobody else did.
func doAll(t *testing.T, c *Client, calls, size int) {
	start := time.Now()
	errs := make(chan error, calls)
	for range calls {
		go func() { errs <- c.Do(t.Context(), newCall(make([]byte, size)...)) }()
	}
	for range calls {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > 0 {
		t.Errorf("it took %s", took)
	}
}

// What the server sends is given back to it, padding and what nobody reads any more, too.
func TestReceiveWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(p *peer) {
			p.greet()
			id := p.request()
			p.head(id)
			const frame = 256
			given := map[uint32]uint32{}
			read := make(chan struct{})
			go func() {
				defer close(read)
				for given[0] < connWindow/2 || given[id] < connWindow/4 {
					f, ok := p.next(http2.FrameWindowUpdate).(*http2.WindowUpdateFrame)
					if !ok {
						return
					}
					given[f.StreamID] += f.Increment
				}
			}()
			for range connWindow / 4 / frame {
				p.WriteDataPadded(id, false, nil, make([]byte, frame-1))
				p.WriteDataPadded(id+2, false, nil, make([]byte, frame-1))
			}
			<-read
			if given[0] != connWindow/2 || given[id] != connWindow/4 || len(given) != 2 {
				t.Errorf("got back %v", given)
			}
			p.message(id, 0, "fine")
			p.trailers(id)
			p.drain()
		})
		if got := ours(c); got != fine {
			t.Errorf("got %+v", got)
		}
	})
}

// Headers that come again are short, values that do not are kept out of the table, and a table that the server does not
// have is not used.
func TestHeaderTable(t *testing.T) {
	for _, size := range []uint32{4096, 0} {
		synctest.Test(t, func(t *testing.T) {
			var blocks []uint32
			c := client(t, func(p *peer) {
				p.ReadMetaHeaders.SetMaxDynamicTableSize(size)
				p.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(size)
				p.greet(http2.Setting{ID: http2.SettingHeaderTableSize, Val: size})
				for f := p.next(http2.FrameHeaders); f != nil; f = p.next(http2.FrameHeaders) {
					blocks = append(blocks, f.Header().Length)
					for _, field := range f.(*http2.MetaHeadersFrame).Fields {
						if field.Sensitive != (field.Name == "once") {
							t.Errorf("%s: never indexed is %v", field.Name, field.Sensitive)
						}
					}
					p.ok(f.Header().StreamID)
				}
			})
			for n := range 3 {
				call := newCall()
				call.Metadata = pairs("some", strings.Repeat("x", 100), "once", fmt.Sprint("once-", n), "once", fmt.Sprint("again-", n))
				if err := c.Do(t.Context(), call); err != nil {
					t.Error(err)
				}
			}
			c.Close()
			synctest.Wait()
			if short := blocks[1] < blocks[0]/2; short != (size > 0) || blocks[1] != blocks[2] {
				t.Errorf("blocks of %d bytes", blocks)
			}
		})
	}
}

// A change of SETTINGS_INITIAL_WINDOW_SIZE moves the windows of open streams, below zero, too (RFC 9113, section 6.9.2).
func TestWindowSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(p *peer) {
			p.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
			got := 0
			read := func() bool {
				f, ok := p.next(http2.FrameData).(*http2.DataFrame)
				got += len(f.Data())
				return ok && f.StreamEnded()
			}
			for got < 1000 {
				read()
			}
			p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 500}) // -500
			p.WriteWindowUpdate(1, 499)                                                  // -1
			synctest.Wait()
			p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 9}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 502})
			if read(); got != 1001 { // the window was 1
				t.Errorf("got %d bytes", got)
			}
			p.WriteWindowUpdate(1, 10_000)
			for !read() {
			}
			p.ok(1)
			p.drain()
		})
		doAll(t, c, 1, 3000)
	})
}

// A server that answers early need not read the rest of the request, which is taken back.
func TestEarlyAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset := make(chan http2.ErrCode, 1)
		c := client(t, func(p *peer) {
			p.greet()
			p.ok(p.next(http2.FrameHeaders).Header().StreamID)
			reset <- p.next(http2.FrameRSTStream).(*http2.RSTStreamFrame).ErrCode
			p.drain()
		})
		call := newCall(make([]byte, 1<<20)...)
		if err := c.Do(t.Context(), call); err != nil || string(call.Reply.ReadOnlyData()) != "fine" {
			t.Errorf("got %v", err)
		}
		if code := <-reset; code != http2.ErrCodeNo {
			t.Errorf("the stream was reset with %s", code)
		}
	})
}

// A server that lets nothing through, or asks and does not read the answers, is given up.
func TestStuckServer(t *testing.T) {
	for name, c := range map[string]struct {
		serve  func(*peer)
		within time.Duration
	}{
		"DoesNotRead": {func(p *peer) { p.WriteWindowUpdate(0, 1<<30) }, writeTimeout},
		"PingFlood": {func(p *peer) {
			for p.WritePing(false, [8]byte{}) == nil {
			}
		}, 0},
		"SettingsFlood": {func(p *peer) {
			for p.WriteSettings() == nil {
			}
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := client(t, func(p *peer) {
					p.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
					c.serve(p)
					<-p.gone
				})
				start := time.Now()
				err := client.Do(t.Context(), newCall(make([]byte, 1<<20)...))
				if took := time.Since(start); status.Code(err) != codes.Unavailable || took > c.within {
					t.Errorf("got %v after %s", err, took)
				}
			})
		})
	}
}

// A connection whose server has fallen silent while there are calls is found out, and one that answers is left alone.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(p *peer) { p.greet(); p.drain() })
		start := time.Now()
		err := c.Do(t.Context(), newCall())
		if took := time.Since(start); status.Code(err) != codes.Unavailable || took > 2*pingAfter+pingTimeout {
			t.Errorf("got %v after %s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var pings []time.Time
		c := client(t, func(p *peer) {
			p.greet()
			id := p.request()
			for f := p.next(http2.FramePing); f != nil; f = p.next(http2.FramePing) {
				pings = append(pings, time.Now())
				p.WritePing(true, f.(*http2.PingFrame).Data)
				if len(pings) == 5 {
					p.ok(id)
				}
			}
		})
		if err := c.Do(t.Context(), newCall()); err != nil {
			t.Error(err)
		}
		for i := 1; i < len(pings); i++ {
			if between := pings[i].Sub(pings[i-1]); between < 5*time.Minute {
				t.Errorf("pings after %s, which servers take for an attack", between)
			}
		}
		if len(pings) != 5 {
			t.Errorf("%d pings", len(pings))
		}
	})
}

// While the server is down, the first call waits for a try and the others fail at once; a server that is back is found
// within a second.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		var tries atomic.Int32
		dial := dialer(func(p *peer) { p.greet(); p.serveOK() })
		c := clientOf(t, func(ctx context.Context) (net.Conn, error) {
			if tries.Add(1); up.Load() {
				return dial(ctx)
			}
			time.Sleep(100 * time.Millisecond)
			return nil, errors.New("nobody is there")
		})
		for i, want := range []time.Duration{100 * time.Millisecond, 0, 0} {
			start := time.Now()
			if err := c.Do(t.Context(), newCall()); status.Code(err) != codes.Unavailable || time.Since(start) != want {
				t.Errorf("call %d: %v after %s", i, err, time.Since(start))
			}
		}
		time.Sleep(time.Minute)
		if n := tries.Load(); n < 30 || n > 100 {
			t.Errorf("%d tries in a minute", n)
		}
		up.Store(true)
		time.Sleep(retryLast + 100*time.Millisecond) // a try may be under way
		if got := ours(c); got != fine {
			t.Errorf("got %+v", got)
		}
		c.Close()
		if got := ours(c); got != failed(codes.Canceled) {
			t.Errorf("after Close: got %+v", got)
		}
	})
}

// A server that accepts and says nothing is not waited for.
func TestNoGreeting(t *testing.T) {
	for name, serve := range map[string]func(*peer){
		"Silence":   func(p *peer) { p.drain() },
		"HTTP1":     func(p *peer) { p.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); p.drain() },
		"Ping":      func(p *peer) { p.WritePing(false, [8]byte{}); p.drain() },
		"Ack":       func(p *peer) { p.WriteSettingsAck(); p.drain() },
		"Goes":      func(*peer) {},
		"BadValues": func(p *peer) { p.greet(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1}); p.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(t, serve)
				start := time.Now()
				err := c.Do(t.Context(), newCall())
				if took := time.Since(start); status.Code(err) != codes.Unavailable || took > connectTimeout {
					t.Errorf("got %v after %s", err, took)
				}
			})
		})
	}
}

// A server may end its connections while calls wait for a stream: they go to the next, and not on for ever.
func TestGoAwayWhileWaiting(t *testing.T) {
	for most, want := range map[int]outcome{3: fine, 100: failed(codes.Unavailable)} {
		synctest.Test(t, func(t *testing.T) {
			conns := 0
			c := client(t, func(p *peer) {
				if conns++; p.number > most {
					p.greet()
					p.serveOK()
					return
				}
				p.greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams})
				time.Sleep(time.Second) // of the bubble, when nothing else is to be done
				p.WriteGoAway(0, http2.ErrCodeNo, nil)
				p.drain()
			})
			if got := ours(c); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if limit := min(most+1, triesMax); conns != limit {
				t.Errorf("%d connections, not %d", conns, limit)
			}
		})
	}
}

// Close ends also the calls of connections that take no more.
func TestCloseWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, func(p *peer) {
			p.greet()
			if id := p.request(); p.number == 1 {
				p.WriteGoAway(id, http2.ErrCodeNo, nil)
			} else {
				p.ok(id)
			}
			p.drain()
		})
		err := make(chan error)
		go func() { err <- c.Do(t.Context(), newCall()) }()
		synctest.Wait()
		if got := ours(c); got != fine {
			t.Errorf("got %+v", got)
		}
		c.Close()
		if got := <-err; status.Code(got) != codes.Canceled {
			t.Errorf("got %v", got)
		}
	})
}

// A connection that takes no more calls is closed with its last.
func TestGoAwayCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		c := client(t, func(p *peer) {
			p.greet()
			id := p.request()
			p.WriteGoAway(id, http2.ErrCodeNo, nil)
			p.ok(id)
			<-p.gone
			close(closed)
		})
		if got := ours(c); got != fine {
			t.Errorf("got %+v", got)
		}
		<-closed
	})
}

// When the last stream id is used up, the next call takes a new connection.
func TestLastStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := 0
		c := client(t, func(p *peer) { conns++; p.greet(); p.serveOK() })
		for range 4 {
			if got := ours(c); got != fine {
				t.Errorf("got %+v", got)
			}
			c.mu.Lock()
			if conn := c.conn; conn != nil {
				conn.mu.Lock()
				if conn.nextID == 3 {
					conn.nextID = streamIDMax - 2
				}
				conn.mu.Unlock()
			}
			c.mu.Unlock()
		}
		synctest.Wait()
		if len(c.conns) != 1 || conns != 2 {
			t.Errorf("%d connections, %d are left", conns, len(c.conns))
		}
	})
}
