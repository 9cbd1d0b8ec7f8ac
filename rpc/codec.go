package rpc

import (
	"fmt"

	"google.golang.org/grpc/mem"
)

// Codec is grpc-go's encoding.CodecV2 for frames: it passes encoded bytes through. Use it with
// grpc.ForceServerCodecV2 and grpc.ForceCodecV2; it is never registered. It is safe for concurrent use.
type Codec struct{}

// Name returns "proto": on the wire a frame is an ordinary protobuf message.
func (Codec) Name() string { return "proto" }

// Marshal returns the frame's buffers with a reference of their own, so the sender still owns the frame.
func (Codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*Frame)
	if !ok {
		return nil, fmt.Errorf("rpc.Codec sends *rpc.Frame, not %T", v)
	}
	f.wire.Ref()
	return f.wire, nil
}

// Unmarshal fills the frame v with a reference to data.
func (Codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*Frame)
	if !ok {
		return fmt.Errorf("rpc.Codec receives into *rpc.Frame, not %T", v)
	}
	f.fill(data)
	return nil
}
