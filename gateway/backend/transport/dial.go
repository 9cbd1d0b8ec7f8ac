package transport

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	// connectTimeout is how long a server may take until it has said that it speaks HTTP/2. Longer, and one whose packets
	// get lost would not be found again as soon as it is back.
	connectTimeout = 3 * time.Second
	// retryFirst and retryLast are the shortest and the longest time between two attempts: a server that comes back is
	// found within a second.
	retryFirst, retryLast = 50 * time.Millisecond, time.Second
)

// attempt is a connection in the making.
type attempt struct {
	done chan struct{} // closed when one of the others is set
	conn *conn
	err  error
}

// connection returns one that takes calls, and makes it if there is none.
func (c *Client) connection(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return nil, errClosed
	case c.conn != nil && !c.conn.refuses.Load():
		defer c.mu.Unlock()
		return c.conn, nil
	case c.failure != nil:
		defer c.mu.Unlock()
		return nil, c.failure
	}
	a := c.dialing
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		c.conn, c.dialing = nil, a
		// The connection outlives the call that is the first to want it, and must not look into that call's context later.
		dialCtx, stop := context.WithCancel(context.Background())
		c.stop = stop
		go c.connect(dialCtx, a)
	}
	c.mu.Unlock()
	select {
	case <-a.done:
		return a.conn, a.err
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// connect tries until it has a connection or the client is closed.
func (c *Client) connect(ctx context.Context, a *attempt) {
	for wait := retryFirst; ; wait = min(wait*2, retryLast) {
		conn, err := c.open(ctx)
		if c.tried(a, conn, err) {
			return
		}
		select {
		case <-time.After(wait - rand.N(wait/4)):
		case <-ctx.Done():
		}
	}
}

// tried takes note of how a try ended, and reports whether it was the last. Whoever waits for the attempt hears how the
// first ended.
func (c *Client) tried(a *attempt, conn *conn, err error) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		if conn != nil {
			conn.close(errClosed)
		}
		conn, err = nil, errClosed
	}
	if conn != nil {
		c.conn, c.conns[conn] = conn, true
		go conn.read()
	}
	if c.dialing == a {
		a.conn, a.err = conn, err
		close(a.done)
		c.dialing = nil
	}
	c.failure = err
	if last = err == nil || c.closed; last {
		c.stop()
		c.stop = nil
	}
	return last
}

// gone forgets a connection that is over.
func (c *Client) gone(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, conn)
	if c.conn == conn {
		c.conn = nil
	}
}

// open dials, and waits for the server's settings, its first frame.
func (c *Client) open(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := c.cfg.Dial(ctx)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	conn := newConn(c, raw)
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) }) // a connection that is broken can take none
	err = conn.greet()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		err = status.Error(codes.Unavailable, "the server does not speak HTTP/2: "+err.Error())
		conn.close(err)
		return nil, err
	}
	return conn, nil
}
