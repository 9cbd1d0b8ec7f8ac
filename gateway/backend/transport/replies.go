package transport

import (
	"context"
	"io"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// replies are the messages of a call whose server sends any number of them. What nobody has taken yet is bounded by the
// stream's window: it is given back as messages are taken.
type replies struct {
	conn    *conn
	ready   chan struct{} // has room for one: headers, a message or the end have come
	waiting []reply       // guarded by the connection's mutex
	taken   []reply       // belongs to whoever calls Next
	next    int           // in taken
	stop    func() bool   // ends the watch over the context
}

// reply is a message as it came.
type reply struct {
	message mem.Buffer
	packed  bool
}

// Start makes a call whose replies are taken by Next, and waits until its headers have come, or its end. It fails like Do.
// The call ends with ctx, if the server does not end it before: whoever started it ends ctx when no more replies are
// wanted. The call borrows Request until Start returns.
func (c *Client) Start(ctx context.Context, call *Call) error {
	call.replies = &replies{ready: make(chan struct{}, 1)}
	return c.carry(ctx, func(conn *conn) error { return conn.open(ctx, call) })
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
		if begun || over {
			if err != nil && !r.stop() {
				return status.FromContextError(ctx.Err()).Err() // not to be tried again while giveUp may be running
			}
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
	s.many.wakeUp()
}

// Next returns the next reply, which the caller owns. io.EOF is the end that Status speaks of, any other error one made
// here. It is called by one goroutine at a time.
func (call *Call) Next() (mem.Buffer, error) {
	r, s := call.replies, &call.stream
	for r.next == len(r.taken) {
		ended, err := r.take(s)
		if ended {
			r.stop()
			return nil, err
		}
	}
	m := r.taken[r.next]
	r.taken[r.next] = reply{}
	r.next++
	if !m.packed {
		return m.message, nil
	}
	plain, err := unzip(s.zipped, m.message.ReadOnlyData(), s.max)
	m.message.Free()
	if err != nil {
		r.conn.giveUp(s, err)
		return nil, err
	}
	return mem.SliceBuffer(plain), nil
}

// take takes all that is waiting, and waits if there is nothing.
func (r *replies) take(s *stream) (ended bool, err error) {
	c := r.conn
	c.mu.Lock()
	if len(r.waiting) > 0 {
		r.taken, r.waiting, r.next = r.waiting, r.taken[:0], 0
		if !s.over && s.unread >= streamWindow/4 {
			c.tellNumber(http2.FrameWindowUpdate, s.id, uint32(s.unread))
			s.unread = 0
		}
		c.mu.Unlock()
		return false, nil
	}
	over, err := s.over, s.err
	c.mu.Unlock()
	switch {
	case !over:
		<-r.ready
		return false, nil
	case err == nil:
		err = io.EOF
	}
	return true, err
}

// wakeUp wakes the one that waits for something to come.
func (r *replies) wakeUp() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}
