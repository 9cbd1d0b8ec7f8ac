package transport

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/test/bufconn"
)

// peer is the server's end of a connection, which does what a test says, frame by frame.
type peer struct {
	*http2.Framer
	conn   net.Conn
	number int             // of the connection, from 1
	gone   <-chan struct{} // closed when the client has closed its end

	block bytes.Buffer
	hpack *hpack.Encoder
}

// dialer returns a Config.Dial that has serve play the server of each connection, which ends with serve.
func dialer(serve func(*peer)) func(context.Context) (net.Conn, error) {
	var count atomic.Int32
	return func(ctx context.Context) (net.Conn, error) {
		l := bufconn.Listen(socketBytes)
		defer l.Close()
		gone := make(chan struct{})
		go func() {
			far, err := l.Accept()
			if err != nil {
				return
			}
			defer far.Close()
			p := &peer{Framer: http2.NewFramer(far, far), conn: far, number: int(count.Add(1)), gone: gone}
			p.AllowIllegalWrites = true
			p.hpack = hpack.NewEncoder(&p.block)
			p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			serve(p)
		}()
		near, err := l.DialContext(ctx)
		return &closing{Conn: near, close: sync.OnceFunc(func() { close(gone) })}, err
	}
}

// closing is a connection that tells when it is closed.
type closing struct {
	net.Conn
	close func()
}

func (c *closing) Close() error {
	c.close()
	return c.Conn.Close()
}

// client is a client of a server that serve plays.
func client(t testing.TB, serve func(*peer)) *Client {
	return clientOf(t, dialer(serve))
}

func clientOf(t testing.TB, dial func(context.Context) (net.Conn, error)) *Client {
	c := New(Config{Dial: dial, Scheme: "http", Authority: "test", UserAgent: "test", MessageBytesMax: messageBytesMax, Unindexed: []string{"once"}})
	t.Cleanup(c.Close)
	return c
}

const (
	messageBytesMax = 1 << 20
	// socketBytes is how much fits between the two ends when nobody reads.
	socketBytes = 4 << 10
)

func newCall(request ...byte) *Call {
	return &Call{Path: "/test.Service/Method", Metadata: pairs("name", "value", "once", "1", "some-bin", "\x00\xff"), Request: mem.BufferSlice{mem.SliceBuffer(request)}}
}

// greet reads the client's preface and sends settings.
func (p *peer) greet(settings ...http2.Setting) bool {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(p.conn, preface); err != nil || string(preface) != http2.ClientPreface {
		return false
	}
	return p.WriteSettings(settings...) == nil
}

// next reads up to a frame of this type, and returns nil if the connection ends before.
func (p *peer) next(kind http2.FrameType) http2.Frame {
	for {
		f, err := p.ReadFrame()
		if err != nil {
			return nil
		}
		if f.Header().Type == kind {
			return f
		}
	}
}

// request reads up to the end of a whole request, and returns its stream, 0 if the connection ends before.
func (p *peer) request() uint32 {
	for {
		f := p.next(http2.FrameData)
		if f == nil {
			return 0
		}
		if f.(*http2.DataFrame).StreamEnded() {
			return f.Header().StreamID
		}
	}
}

// drain reads until the client goes.
func (p *peer) drain() {
	for {
		if _, err := p.ReadFrame(); err != nil {
			return
		}
	}
}

// headers sends a header block: names and values in turn.
func (p *peer) headers(id uint32, last bool, kv ...string) {
	p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: last, EndHeaders: true, BlockFragment: p.encode(kv...)})
}

func (p *peer) encode(kv ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(kv); i += 2 {
		p.hpack.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	return p.block.Bytes()
}

// head sends the headers of a response.
func (p *peer) head(id uint32) {
	p.headers(id, false, ":status", "200", "content-type", "application/grpc")
}

// message sends a message in a frame of its own.
func (p *peer) message(id uint32, flag byte, message string) {
	n := len(message)
	p.WriteData(id, false, append([]byte{flag, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, message...))
}

// trailers ends a response.
func (p *peer) trailers(id uint32, kv ...string) {
	p.headers(id, true, append(kv, "grpc-status", "0")...)
}

// ok sends the whole of a response that says "fine".
func (p *peer) ok(id uint32) {
	p.head(id)
	p.message(id, 0, "fine")
	p.trailers(id)
}

// serveOK answers all calls from now on.
func (p *peer) serveOK() {
	for id := p.request(); id != 0; id = p.request() {
		p.ok(id)
	}
}
