package transport

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// reading is the way back of a connection. It belongs to the goroutine that reads, but for what is taken under conn.mu.
type reading struct {
	conn  *conn
	r     *bufio.Reader
	hpack *hpack.Decoder

	fields  []hpack.HeaderField // of the block that is being decoded
	bytes   int                 // of fields, as RFC 9113 counts them
	tooMany bool

	block     []byte // a header block that comes in several frames
	pieces    int    // its bytes, with the heads of its frames
	continues uint32 // the stream whose block goes on, 0 if none
	ends      bool   // that stream ends with the block

	last   uint32 // the last stream that the server looks at, once it said so
	unread int    // bytes of all streams that the server was not yet given back
}

func (r *reading) init(c *conn, from *bufio.Reader) {
	r.conn, r.r, r.last = c, from, streamIDMax
	r.hpack = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if r.bytes += int(f.Size()); r.bytes > headerBytesMax {
			r.tooMany = true
			return
		}
		r.fields = append(r.fields, f)
	})
	r.hpack.SetMaxStringLength(headerBytesMax)
}

// errProtocol is a server that does not keep to HTTP/2.
type errProtocol string

func (e errProtocol) Error() string { return "the server broke HTTP/2: " + string(e) }

// settingsFirst reads the server's settings, with which everything begins (RFC 9113, section 3.4).
func (r *reading) settingsFirst() error {
	h, payload, err := r.frame()
	if err != nil {
		return err
	}
	if h.Type != http2.FrameSettings || h.Flags.Has(http2.FlagSettingsAck) {
		return errProtocol("its first frame is not SETTINGS")
	}
	return r.take(h, payload)
}

// read reads frames until the connection is over.
func (c *conn) read() {
	defer c.client.gone(c)
	r := &c.reading
	for {
		h, payload, err := r.frame()
		if err == nil {
			err = r.take(h, payload)
		}
		if err != nil {
			c.close(status.Error(codes.Unavailable, "reading from the server: "+err.Error()))
			return
		}
	}
}

// frame returns the next frame. Its payload is valid until the next call.
func (r *reading) frame() (h http2.FrameHeader, payload []byte, err error) {
	head, err := r.r.Peek(frameHeadBytes)
	if err != nil {
		return h, nil, err
	}
	h.Length = uint32(head[0])<<16 | uint32(head[1])<<8 | uint32(head[2])
	h.Type, h.Flags = http2.FrameType(head[3]), http2.Flags(head[4])
	h.StreamID = binary.BigEndian.Uint32(head[5:]) & streamIDMax
	if h.Length > frameBytesMax {
		return h, nil, errProtocol("a frame is too large")
	}
	_, _ = r.r.Discard(frameHeadBytes) // it is there
	payload, err = r.r.Peek(int(h.Length))
	if err == nil {
		_, _ = r.r.Discard(int(h.Length)) // the buffer keeps it until the next Peek
	} else if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return h, payload, err
}

