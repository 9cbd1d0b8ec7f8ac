package front

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// roomMax bounds the memory that is set aside for what a client only announces.
const roomMax = 64 << 10

// ReadBody reads to the end, into the buffer. size is the expected size, negative if unknown. The limit holds for the body as it is sent and
// once more for what it expands to, so neither a bomb nor endless empty gzip members get far. What is sent is here before
// it is decoded: a decoder of zstd takes the memory that ten bytes ask for, and must not hold it while a client is slow.
func ReadBody(source io.Reader, coding compress.Coding, size, limit int, into *Buffer) ([]byte, error) {
	if coding == compress.Identity {
		return readPlain(source, coding, size, limit, into)
	}
	sent := TakeBuffer()
	defer sent.Free()
	text, err := readPlain(source, compress.Identity, size, limit, sent)
	if err != nil || len(text) == 0 {
		return nil, err // nothing is nothing, whatever its coding
	}
	decoder := coding.Reader(bytes.NewReader(text))
	defer decoder.Close()
	return readPlain(decoder, coding, 2*len(text), limit, into)
}

// readPlain reads what a decoder of the coding gives, or a body that has none.
func readPlain(source io.Reader, coding compress.Coding, size, limit int, into *Buffer) ([]byte, error) {
	buf := bytes.NewBuffer(slices.Grow(into.Bytes[:0], max(min(size, limit, roomMax), 0)+bytes.MinRead))
	defer func() { into.Bytes = buf.Bytes() }()
	if _, err := buf.ReadFrom(io.LimitReader(source, int64(limit)+1)); err != nil {
		return nil, Unreadable(err, coding)
	}
	if buf.Len() > limit {
		return nil, TooLarge(limit)
	}
	return buf.Bytes(), nil
}

// Unreadable says why the body did not arrive, or could not be decoded. By HTTP/2 a client that leaves resets the stream, or
// ends the connection.
func Unreadable(err error, coding compress.Coding) error {
	switch {
	case errors.Is(err, context.Canceled), errors.As(err, new(http2.StreamError)), err.Error() == clientDisconnected, coding == compress.Identity && errors.Is(err, io.ErrUnexpectedEOF):
		return rpc.Errorf(codes.Canceled, "BODY_INCOMPLETE", "the connection ended before the body did").Because(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return rpc.Errorf(codes.DeadlineExceeded, "BODY_TOO_SLOW", "the body did not arrive in time").Because(err)
	case coding != compress.Identity:
		return rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "the body is not valid %s", coding).Because(err)
	}
	return rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "the body could not be read; check its framing").Because(err)
}

// clientDisconnected is what net/http's HTTP/2 server says when a connection ends within a body. It has no name there.
const clientDisconnected = "client disconnected"

// Gone says that a client is not there any more to take what is sent.
func Gone(err error) error {
	return rpc.Errorf(codes.Canceled, "CLIENT_GONE", "the connection ended before the call did").Because(err)
}

// TooLarge refuses a body by its size.
func TooLarge(limit int) error {
	return rpc.Errorf(codes.ResourceExhausted, "BODY_TOO_LARGE",
		"the body is larger than %d bytes, counted after decompression; send less at a time", limit)
}

// NoJSON refuses an empty text where a protocol says that it is JSON.
func NoJSON() error {
	return rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "nothing is no JSON; send {} for an empty message")
}
