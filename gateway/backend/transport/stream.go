package transport

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2/hpack"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// stream is a call's part of its connection. It is guarded by the connection's mutex until done is written to, and belongs
// to the caller afterwards.
type stream struct {
	id     uint32
	window int64         // how much of the request may be sent
	sent   bool          // the whole request
	over   bool          // the connection does not know the stream any more
	unread int           // bytes that the server was not yet given back
	wake   chan struct{} // has room for one; made when the call first waits to be sent
	done   chan struct{} // has room for one
	err    error         // why there is no status

	begun   bool   // headers have come
	zipped  string // the encoding of compressed messages
	max     int
	prefix  [5]byte
	had     int     // bytes of prefix
	left    int     // of the message, when the prefix is there
	message *[]byte // the message so far: a buffer of the pool, or small
	small   []byte
	packed  mem.Buffer // the reply, if it is compressed
	many    *replies   // nil if there is one reply
}

const (
	// pieceMax is the largest piece of memory that is set aside for what a server only announces.
	pieceMax = 1 << 20
	// smallMax is the longest message that is not worth a buffer of the pool, which would not take it back either.
	smallMax = 1 << 10
)

func (s *stream) begin(c *Client) {
	*s = stream{done: c.dones.Get().(chan struct{}), max: c.cfg.MessageBytesMax}
}

// end gives back what the stream holds. Its connection does not know it any more.
func (s *stream) end(c *Client) {
	s.drop(s.message)
	s.message = nil
	if s.packed != nil {
		s.packed.Free()
		s.packed = nil
	}
	select {
	case <-s.done:
	default:
	}
	c.dones.Put(s.done)
	s.done = nil
}

// wakeUp wakes a call that waits to be sent, or will not let it wait next time.
func (s *stream) wakeUp() {
	select {
	case s.wake <- struct{}{}:
	default: // also if it is nil
	}
}

// drop gives a message back.
func (s *stream) drop(message *[]byte) {
	if message != nil && message != &s.small {
		mem.DefaultBufferPool().Put(message)
	}
}

// result is what Do returns when the stream has ended. The reply is decompressed here, not by the goroutine that reads: it
// may take a while.
func (s *stream) result(call *Call) error {
	if s.err == nil && s.packed != nil {
		var plain []byte
		if plain, s.err = unzip(s.zipped, s.packed.ReadOnlyData(), s.max); s.err == nil {
			call.Reply = mem.SliceBuffer(plain)
		}
	}
	if s.err != nil {
		call.Status = nil
	}
	return s.err
}

// headers takes a header block, and reports whether the call is over: with call.Status set, or the error that it returns.
func (s *stream) headers(call *Call, fields []hpack.HeaderField, last bool) (ended bool, err error) {
	first := !s.begun
	if !first && !last {
		return true, status.Error(codes.Internal, "headers came in the middle of the stream")
	}
	b := block{code: codes.Unknown}
	for i := range fields {
		if err := b.take(&fields[i]); err != nil {
			return true, err
		}
	}
	if first {
		if len(b.status) == 3 && b.status[0] == '1' {
			return last, protocolFault(last, "an interim response ends the stream")
		}
		if !b.grpc {
			return true, notGRPC(b.status, b.contentType)
		}
		s.begun, s.zipped = true, b.encoding
	}
	if !last {
		call.Header = b.metadata
		if s.many != nil {
			if call.Header == nil {
				call.Header = metadata.MD{} // that they have come is news by itself: the first message may take long
			}
			s.many.wakeUp()
		}
		return false, nil
	}
	if s.had > 0 {
		return true, status.Error(codes.Internal, "the server ended the stream within a message")
	}
	call.Trailer, call.Status = b.metadata, b.final()
	return true, nil
}

func protocolFault(is bool, what string) error {
	if !is {
		return nil
	}
	return status.Error(codes.Internal, what)
}

