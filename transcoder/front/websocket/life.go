package websocket

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	readBufferBytes  = 512
	writeBufferBytes = 512 // a longer message is written in two parts
	// unseenBytesMax is how much of what was sent may stand in front of a ping: what a kernel buffers for one connection.
	unseenBytesMax = 4 << 20
	// closing is how long a client may take to answer a close frame.
	closing = 5 * time.Second
)

// ping ends the call of a client that gives no sign of life. A client whose message waits for the backend is left alone, and
// so is one that takes a reply: write gives it up. Something that comes in the meantime is a sign of life, too; the pong may
// stand behind a message. The ping itself may stand behind replies that are still under way.
func (s *stream) ping() {
	if seen := s.moved.Load(); s.quiet(seen) {
		owed := s.owed.Load()
		ctx, cancel := context.WithTimeout(context.Background(), s.env.WebSocket.PingTimeout+atRate(int(min(owed, unseenBytesMax))))
		err := s.conn.Ping(ctx)
		cancel()
		if err != nil && s.quiet(seen) {
			s.cancel(errGone)
			return
		}
		if err == nil {
			s.owed.Add(-owed)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.pings.Reset(s.env.WebSocket.PingInterval)
	}
}

// quiet reports whether the client is waited for, and nothing has moved since.
func (s *stream) quiet(seen uint64) bool {
	return s.reading.Load() && !s.writing.Load() && s.moved.Load() == seen
}

// hijacker keeps hold of the connection that a WebSocket runs on.
type hijacker struct {
	http.ResponseWriter
	wire net.Conn
}

// Hijack is for the handshake. Its buffers are small ones: a connection that stands idle holds them, and what is larger passes
// them by.
func (h *hijacker) Hijack() (conn net.Conn, brw *bufio.ReadWriter, err error) {
	h.wire, brw, err = http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	early := make([]byte, brw.Reader.Buffered())
	_, _ = io.ReadFull(brw, early) // it is there
	r := bufio.NewReaderSize(bytes.NewReader(early), max(readBufferBytes, len(early)))
	_, _ = r.Peek(len(early)) // the library takes what is buffered, and reads on from the connection
	return h.wire, bufio.NewReadWriter(r, bufio.NewWriterSize(h.wire, writeBufferBytes)), nil
}
