package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// streamWindow and connWindow are how much the server may send ahead of what was read. All that comes is taken into
	// memory at once, bounded by Config.MessageBytesMax, so they only have to be large enough for the way there and back.
	streamWindow, connWindow = 1 << 20, 16 << 20
	// frameBytesMax is what RFC 9113 lets everybody send, and what we ask of servers.
	frameBytesMax = 16 << 10
	// headerBytesMax bounds a header block, as it is and as it is compressed.
	headerBytesMax = 1 << 20
	// writeBytesMax is how much may wait to be written before calls wait with more.
	writeBytesMax = 256 << 10
	// controlBytesMax is when a server that asks for answers and does not read them is given up.
	controlBytesMax = 4 << 20
	// writeTimeout is how long the server may let nothing through.
	writeTimeout = 20 * time.Second
	// pingEvery is how long a connection with calls may be silent before the server is asked for a sign of life, and
	// pingTimeout how long that may take. Servers of grpc-go take more than one ping in five minutes for an attack.
	pingEvery, pingTimeout = 6 * time.Minute, 20 * time.Second
	// streamIDMax is the last one (RFC 9113, section 5.1.1).
	streamIDMax = 1<<31 - 1
)

// errUntouched ends a call that the server has not looked at.
var errUntouched = errors.New("the call was not looked at")

// conn is one connection. What belongs to the goroutine that reads is in reading.
type conn struct {
	client  *Client
	raw     net.Conn
	refuses atomic.Bool // takes no more calls
	reading reading

	mu      sync.Mutex // guards all below
	err     error      // why the connection is over
	streams map[uint32]*Call
	nextID  uint32
	most    uint32 // streams that the server takes at a time
	window  int64  // how much may be sent
	first   int64  // the window of a new stream
	frame   int    // the largest frame that the server takes

	out     []byte // what waits to be written
	spare   []byte // room for the next out
	writing bool   // somebody writes
	waking  bool   // somebody will
	until   time.Time
	changed chan struct{} // closed when something changed for which calls wait; nil if none does

	block  bytes.Buffer // of the request that is being encoded
	hpack  *hpack.Encoder
	ping   *time.Timer
	silent bool // since the last look
}

func newConn(c *Client, raw net.Conn) *conn {
	n := &conn{
		client: c, raw: raw, streams: map[uint32]*Call{}, nextID: 1,
		most: 1<<32 - 1, window: 65535, first: 65535, frame: frameBytesMax, // what holds until the server says otherwise
	}
	n.hpack = hpack.NewEncoder(&n.block)
	n.reading.init(n, bufio.NewReaderSize(raw, 2*frameBytesMax))
	return n
}

// greet sends the preface and our settings, and reads the server's.
func (c *conn) greet() error {
	var b bytes.Buffer
	f := http2.NewFramer(&b, nil)
	b.WriteString(http2.ClientPreface)
	_ = f.WriteSettings( // a buffer never fails
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: headerBytesMax},
	)
	_ = f.WriteWindowUpdate(0, connWindow-65535)
	if _, err := c.raw.Write(b.Bytes()); err != nil {
		return err
	}
	if err := c.reading.settingsFirst(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ping = time.AfterFunc(pingEvery, c.look)
	return nil
}

