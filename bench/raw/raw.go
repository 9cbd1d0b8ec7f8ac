// Package raw lets gRPC carry messages as the bytes that they are: the backend, the floor and the check of the answers
// neither encode nor decode.
package raw

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// Codec is a grpc encoding.CodecV2 for messages that are []byte, or *[]byte where one is received. It calls itself
// "proto", as its bytes are. It is safe for concurrent use.
type Codec struct{}

// Marshal passes the bytes on; the caller must not change them until they are sent.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("raw: cannot send a %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(message)}, nil
}

// Unmarshal copies the bytes out of the transport's buffers.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("raw: cannot receive into a %T", v)
	}
	*message = data.Materialize()
	return nil
}

// Name is the content-subtype.
func (Codec) Name() string { return "proto" }
