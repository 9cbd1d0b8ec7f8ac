package framed

import (
	"encoding/binary"

	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// compressed returns data by a coding; the caller frees it, and keeps data.
func compressed(data mem.BufferSlice, coding compress.Coding) (mem.BufferSlice, error) {
	var out mem.BufferSlice
	z := coding.Writer(mem.NewWriter(&out, mem.DefaultBufferPool()))
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
	z.Free()
	return out, nil
}

// Frame returns one frame, for a response that has no other.
func Frame(flag byte, data []byte) []byte {
	out := make([]byte, prefixLen, prefixLen+len(data))
	out[0] = flag
	binary.BigEndian.PutUint32(out[1:], uint32(len(data)))
	return append(out, data...)
}
