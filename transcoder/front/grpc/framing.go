package grpc

import (
	"encoding/binary"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	prefixLen = 5
	// chunkBytesMin and chunkBytesMax bound the buffers in which a message is read. They grow with what has come, so a
	// client that announces a large message and sends nothing costs nothing.
	chunkBytesMin = 16 << 10
	chunkBytesMax = 1 << 20
)

// reader reads gRPC messages: a flag, four bytes of length, the message (gRPC over HTTP/2, "Length-Prefixed-Message").
// Its errors are those that grpc-go's server gives, except for their text.
type reader struct {
	body     io.Reader
	encoding string // grpc-encoding of the request, "" for none
	bytesMax int    // bounds a message before and after decompression
	prefix   [prefixLen]byte
}

// next returns the next message, decompressed, which the caller frees; io.EOF after the last.
func (r *reader) next() (mem.BufferSlice, error) {
	if _, err := io.ReadFull(r.body, r.prefix[:]); err != nil {
		return nil, cut(err)
	}
	flag, size := r.prefix[0], binary.BigEndian.Uint32(r.prefix[1:])
	if flag > 1 {
		return nil, rpc.Errorf(codes.Internal, "FRAMING", "a gRPC message begins with 0 or 1, not %d", flag)
	}
	if int64(size) > int64(r.bytesMax) {
		return nil, r.tooLarge()
	}
	if flag == 1 && (r.encoding == "" || r.encoding == encoding.Identity) {
		return nil, rpc.Errorf(codes.Internal, "FRAMING", "a message is marked as compressed, but grpc-encoding names no compression")
	}
	data, err := readChunks(r.body, int(size))
	if err != nil || flag == 0 || size == 0 {
		return data, err
	}
	defer data.Free()
	return r.decompress(data)
}

// decompress stops one byte after the limit, whatever the data would have become.
func (r *reader) decompress(data mem.BufferSlice) (mem.BufferSlice, error) {
	source := data.Reader()
	defer source.Close()
	z, err := encoding.GetCompressor(gzip.Name).Decompress(source)
	if err != nil {
		return nil, rpc.Errorf(codes.Internal, "COMPRESSION", "a message is not valid %s", r.encoding).Because(err)
	}
	if c, ok := z.(io.Closer); ok {
		defer c.Close()
	}
	out, err := mem.ReadAll(io.LimitReader(z, int64(r.bytesMax)+1), mem.DefaultBufferPool())
	switch {
	case err != nil:
		out.Free()
		return nil, rpc.Errorf(codes.Internal, "COMPRESSION", "a message is not valid %s", r.encoding).Because(err)
	case out.Len() > r.bytesMax:
		out.Free()
		return nil, r.tooLarge()
	}
	return out, nil
}

func (r *reader) tooLarge() error {
	return rpc.Errorf(codes.ResourceExhausted, "BODY_TOO_LARGE", "a message may have %d bytes, decompressed; this one has more", r.bytesMax)
}

// readChunks reads size bytes into buffers that the caller frees.
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
			return nil, cut(err)
		}
		data = append(data, mem.NewBuffer(buf, pool))
		size -= len(*buf)
	}
	return data, nil
}

// cut names a body that ended within a message.
func cut(err error) error {
	if err == io.ErrUnexpectedEOF {
		return rpc.Errorf(codes.Internal, "FRAMING", "the request ended within a message").Because(err)
	}
	return err
}

// message returns a message with its prefix, compressed if asked for and not empty; the caller frees it.
func message(data mem.BufferSlice, compressed bool) (prefix [prefixLen]byte, payload mem.BufferSlice, err error) {
	payload = data
	if compressed && data.Len() > 0 {
		if payload, err = compress(data); err != nil {
			return prefix, nil, err
		}
		prefix[0] = 1
	} else {
		data.Ref()
	}
	binary.BigEndian.PutUint32(prefix[1:], uint32(payload.Len()))
	return prefix, payload, nil
}

func compress(data mem.BufferSlice) (mem.BufferSlice, error) {
	var out mem.BufferSlice
	z, err := encoding.GetCompressor(gzip.Name).Compress(mem.NewWriter(&out, mem.DefaultBufferPool()))
	if err != nil {
		return nil, err
	}
	for _, b := range data {
		if _, err := z.Write(b.ReadOnlyData()); err != nil {
			out.Free()
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		out.Free()
		return nil, err
	}
	return out, nil
}
