package transport

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
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
	// listUnlimited is how large a request's headers may be until the server says something else.
	listUnlimited = 1<<32 - 1
	// writeBytesMax is how much may wait to be written before calls wait with more.
	writeBytesMax = 256 << 10
	// controlBytesMax is when a server that asks for answers and does not read them is given up.
	controlBytesMax = 1 << 20
	// writeTimeout is how long the server may let nothing through.
	writeTimeout = 20 * time.Second
	// A connection with calls that was silent for pingAfter to twice that is asked for a sign of life, which may take
	// pingTimeout. If nothing else comes, it is not asked again for pingEvery: servers take more than two pings within five
	// minutes for an attack, but for those that follow an answer of theirs.
	pingAfter, pingTimeout, pingEvery = 30 * time.Second, 20 * time.Second, 6 * time.Minute
	// grantsMax is how many calls are let in at a time when there is room again: each puts its headers into the buffer.
	grantsMax = 64
	// streamIDMax is the last one (RFC 9113, section 5.1.1).
	streamIDMax = 1<<31 - 1
)

var (
	// errUntouched ends a call that the server has not looked at.
	errUntouched = errors.New("the call was not looked at")
	// errUnsent ends a call of which the server knows nothing.
	errUnsent = errors.New("the call was not sent")
)

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
	listMax uint32 // of a request's headers

	entering []*stream // calls that wait for a stream, first come first served
	granted  int       // calls that were told to go on with one, and have not done so yet
	senders  []*stream // calls that wait for window or for room in out, in turns

	out     []byte // what waits to be written
	spare   []byte // room for the next out
	control int    // bytes in out that calls did not ask for
	writing bool   // a goroutine writes
	until   time.Time

	block bytes.Buffer // of the request that is being encoded
	hpack *hpack.Encoder
	list  uint64 // bytes of its headers
	ping  *time.Timer

	heard  bool // a frame came since the last look
	talked bool // one of an answer came since the last PING that we sent
	asking bool // that one is not answered yet
}

