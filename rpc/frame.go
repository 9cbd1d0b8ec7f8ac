package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Frame is one message as it passes through the gateway: encoded protobuf, decoded only for those who ask.
//
// A frame has one owner, who frees it once. Whoever receives a frame owns it; sending only borrows it; to keep its
// bytes longer, copy them; to change a message, make a new frame. A frame is not safe for concurrent use.
//
// Frame is a proto.Message, so that interceptors put around a call see the decoded view; they must not change it.
type Frame struct {
	typ  *Type
	wire mem.BufferSlice
	flat mem.Buffer
	view proto.Message
	err  error
}

// NewFrame returns an empty frame for a message of type t, to be filled by RecvMsg.
func NewFrame(t *Type) *Frame { return &Frame{typ: t} }

// FrameOf returns a frame around wire, which it takes over: the caller must not change it afterwards.
func FrameOf(t *Type, wire []byte) *Frame {
	return &Frame{typ: t, wire: mem.BufferSlice{mem.SliceBuffer(wire)}}
}

// FrameOfMessage returns a frame whose view is m, encoded now. It borrows m until it is freed.
func FrameOfMessage(t *Type, m proto.Message) (*Frame, error) {
	wire, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	f := FrameOf(t, wire)
	f.view = m
	return f, nil
}

// Type returns the message type.
func (f *Frame) Type() *Type { return f.typ }

// Len returns the number of encoded bytes.
func (f *Frame) Len() int { return f.wire.Len() }

// Bytes returns the encoded message as one slice, valid until Free. The caller must not change it.
func (f *Frame) Bytes() []byte {
	if f.flat == nil {
		switch len(f.wire) {
		case 0:
			return nil
		case 1:
			return f.wire[0].ReadOnlyData()
		}
		f.flat = f.wire.MaterializeToBuffer(mem.DefaultBufferPool())
	}
	return f.flat.ReadOnlyData()
}

// Message returns the decoded message, read-only, valid until Free. It decodes on the first call. Bytes that are not
// a message of the frame's type are INVALID_ARGUMENT.
func (f *Frame) Message() (proto.Message, error) {
	if f.view == nil && f.err == nil {
		m, err := f.typ.Decode(f.Bytes())
		if err != nil {
			f.err = Errorf(codes.InvalidArgument, "MALFORMED_MESSAGE",
				"the message is not a valid encoding of %s; encode it with the same .proto that the gateway serves", f.typ).
				Because(err)
			return nil, f.err
		}
		f.view = m
	}
	return f.view, f.err
}

// ProtoReflect returns the decoded view. It cannot return an error: whoever hands a frame to code that calls it has
// called Message first; otherwise malformed bytes show as an empty message.
func (f *Frame) ProtoReflect() protoreflect.Message {
	m, err := f.Message()
	if err != nil {
		return dynamicpb.NewMessageType(f.typ.Descriptor).Zero()
	}
	return m.ProtoReflect()
}

// Free gives the buffers back. The frame is empty afterwards and can be filled again; freeing it twice does nothing.
func (f *Frame) Free() {
	f.wire.Free()
	if f.flat != nil {
		f.flat.Free()
	}
	*f = Frame{typ: f.typ}
}

// fill makes the frame hold data, of which it takes its own reference.
func (f *Frame) fill(data mem.BufferSlice) {
	f.Free()
	data.Ref()
	f.wire = append(f.wire, data...)
}

// Hold makes f hold wire, of which it takes over the caller's reference.
func (f *Frame) Hold(wire mem.Buffer) {
	f.Free()
	f.wire = append(f.wire, wire)
}

// Take makes f hold the message of other, which is empty afterwards.
func (f *Frame) Take(other *Frame) {
	f.Free()
	typ := f.typ
	*f = *other
	f.typ = typ
	*other = Frame{typ: other.typ}
}
