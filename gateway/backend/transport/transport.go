// Package transport carries gRPC calls with one request message over an HTTP/2 connection of its own. It does what
// grpc-go's client does for such calls, for less: frames of calls that are ready at the same time are written together, and
// a call with one reply sleeps once, until the goroutine that reads the connection has its whole answer.
//
// Read this file for what a call is, replies.go for one whose replies are taken one by one, dial.go for how a connection
// comes and goes, conn.go for the way out and read.go for the way back. What the frames are is RFC 9113; what they mean is gRPC's "PROTOCOL-HTTP2".
package transport

import (
	"context"
	"iter"
	"maps"
	"net"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Config is what New needs. All of it must be set but Unindexed.
type Config struct {
	// Dial opens a connection on which HTTP/2 can be spoken at once: TLS, if any, has agreed on it.
	Dial func(context.Context) (net.Conn, error)
	// Scheme is "http" or "https", Authority what the server is called.
	Scheme, Authority string
	UserAgent         string
	// MessageBytesMax bounds a reply, after decompression.
	MessageBytesMax int
	// Unindexed are names of metadata whose values differ from call to call: they are not kept in HPACK's table.
	Unindexed []string
}

// Client makes calls to one server. It connects when the first call comes, and again when a connection was lost. While
// the server cannot be reached, it tries again in the background, and calls fail at once. It is safe for concurrent use.
type Client struct {
	cfg       Config
	unindexed map[string]bool

	mu      sync.Mutex
	conn    *conn          // takes calls; nil if there is none
	dialing *attempt       // what calls wait for; nil if there is none
	failure error          // why the server cannot be reached: set while it is tried again
	conns   map[*conn]bool // all that are open: some take no more calls, and have some left
	closed  bool
	stop    context.CancelFunc // ends what tries to connect; nil if nothing does

	dones sync.Pool // of stream.done
}

// New returns a client. It does not connect yet.
func New(cfg Config) *Client {
	c := &Client{cfg: cfg, unindexed: map[string]bool{}, conns: map[*conn]bool{}}
	c.dones.New = func() any { return make(chan struct{}, 1) }
	for _, name := range cfg.Unindexed {
		c.unindexed[name] = true
	}
	return c
}

// Call is one call. It is used once.
type Call struct {
	// Path is "/pkg.Service/Method".
	Path string
	// Metadata is what is sent, names in lower case, valid as HTTP/2 headers; values of names that end in "-bin" are raw.
	Metadata iter.Seq2[string, string]
	// Request is the encoded message. The call borrows it.
	Request mem.BufferSlice

	// Status is what the server said in the end; nil if it did not, and Do returned an error.
	Status *status.Status
	// Header and Trailer are the metadata that came, without the protocol's own. After Start, Header is nil if none came.
	Header, Trailer metadata.MD
	// Replies counts the messages that came; Reply is the first. The caller owns it, whatever Do returned.
	Replies int
	Reply   mem.Buffer

	stream  stream
	replies *replies // if they are taken one by one; Replies and Reply are not set then
}

// Do makes the call and waits for its end, or that of ctx, whose deadline the server is told. The error is a status error
// made here: the server could not be reached, broke off, or did not speak gRPC; or ctx has ended.
//
// A call that the server has certainly not looked at is tried once more, and one that was not even sent a few times.
func (c *Client) Do(ctx context.Context, call *Call) error {
	return c.carry(ctx, func(conn *conn) error { return conn.do(ctx, call) })
}

// carry makes a call on a connection, and on others while none has looked at it.
func (c *Client) carry(ctx context.Context, do func(*conn) error) error {
	for tries := triesMax; ; tries-- {
		conn, err := c.connection(ctx)
		if err != nil {
			return err
		}
		switch err = do(conn); err {
		case errUnsent:
		case errUntouched:
			tries = min(tries, 2)
		default:
			return err
		}
		if tries == 1 {
			return status.Error(codes.Unavailable, "the server takes no calls on its connections")
		}
	}
}

// triesMax bounds how often a call is carried from a connection that ends to the next.
const triesMax = 5

var errClosed = status.Error(codes.Canceled, "the client was closed")

// Close ends all calls and connections.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	if c.stop != nil {
		c.stop()
	}
	conns := slices.Collect(maps.Keys(c.conns))
	c.mu.Unlock()
	for _, conn := range conns {
		conn.close(errClosed)
	}
}