// take acts on a frame. An error ends the connection.
func (r *reading) take(h http2.FrameHeader, payload []byte) (err error) {
	c := r.conn
	if r.continues != 0 && (h.Type != http2.FrameContinuation || h.StreamID != r.continues) {
		return errProtocol("a header block was interrupted")
	}
	if h.Flags.Has(http2.FlagDataPadded) && (h.Type == http2.FrameData || h.Type == http2.FrameHeaders) {
		if len(payload) == 0 || int(payload[0]) >= len(payload) {
			return errProtocol("a frame is all padding")
		}
		payload = payload[1 : len(payload)-int(payload[0])]
	}
	if h.Type == http2.FrameHeaders {
		if h.Flags.Has(http2.FlagHeadersPriority) {
			if len(payload) < 5 {
				return errProtocol("HEADERS is too short")
			}
			payload = payload[5:]
		}
		r.continues, r.ends, r.block, r.pieces = h.StreamID, h.Flags.Has(http2.FlagHeadersEndStream), r.block[:0], 0
		if h.StreamID == 0 {
			return errProtocol("HEADERS without a stream")
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard, c.talked = true, c.talked || h.Type != http2.FramePing
	switch h.Type {
	case http2.FrameData:
		return r.data(h, payload)
	case http2.FrameHeaders, http2.FrameContinuation:
		return r.headers(h, payload)
	case http2.FrameRSTStream:
		if len(payload) != 4 || h.StreamID == 0 {
			return errProtocol("RST_STREAM is malformed")
		}
		r.rst(c.streams[h.StreamID], http2.ErrCode(binary.BigEndian.Uint32(payload)))
	case http2.FrameSettings:
		return r.settings(h, payload)
	case http2.FramePing:
		if len(payload) != 8 {
			return errProtocol("PING is malformed")
		}
		if !h.Flags.Has(http2.FlagPingAck) {
			c.tell(http2.FramePing, http2.FlagPingAck, 0, payload...)
		}
	case http2.FrameGoAway:
		return r.goAway(payload)
	case http2.FrameWindowUpdate:
		return r.windowUpdate(h, payload)
	case http2.FramePushPromise:
		return errProtocol("PUSH_PROMISE")
	}
	return nil // PRIORITY and unknown frames say nothing to us
}

// data takes a piece of a reply. h.Length counts the padding, too: it is what the windows are about.
func (r *reading) data(h http2.FrameHeader, payload []byte) error {
	if h.StreamID == 0 {
		return errProtocol("DATA without a stream")
	}
	c := r.conn
	if r.unread += int(h.Length); r.unread >= connWindow/4 {
		c.tellNumber(http2.FrameWindowUpdate, 0, uint32(r.unread))
		r.unread = 0
	}
	call := c.streams[h.StreamID]
	if call == nil {
		return nil // what was on its way when the call ended
	}
	s := &call.stream
	if s.unread += int(h.Length); s.unread > streamWindow {
		c.cut(call, http2.ErrCodeFlowControl, status.Error(codes.Internal, "the server sent more than it may"))
		return nil
	}
	if err := s.data(call, payload); err != nil {
		c.cut(call, http2.ErrCodeCancel, err)
		return nil
	}
	if h.Flags.Has(http2.FlagDataEndStream) {
		r.ended(call, status.Error(codes.Internal, "the server ended the stream without trailers"))
		return nil
	}
	// While replies wait to be taken, there is no room for more; a message that is not whole yet is let in.
	if s.unread >= streamWindow/4 && (s.many == nil || len(s.many.waiting) == 0) {
		c.tellNumber(http2.FrameWindowUpdate, s.id, uint32(s.unread))
		s.unread = 0
	}
	return nil
}

// ended ends a call whose stream the server has ended. What is left of the request, it has answered without.
func (r *reading) ended(call *Call, err error) {
	if call.stream.sent {
		r.conn.finish(call, err)
	} else {
		r.conn.cut(call, http2.ErrCodeNo, err)
	}
}

// headers takes a part of a header block, and acts on the whole when it is there.
func (r *reading) headers(h http2.FrameHeader, payload []byte) error {
	if r.continues == 0 {
		return errProtocol("CONTINUATION without HEADERS")
	}
	if r.pieces += frameHeadBytes + len(payload); r.pieces > headerBytesMax {
		return errProtocol("a header block is too large")
	}
	whole := payload
	if len(r.block) > 0 || !h.Flags.Has(http2.FlagHeadersEndHeaders) {
		r.block = append(r.block, payload...)
		whole = r.block
	}
	if !h.Flags.Has(http2.FlagHeadersEndHeaders) {
		return nil
	}
	r.continues, r.fields, r.bytes, r.tooMany = 0, r.fields[:0], 0, false
	if _, err := r.hpack.Write(whole); err != nil {
		return err
	}
	if err := r.hpack.Close(); err != nil {
		return err
	}
	c := r.conn
	call := c.streams[h.StreamID]
	if call == nil {
		return nil
	}
	s := &call.stream
	if r.tooMany {
		c.cut(call, http2.ErrCodeCancel, status.Error(codes.Internal, "the server's headers are too large"))
		return nil
	}
	switch over, err := s.headers(call, r.fields, r.ends); {
	case r.ends:
		r.ended(call, err)
	case over:
		c.cut(call, http2.ErrCodeCancel, err)
	}
	return nil
}

// rst ends a call that the server has reset. A stream that it refused was not looked at.
func (r *reading) rst(call *Call, code http2.ErrCode) {
	switch {
	case call == nil:
	case code == http2.ErrCodeRefusedStream && !call.stream.begun:
		r.conn.finish(call, errUntouched)
	default:
		r.conn.finish(call, status.Error(codeOf(code), "the server reset the stream: "+code.String()))
	}
}

// codeOf is what a reset stream means (gRPC's PROTOCOL-HTTP2, "Errors").
func codeOf(code http2.ErrCode) codes.Code {
	switch code {
	case http2.ErrCodeCancel:
		return codes.Canceled
	case http2.ErrCodeEnhanceYourCalm:
		return codes.ResourceExhausted
	case http2.ErrCodeInadequateSecurity:
		return codes.PermissionDenied
	case http2.ErrCodeRefusedStream:
		return codes.Unavailable
	}
	if code > http2.ErrCodeHTTP11Required {
		return codes.Unknown
	}
	return codes.Internal
}

func (r *reading) settings(h http2.FrameHeader, payload []byte) error {
	if h.StreamID != 0 || len(payload)%6 != 0 || h.Flags.Has(http2.FlagSettingsAck) && len(payload) > 0 {
		return errProtocol("SETTINGS is malformed")
	}
	if h.Flags.Has(http2.FlagSettingsAck) {
		return nil
	}
	c := r.conn
	first := c.first
	for ; len(payload) > 0; payload = payload[6:] {
		value := binary.BigEndian.Uint32(payload[2:])
		switch http2.SettingID(binary.BigEndian.Uint16(payload)) {
		case http2.SettingHeaderTableSize:
			c.hpack.SetMaxDynamicTableSizeLimit(min(value, 64<<10))
		case http2.SettingMaxConcurrentStreams:
			c.most = value
		case http2.SettingMaxHeaderListSize:
			c.listMax = value
		case http2.SettingMaxFrameSize:
			if value < 16<<10 || value > 1<<24-1 {
				return errProtocol("SETTINGS_MAX_FRAME_SIZE is out of range")
			}
			c.frame = int(min(value, 64<<10)) // larger ones would only keep others waiting
		case http2.SettingInitialWindowSize:
			if value > streamIDMax {
				return errProtocol("SETTINGS_INITIAL_WINDOW_SIZE is out of range")
			}
			first = int64(value)
		}
	}
	if change := first - c.first; change != 0 { // once, however often a frame says it
		c.first = first
		for _, call := range c.streams {
			s := &call.stream
			if s.window += change; s.window > streamIDMax {
				return errProtocol("SETTINGS_INITIAL_WINDOW_SIZE makes a window too large")
			}
			s.wakeUp()
		}
	}
	c.tell(http2.FrameSettings, http2.FlagSettingsAck, 0)
	c.admit()
	return nil
}

// goAway ends the calls that the server will not look at, and lets the others end.
func (r *reading) goAway(payload []byte) error {
	if len(payload) < 8 {
		return errProtocol("GOAWAY is malformed")
	}
	c := r.conn
	r.last = min(r.last, binary.BigEndian.Uint32(payload)&streamIDMax)
	c.refuses.Store(true)
	for id, call := range c.streams {
		switch {
		case id <= r.last:
		case call.stream.begun:
			c.finish(call, status.Error(codes.Unavailable, "the server answers a call that it says it did not look at"))
		default:
			c.finish(call, errUntouched)
		}
	}
	if c.admit(); len(c.streams) == 0 {
		return fmt.Errorf("GOAWAY: %s", http2.ErrCode(binary.BigEndian.Uint32(payload[4:])))
	}
	return nil
}

func (r *reading) windowUpdate(h http2.FrameHeader, payload []byte) error {
	if len(payload) != 4 {
		return errProtocol("WINDOW_UPDATE is malformed")
	}
	c := r.conn
	n := int64(binary.BigEndian.Uint32(payload) & streamIDMax)
	if h.StreamID == 0 {
		if c.window += n; n == 0 || c.window > streamIDMax {
			return errProtocol("WINDOW_UPDATE is out of range")
		}
		c.pass()
		return nil
	}
	call := c.streams[h.StreamID]
	if call == nil {
		return nil
	}
	s := &call.stream
	if s.window += n; n == 0 || s.window > streamIDMax {
		c.cut(call, http2.ErrCodeFlowControl, status.Error(codes.Internal, "the server's WINDOW_UPDATE is out of range"))
	}
	s.wakeUp()
	return nil
}