func newConn(c *Client, raw net.Conn) *conn {
	n := &conn{
		client: c, raw: raw, streams: map[uint32]*Call{}, nextID: 1,
		most: 1<<32 - 1, window: 65535, first: 65535, frame: frameBytesMax, listMax: listUnlimited, // what holds until the server says otherwise
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
	c.ping = time.AfterFunc(pingAfter, c.look)
	return nil
}

// do makes a call on this connection.
func (c *conn) do(ctx context.Context, call *Call) error {
	s := &call.stream
	s.begin(c.client)
	defer s.end(c.client)
	err := c.begin(ctx, call)
	if err != nil && s.id == 0 {
		return err
	}
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

// begin sends a call's request. If it fails and the stream has an id, the server knows of the call.
func (c *conn) begin(ctx context.Context, call *Call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.enter(ctx, &call.stream)
	if err == nil {
		err = c.start(ctx, call)
	}
	c.admit() // others, if this call has left something for them
	if err != nil {
		return err
	}
	return c.send(ctx, call)
}

// enter waits until the server takes one more stream. The caller holds mu.
func (c *conn) enter(ctx context.Context, s *stream) error {
	if c.full() { // as long as anybody waits, it is
		c.entering = append(c.entering, s)
		err := c.wait(ctx, s)
		if i := slices.Index(c.entering, s); i >= 0 {
			c.entering = slices.Delete(c.entering, i, i+1)
			return err
		}
		if c.granted--; err != nil {
			return err
		}
	}
	if c.refuses.Load() {
		return errUnsent
	}
	return nil
}

func (c *conn) full() bool {
	return !c.refuses.Load() && (uint64(len(c.streams)+c.granted) >= uint64(c.most) || len(c.out) >= writeBytesMax || c.granted >= grantsMax)
}

// admit lets calls that wait for a stream have one, as far as there are some. The caller holds mu.
func (c *conn) admit() {
	for len(c.entering) > 0 && !c.full() {
		c.granted++
		c.entering = pop(c.entering)
	}
}

// start gives the call a stream and puts its headers into the buffer. The caller holds mu.
func (c *conn) start(ctx context.Context, call *Call) error {
	if err := c.encode(ctx, call); err != nil {
		return err
	}
	s := &call.stream
	s.id, s.window = c.nextID, c.first
	c.streams[s.id] = call
	if c.nextID += 2; c.nextID > streamIDMax {
		c.refuses.Store(true)
	}
	block, kind := c.block.Bytes(), http2.FrameHeaders
	for {
		n, flags := min(len(block), c.frame), http2.Flags(0)
		if n == len(block) {
			flags = http2.FlagHeadersEndHeaders
		}
		c.out = append(appendFrame(c.out, n, kind, flags, s.id), block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return nil
		}
		kind = http2.FrameContinuation
	}
}

// send puts the request into the buffer as fast as the server takes it. The caller holds mu. It returns nil also when the
// call has ended before.
func (c *conn) send(ctx context.Context, call *Call) error {
	s := &call.stream
	size := call.Request.Len()
	prefix := [5]byte{1: byte(size >> 24), 2: byte(size >> 16), 3: byte(size >> 8), 4: byte(size)}
	left := outgoing{prefix: prefix[:], rest: call.Request, size: len(prefix) + size}
	defer c.pass()
	for turn := len(c.senders) == 0; ; turn = true {
		for turn && left.size > 0 && len(c.out) < writeBytesMax {
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
		c.flush()
		if s.sent {
			return nil
		}
		if s.window > 0 { // it is for the connection that this call waits
			c.senders = append(c.senders, s)
		}
		c.pass()
		err := c.wait(ctx, s)
		if i := slices.Index(c.senders, s); i >= 0 { // it was not its turn that came
			c.senders = slices.Delete(c.senders, i, i+1)
		}
		if err != nil || s.over {
			return err
		}
	}
}

// pass lets the next call send that waits for its turn, if it can. Each that has had its turn does so, and whatever makes
// room. The caller holds mu.
func (c *conn) pass() {
	if len(c.senders) > 0 && c.window > 0 && len(c.out) < writeBytesMax {
		c.senders = pop(c.senders)
	}
}

// wait waits until the stream is woken or ctx ends. The caller holds mu, which is free meanwhile.
func (c *conn) wait(ctx context.Context, s *stream) error {
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-s.wake:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// flush has the buffer written. Neither a call nor the goroutine that reads does so itself: a write may wait for the
// server, which may wait for us to read, and a call ends when its context does. The caller holds mu.
func (c *conn) flush() {
	if !c.writing && len(c.out) > 0 && c.err == nil {
		c.writing = true
		go c.write()
	}
}

// write writes the buffer until it is empty.
func (c *conn) write() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > 0 && c.err == nil {
		if len(c.streams) > 1 && len(c.out) < frameBytesMax {
			// Let other calls that are ready add their frames: a write costs more than all else in a call.
			c.mu.Unlock()
			runtime.Gosched()
			c.mu.Lock()
		}
		b := c.out
		c.out, c.spare, c.control = c.spare[:0], nil, 0
		c.admit()
		c.pass()
		if now := time.Now(); c.until.Sub(now) < writeTimeout/2 {
			c.until = now.Add(writeTimeout)
			_ = c.raw.SetWriteDeadline(c.until) // the write fails if this does
		}
		c.mu.Unlock()
		_, err := c.raw.Write(b)
		c.mu.Lock()
		if cap(b) <= 2*writeBytesMax {
			c.spare = b
		}
		if err != nil {
			c.fail(status.Error(codes.Unavailable, "writing to the server: "+err.Error()))
		}
	}
	c.writing = false
}

// tell has a control frame written. The caller holds mu.
func (c *conn) tell(kind http2.FrameType, flags http2.Flags, id uint32, payload ...byte) {
	if c.err != nil {
		return
	}
	c.out = append(appendFrame(c.out, len(payload), kind, flags, id), payload...)
	if c.control += frameHeadBytes + len(payload); c.control > controlBytesMax {
		c.fail(status.Error(codes.Unavailable, "the server does not read"))
	}
	c.flush()
}

func (c *conn) tellNumber(kind http2.FrameType, id, n uint32) {
	c.tell(kind, 0, id, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
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
	c.tellNumber(http2.FrameRSTStream, s.id, uint32(http2.ErrCodeCancel))
	c.forget(s)
	c.mu.Unlock()
	return err
}

// cut ends a call on both sides. The caller holds mu.
func (c *conn) cut(call *Call, code http2.ErrCode, err error) {
	c.tellNumber(http2.FrameRSTStream, call.stream.id, uint32(code))
	c.finish(call, err)
}

// finish ends a call of which the server wants no more: err says why if there is no status. It does nothing if the call has
// ended. The caller holds mu.
func (c *conn) finish(call *Call, err error) {
	s := &call.stream
	if s.over {
		return
	}
	s.err = err
	c.forget(s)
	s.wakeUp()
	if s.many != nil {
		s.many.wakeUp()
		return
	}
	s.done <- struct{}{}
}

// forget takes the call's stream off the connection. The caller holds mu.
func (c *conn) forget(s *stream) {
	s.over = true
	delete(c.streams, s.id)
	if len(c.streams) == 0 && c.refuses.Load() {
		c.fail(status.Error(codes.Unavailable, "the connection has ended"))
	}
	c.admit()
}

// look asks a server that has been silent for a sign of life, and gives it up if there is none.
func (c *conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := pingAfter
	switch {
	case c.asking && !c.heard:
		c.fail(status.Error(codes.Unavailable, "the server does not answer"))
	case c.asking:
		if c.asking = false; !c.talked {
			next = pingEvery
		}
	case !c.heard && len(c.streams) > 0:
		c.tell(http2.FramePing, 0, 0, make([]byte, 8)...)
		c.asking, c.talked, next = true, false, pingTimeout
	}
	if c.heard = false; c.err == nil {
		c.ping.Reset(next)
	}
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
	c.admit() // those that wait go elsewhere
}

// pop wakes the first that waits, and takes it out.
func pop(waiting []*stream) []*stream {
	waiting[0].wakeUp()
	waiting[0] = nil
	return waiting[1:]
}

const frameHeadBytes = 9

// appendFrame appends the head of a frame (RFC 9113, section 4.1).
func appendFrame(b []byte, size int, kind http2.FrameType, flags http2.Flags, id uint32) []byte {
	return append(b, byte(size>>16), byte(size>>8), byte(size), byte(kind), byte(flags), byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}