// notGRPC is the failure that an answer which is not gRPC stands for (gRPC's "HTTP to gRPC Status Code Mapping").
func notGRPC(httpStatus, contentType string) error {
	code := codes.Unknown
	n, err := strconv.Atoi(httpStatus)
	switch n {
	case http.StatusBadRequest:
		code = codes.Internal
	case http.StatusUnauthorized:
		code = codes.Unauthenticated
	case http.StatusForbidden:
		code = codes.PermissionDenied
	case http.StatusNotFound:
		code = codes.Unimplemented
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		code = codes.Unavailable
	}
	if err != nil {
		code = codes.Internal
	}
	return status.Errorf(code, "not gRPC: HTTP status %q, content type %q", httpStatus, contentType)
}

// data takes a piece of the reply.
func (s *stream) data(call *Call, piece []byte) error {
	if !s.begun {
		return status.Error(codes.Internal, "data came before headers")
	}
	for len(piece) > 0 {
		if s.had < len(s.prefix) {
			n := copy(s.prefix[s.had:], piece)
			s.had += n
			piece = piece[n:]
			if s.had == len(s.prefix) {
				if err := s.announced(call); err != nil {
					return err
				}
			}
			continue
		}
		n := min(s.left, len(piece))
		s.append(piece[:n])
		piece = piece[n:]
		if s.left -= n; s.left == 0 {
			s.complete(call)
		}
	}
	return nil
}

// announced begins a message whose length is known.
func (s *stream) announced(call *Call) error {
	size := uint64(s.prefix[1])<<24 | uint64(s.prefix[2])<<16 | uint64(s.prefix[3])<<8 | uint64(s.prefix[4])
	if s.prefix[0] > 1 {
		return status.Errorf(codes.Internal, "a message has the flags %#x", s.prefix[0])
	}
	if size > uint64(s.max) {
		return status.Errorf(codes.ResourceExhausted, "a message of %d bytes is larger than %d", size, s.max)
	}
	s.left = int(size)
	if s.left <= smallMax {
		s.small = make([]byte, 0, s.left)
		s.message = &s.small
	} else {
		s.message = mem.DefaultBufferPool().Get(min(s.left, pieceMax))
		*s.message = (*s.message)[:0]
	}
	if s.left == 0 {
		s.complete(call)
	}
	return nil
}

// append adds to the message, whose buffer grows as far as the message comes.
func (s *stream) append(piece []byte) {
	if have := *s.message; len(have)+len(piece) > cap(have) {
		grown := make([]byte, len(have), min(2*cap(have)+len(piece), len(have)+s.left))
		copy(grown, have)
		s.drop(s.message)
		s.message = &grown
	}
	*s.message = append(*s.message, piece...)
}

// complete makes the message the call's reply, if it is the first.
func (s *stream) complete(call *Call) {
	message := s.message
	s.message, s.had = nil, 0
	if s.many == nil {
		if call.Replies++; call.Replies > 1 {
			s.drop(message)
			return
		}
	}
	whole := mem.Buffer(mem.SliceBuffer(s.small))
	if message != &s.small {
		whole = mem.NewBuffer(message, mem.DefaultBufferPool())
	}
	switch packed := s.prefix[0] == 1; {
	case s.many != nil:
		s.many.waiting = append(s.many.waiting, reply{whole, packed})
		s.many.wakeUp()
	case packed:
		s.packed = whole
	default:
		call.Reply = whole
	}
}

// unzip decompresses a message by one of grpc-go's compressors, to at most max bytes.
func unzip(name string, message []byte, max int) ([]byte, error) {
	compressor := encoding.GetCompressor(name)
	if compressor == nil || name == encoding.Identity {
		return nil, status.Errorf(codes.Internal, "a message is compressed by %q, which nobody asked for", name)
	}
	r, err := compressor.Decompress(bytes.NewReader(message))
	if err == nil {
		message, err = io.ReadAll(io.LimitReader(r, int64(max)+1))
	}
	switch {
	case err != nil:
		return nil, status.Errorf(codes.Internal, "a message cannot be decompressed: %v", err)
	case len(message) > max:
		return nil, status.Errorf(codes.ResourceExhausted, "a message is larger than %d bytes when decompressed", max)
	}
	return message, nil
}

