package transport

import (
	"context"
	"io"
	"sync/atomic"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// replies are the messages of a call whose server sends any number of them. What waits is bounded by the stream's window,
// which is given back as messages are taken, and by one message, which is let in whole. Next takes all that waits at once,
// so a call whose taker is slow holds up to twice that. Each message costs some 48 bytes beside its own: a window full of
// empty ones is 10 MiB of memory, one of messages of 180 bytes 1.3 MiB.
type replies struct {
	conn    *conn
	ready   chan struct{} // has room for one: headers, a message or the end have come
	waiting []reply       // guarded by the connection's mutex
	stop    func() bool   // ends the watch over the context
	givenUp atomic.Bool   // on our side: what is left is not wanted

	// What follows belongs to whoever calls Next.
	taken []reply
	next  int   // in taken
	err   error // what the end is, for Next to say from now on
}

// reply is a message as it came.
type reply struct {
	message mem.Buffer
	packed  bool
}

// Start makes a call whose replies are taken by Next, and waits until its headers have come, or its end. It fails like Do
// if there are none. The call ends with ctx, if the server does not end it before: whoever started it ends ctx when no more
// replies are wanted. The call borrows Request until Start returns.
func (c *Client) Start(ctx context.Context, call *Call) error {
	r := &replies{ready: make(chan struct{}, 1)}
	call.replies = r
	r.err = c.carry(ctx, func(conn *conn) error { return conn.open(ctx, call) })
	return r.err
}

// open sends the request of a call and waits for the first answer.
func (c *conn) open(ctx context.Context, call *Call) error {
	s, r := &call.stream, call.replies
	*s = stream{many: r, max: c.client.cfg.MessageBytesMax}
	r.conn = c
	if err := c.begin(ctx, call); err != nil {
		c.giveUp(s, err)
		return err
	}
	r.stop = context.AfterFunc(ctx, func() { c.giveUp(s, status.FromContextError(ctx.Err()).Err()) })
	for {
		c.mu.Lock()
		begun, over, err := s.begun, s.over, s.err
		c.mu.Unlock()
		switch {
		case begun: // Next says how it has ended, if it has
			return nil
		case over && !r.stop():
			return status.FromContextError(ctx.Err()).Err() // not to be tried again while giveUp may be running
		case over:
			return err
		}
		<-r.ready // which the end of ctx writes to, too
	}
}

// giveUp ends a call on our side, unless it has ended.
func (c *conn) giveUp(s *stream, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.over || s.id == 0 {
		return
	}
	c.tellNumber(http2.FrameRSTStream, s.id, uint32(http2.ErrCodeCancel))
	s.err = err
	c.forget(s)
	s.letGo()
	s.many.givenUp.Store(true)
	s.many.wakeUp()
}

// letGo gives back what has come and was not taken. The caller holds the connection's mutex.
func (s *stream) letGo() {
	s.drop(s.message)
	s.message = nil
	free(s.many.waiting)
	s.many.waiting = nil
}

func free(replies []reply) {
	for _, r := range replies {
		r.message.Free()
	}
}

// Next returns the next reply, which the caller owns. io.EOF is the end that Status speaks of, any other error one made
// here, and either is said again if Next is called again. It is called by one goroutine at a time.
func (call *Call) Next() (mem.Buffer, error) {
	r, s := call.replies, &call.stream
	for r.err == nil && (r.next == len(r.taken) || r.givenUp.Load()) {
		r.take(s)
	}
	if r.err != nil {
		return nil, r.err
	}
	m := r.taken[r.next]
	r.taken[r.next] = reply{}
	r.next++
	if !m.packed {
		return m.message, nil
	}
	return call.unpack(m.message)
}

// unpack returns what a message is without its compression, and frees it.
func (call *Call) unpack(message mem.Buffer) (mem.Buffer, error) {
	r, s := call.replies, &call.stream
	plain, err := unzip(s.zipped, message.ReadOnlyData(), s.max)
	message.Free()
	if err != nil {
		r.conn.giveUp(s, err)
		r.end(s, err)
		return nil, err
	}
	return mem.SliceBuffer(plain), nil
}

// take takes all that is waiting, or waits, or sees that there will be nothing.
func (r *replies) take(s *stream) {
	c := r.conn
	c.mu.Lock()
	if len(r.waiting) > 0 {
		r.taken, r.waiting, r.next = r.waiting, r.taken[:0], 0
		if !s.over && s.unread >= streamWindow/4 {
			c.tellNumber(http2.FrameWindowUpdate, s.id, uint32(s.unread))
			s.unread = 0
		}
		c.mu.Unlock()
		return
	}
	over, err := s.over, s.err
	c.mu.Unlock()
	switch {
	case !over:
		<-r.ready
	case err != nil:
		r.end(s, err)
	default:
		r.end(s, io.EOF)
	}
}

// end is for when the connection does not know the stream any more.
func (r *replies) end(s *stream, err error) {
	r.stop()
	r.err = err
	free(r.taken[r.next:])
	r.taken, r.next = nil, 0
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	s.letGo()
}

// wakeUp wakes the one that waits for something to come.
func (r *replies) wakeUp() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}
