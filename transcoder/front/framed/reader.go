package framed

import (
	"encoding/binary"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

const (
	prefixLen = 5
	// chunkBytesMin and chunkBytesMax bound the buffers in which a message is read. They grow with what has come, so a
	// client that announces a large message and sends nothing costs nothing.
	chunkBytesMin = 16 << 10
	chunkBytesMax = 1 << 20
)

// flagCompressed is the lowest bit of a message's flag. No other is set in what clients send.
const flagCompressed = 1

// reader reads messages: a flag, four bytes of length, the message (gRPC over HTTP/2, "Length-Prefixed-Message"; the
// Connect protocol, "Enveloped-Message").
type reader struct {
	body      io.Reader
	coding    compress.Coding
	bytesMax  int        // bounds a message before and after decompression
	malformed codes.Code // of what is cut off or badly compressed
	prefix    [prefixLen]byte
}

// next returns the next message, decompressed, which the caller frees; io.EOF after the last.
func (r *reader) next() (mem.BufferSlice, error) {
	if _, err := io.ReadFull(r.body, r.prefix[:]); err != nil {
		return nil, r.cut(err)
	}
	flag, size := r.prefix[0], binary.BigEndian.Uint32(r.prefix[1:])
	if flag > flagCompressed {
		return nil, rpc.Errorf(codes.Internal, "FRAMING", "a message begins with 0 or 1, not %d", flag)
	}
	if int64(size) > int64(r.bytesMax) {
		return nil, tooLarge(r.bytesMax)
	}
	if flag == flagCompressed && r.coding == compress.Identity {
		return nil, rpc.Errorf(codes.Internal, "FRAMING", "a message is marked as compressed, but no header names the compression")
	}
	data, err := readChunks(r.body, int(size))
	if err != nil || flag == 0 || size == 0 {
		return data, r.cut(err)
	}
	defer data.Free()
	return decompress(data, r.coding, r.bytesMax, r.malformed)
}

// cut names a body that ended within a message.
func (r *reader) cut(err error) error {
	if err == io.ErrUnexpectedEOF {
		return rpc.Errorf(r.malformed, "FRAMING", "the request ended within a message").Because(err)
	}
	return err
}

// decompress returns the message that data was made of by a coding, which the caller frees; data stays the caller's. It stops
// one byte after the limit, whatever the data would have become.
func decompress(data mem.BufferSlice, coding compress.Coding, bytesMax int, malformed codes.Code) (mem.BufferSlice, error) {
	source := data.Reader()
	defer source.Close()
	z := coding.Reader(source)
	defer z.Close()
	out, err := mem.ReadAll(io.LimitReader(z, int64(bytesMax)+1), mem.DefaultBufferPool())
	switch {
	case err != nil:
		out.Free()
		return nil, rpc.Errorf(malformed, "COMPRESSION", "a message is not valid %s", coding).Because(err)
	case out.Len() > bytesMax:
		out.Free()
		return nil, tooLarge(bytesMax)
	}
	return out, nil
}

func tooLarge(bytesMax int) error {
	return rpc.Errorf(codes.ResourceExhausted, "BODY_TOO_LARGE", "a message may have %d bytes, decompressed; this one has more", bytesMax)
}

// readChunks reads size bytes into buffers that the caller frees. A body that has fewer is io.ErrUnexpectedEOF.
func readChunks(body io.Reader, size int) (mem.BufferSlice, error) {
	pool := mem.DefaultBufferPool()
	var data mem.BufferSlice
	for chunk := chunkBytesMin; size > 0; chunk = min(4*chunk, chunkBytesMax) {
		buf := pool.Get(min(size, chunk))
		if _, err := io.ReadFull(body, *buf); err != nil {
			pool.Put(buf)
			data.Free()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		data = append(data, mem.NewBuffer(buf, pool))
		size -= len(*buf)
	}
	return data, nil
}
