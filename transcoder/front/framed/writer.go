package framed

import (
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