// block is what a header block says.
type block struct {
	status, contentType, encoding string
	grpc                          bool // the content type is gRPC's
	code                          codes.Code
	message                       string
	details                       []byte
	metadata                      metadata.MD
}

func (b *block) take(f *hpack.HeaderField) error {
	switch f.Name {
	case ":status":
		b.status = f.Value
	case "content-type":
		rest, ok := strings.CutPrefix(f.Value, "application/grpc")
		b.contentType, b.grpc = f.Value, ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
	case "grpc-encoding":
		b.encoding = f.Value
	case "grpc-status":
		code, err := strconv.ParseInt(f.Value, 10, 32)
		if err != nil {
			return status.Errorf(codes.Unknown, "grpc-status is %q", f.Value)
		}
		b.code = codes.Code(uint32(code))
	case "grpc-message":
		b.message = unescape(f.Value)
	case "grpc-status-details-bin":
		b.details, _ = decodeBinary(f.Value) // what cannot be read has no details
	default:
		if strings.HasPrefix(f.Name, "grpc-") || strings.HasPrefix(f.Name, ":") || hopByHop[f.Name] {
			return nil
		}
		if !validName(f.Name) || !httpguts.ValidHeaderFieldValue(f.Value) {
			return status.Errorf(codes.Internal, "the header %q is malformed", f.Name)
		}
		value := f.Value
		if strings.HasSuffix(f.Name, "-bin") {
			raw, err := decodeBinary(value)
			if err != nil {
				return status.Errorf(codes.Internal, "the header %s is malformed: %v", f.Name, err)
			}
			value = string(raw)
		}
		if b.metadata == nil {
			b.metadata = metadata.MD{}
		}
		b.metadata[f.Name] = append(b.metadata[f.Name], value)
	}
	return nil
}

// validName reports whether a name is one in HTTP/2 (RFC 9113, section 8.2.1).
func validName(name string) bool {
	return httpguts.ValidHeaderFieldName(name) && strings.IndexFunc(name, unicode.IsUpper) < 0
}

// hopByHop are names that are the protocol's, not metadata.
var hopByHop = map[string]bool{"te": true, "user-agent": true, "connection": true, "keep-alive": true, "transfer-encoding": true, "upgrade": true}

var okStatus = status.New(codes.OK, "")

// final is the status of a block that ends a call. grpc-status decides: details that say otherwise are a server's error.
func (b *block) final() *status.Status {
	if b.code == codes.OK && b.message == "" {
		return okStatus
	}
	plain := &spb.Status{Code: int32(b.code), Message: b.message}
	if b.details == nil {
		return status.FromProto(plain)
	}
	detailed := &spb.Status{}
	switch err := proto.Unmarshal(b.details, detailed); {
	case err != nil:
		return status.FromProto(plain)
	case detailed.GetCode() != plain.GetCode():
		return status.New(codes.Internal, fmt.Sprintf("grpc-status-details-bin says %d, grpc-status %d", detailed.GetCode(), plain.GetCode()))
	}
	return status.FromProto(detailed)
}

// decodeBinary decodes base64 with or without padding.
func decodeBinary(v string) ([]byte, error) {
	if len(v)%4 == 0 {
		return base64.StdEncoding.DecodeString(v) // padded, or nothing to pad
	}
	return base64.RawStdEncoding.DecodeString(v)
}

// unescape undoes the percent-encoding of grpc-message. What is no escape stands for itself.
func unescape(v string) string {
	if !strings.Contains(v, "%") {
		return v
	}
	var b strings.Builder
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if n, err := strconv.ParseUint(v[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(v[i])
	}
	return b.String()
}