// do makes a call on this connection.
func (c *conn) do(ctx context.Context, call *Call) error {
	s := &call.stream
	s.begin(c.client.cfg.MessageBytesMax)
	defer s.end()
	c.mu.Lock()
	for c.err == nil && !c.refuses.Load() && uint32(len(c.streams)) >= c.most {
		if err := c.wait(ctx, s); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	if c.err != nil || c.refuses.Load() {
		c.mu.Unlock()
		return errUntouched
	}
	if err := c.start(ctx, call); err != nil {
		c.mu.Unlock()
		return err
	}
	err := c.send(ctx, call)
	c.mu.Unlock()
	if err == nil {
		select {
		case <-s.done:
			return s.result(call)
		case <-ctx.Done():
			err = status.FromContextError(ctx.Err()).Err()
		}
	}
	return c.abandon(call, err)
}

// start gives the call a stream and puts its headers into the buffer. The caller holds mu.
func (c *conn) start(ctx context.Context, call *Call) error {
	c.block.Reset()
	if err := c.encode(ctx, call); err != nil {
		return err
	}
	s := &call.stream
	s.id, s.window = c.nextID, c.first
	c.streams[s.id] = call
	if c.nextID += 2; c.nextID > streamIDMax {
		c.refuses.Store(true)
	}
	block, kind, flags := c.block.Bytes(), http2.FrameHeaders, http2.Flags(0)
	for {
		n := min(len(block), c.frame)
		if n == len(block) {
			flags |= http2.FlagHeadersEndHeaders
		}
		c.out = append(appendFrame(c.out, n, kind, flags, s.id), block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return nil
		}
		kind = http2.FrameContinuation
	}
}

// send writes what start has put into the buffer, and the request, as fast as the server takes it. The caller holds mu. It
// returns nil also when the call has ended before.
func (c *conn) send(ctx context.Context, call *Call) error {
	s := &call.stream
	size := call.Request.Len()
	prefix := [5]byte{1: byte(size >> 24), 2: byte(size >> 16), 3: byte(size >> 8), 4: byte(size)}
	left := outgoing{prefix: prefix[:], rest: call.Request, size: len(prefix) + size}
	for {
		for left.size > 0 && len(c.out) < writeBytesMax {
			n := min(int64(left.size), int64(c.frame), c.window, s.window)
			if n <= 0 {
				break
			}
			flags := http2.Flags(0)
			if int(n) == left.size {
				flags = http2.FlagDataEndStream
				s.sent = true
			}
			c.out = left.appendTo(appendFrame(c.out, int(n), http2.FrameData, flags, s.id), int(n))
			c.window -= n
			s.window -= n
		}
		c.flush(true)
		if left.size == 0 || s.over || c.err != nil {
			return nil
		}
		if len(c.out) >= writeBytesMax || c.window <= 0 || s.window <= 0 {
			if err := c.wait(ctx, s); err != nil {
				return err
			}
			if s.over {
				return nil
			}
		}
	}
}

// flush writes the buffer, unless somebody else does, who then writes this too. patient lets other calls that are ready
// add their frames first: a write costs more than all else in a call. The caller holds mu, which is free meanwhile.
func (c *conn) flush(patient bool) {
	if c.writing {
		return
	}
	c.writing = true
	for len(c.out) > 0 && c.err == nil {
		if patient && len(c.streams) > 1 && len(c.out) < frameBytesMax {
			c.mu.Unlock()
			runtime.Gosched()
			c.mu.Lock()
		}
		b := c.out
		c.out = c.spare[:0]
		if now := time.Now(); c.until.Sub(now) < writeTimeout/2 {
			c.until = now.Add(writeTimeout)
			_ = c.raw.SetWriteDeadline(c.until) // the write fails if this does
		}
		c.mu.Unlock()
		_, err := c.raw.Write(b)
		c.mu.Lock()
		c.spare = b
		c.notify()
		if err != nil {
			c.fail(status.Error(codes.Unavailable, "writing to the server: "+err.Error()))
		}
	}
	c.writing = false
}

// answer writes what the goroutine that reads has put into the buffer. That one must not wait for a write: the server may
// wait for us to read before it reads. The caller holds mu.
func (c *conn) answer() {
	switch {
	case len(c.out) > controlBytesMax:
		c.fail(status.Error(codes.Unavailable, "the server does not read"))
	case !c.writing && !c.waking:
		c.waking = true
		go func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.waking = false
			c.flush(false)
		}()
	}
}

// wait waits until something changed, or ctx or the call has ended. The caller holds mu, which is free meanwhile.
func (c *conn) wait(ctx context.Context, s *stream) error {
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

// notify wakes who waits. The caller holds mu.
func (c *conn) notify() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// abandon ends a call on our side, unless it has ended.
func (c *conn) abandon(call *Call, err error) error {
	c.mu.Lock()
	s := &call.stream
	if s.over {
		c.mu.Unlock()
		<-s.done
		return s.result(call)
	}
	c.forget(s)
	c.reset(s.id, http2.ErrCodeCancel)
	c.flush(false)
	c.mu.Unlock()
	return err
}

// finish ends a call: err says why if there is no status. The caller holds mu.
func (c *conn) finish(call *Call, err error) {
	s := &call.stream
	s.err = err
	if c.forget(s); !s.sent && c.err == nil {
		c.reset(s.id, http2.ErrCodeNo) // whatever is left of the request, the server has answered without
		c.answer()
	}
	s.done <- struct{}{}
}

// forget takes the call's stream off the connection. The caller holds mu.
func (c *conn) forget(s *stream) {
	s.over = true
	delete(c.streams, s.id)
	c.notify()
	if len(c.streams) == 0 && c.refuses.Load() {
		c.fail(status.Error(codes.Unavailable, "the connection has ended"))
	}
}

func (c *conn) reset(id uint32, code http2.ErrCode) {
	c.out = appendFrame(c.out, 4, http2.FrameRSTStream, 0, id)
	c.out = append(c.out, byte(code>>24), byte(code>>16), byte(code>>8), byte(code))
}

// look asks a server that has been silent for a sign of life, and gives it up if there is none.
func (c *conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	if !c.silent || len(c.streams) == 0 {
		c.silent = true
		c.ping.Reset(pingEvery)
		return
	}
	c.out = append(appendFrame(c.out, 8, http2.FramePing, 0, 0), make([]byte, 8)...)
	c.answer()
	c.ping = time.AfterFunc(pingTimeout, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.silent {
			c.fail(status.Error(codes.Unavailable, "the server does not answer"))
			return
		}
		c.ping = time.AfterFunc(pingEvery, c.look)
	})
}

// close ends the connection and its calls.
func (c *conn) close(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(err)
}

// fail ends the connection and its calls, once. The caller holds mu.
func (c *conn) fail(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.refuses.Store(true)
	if c.ping != nil {
		c.ping.Stop()
	}
	go func() { _ = c.raw.Close() }() // the reader ends with it; TLS may take a while to say goodbye
	for _, call := range c.streams {
		c.finish(call, err)
	}
	c.notify()
}

// appendFrame appends the head of a frame (RFC 9113, section 4.1).
func appendFrame(b []byte, size int, kind http2.FrameType, flags http2.Flags, id uint32) []byte {
	return append(b, byte(size>>16), byte(size>>8), byte(size), byte(kind), byte(flags), byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}
