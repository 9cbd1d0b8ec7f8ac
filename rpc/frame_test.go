package rpc

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// counted is a buffer pool that counts what came back.
type counted struct{ returned int }

func (c *counted) Get(n int) *[]byte { b := make([]byte, n); return &b }
func (c *counted) Put(*[]byte)       { c.returned++ }

// split returns wire as buffers of the pool. They are large enough to be counted.
func split(p *counted, parts ...[]byte) mem.BufferSlice {
	var s mem.BufferSlice
	for _, part := range parts {
		s = append(s, mem.NewBuffer(&part, p))
	}
	return s
}

func bytesType() *Type {
	return NewType((&wrapperspb.BytesValue{}).ProtoReflect().Descriptor(), nil)
}

func encoded(t *testing.T, n int) []byte {
	t.Helper()
	wire, err := proto.Marshal(wrapperspb.Bytes(bytes.Repeat([]byte("x"), n)))
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func TestFrameBytes(t *testing.T) {
	wire := encoded(t, 5000)
	p := &counted{}
	f := NewFrame(bytesType())
	data := split(p, wire[:2000], wire[2000:])
	f.fill(data)
	data.Free() // whoever filled the frame lets go of its own reference
	if f.Len() != len(wire) || !bytes.Equal(f.Bytes(), wire) || !bytes.Equal(f.Bytes(), wire) {
		t.Error("the bytes are not what came in")
	}
	if p.returned != 0 {
		t.Error("a buffer went back while the frame was in use")
	}
	f.Free()
	f.Free()
	if p.returned != 2 {
		t.Errorf("%d buffers went back, want 2", p.returned)
	}
	if f.Len() != 0 || f.Bytes() != nil || f.Type() == nil {
		t.Error("a freed frame is empty and keeps its type")
	}
	f.fill(split(p, wire))
	if !bytes.Equal(f.Bytes(), wire) {
		t.Error("a freed frame cannot be filled again")
	}
}

// The sender of a filled frame keeps it while the transport has its own reference.
func TestFrameRefills(t *testing.T) {
	p := &counted{}
	f := NewFrame(bytesType())
	for range 3 {
		data := split(p, encoded(t, 3000))
		f.fill(data)
		data.Free()
	}
	if p.returned != 2 {
		t.Errorf("%d buffers went back, want the 2 that were replaced", p.returned)
	}
}

func TestFrameMessage(t *testing.T) {
	f := FrameOf(bytesType(), encoded(t, 3))
	defer f.Free()
	m, err := f.Message()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := f.Message()
	if m != again {
		t.Error("the message is decoded twice")
	}
	value := m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName("value")).Bytes()
	if string(value) != "xxx" {
		t.Errorf("got %q", value)
	}
	if got := f.ProtoReflect().Descriptor().FullName(); got != "google.protobuf.BytesValue" {
		t.Errorf("the view is of %s", got)
	}
}

func TestFrameMalformed(t *testing.T) {
	f := FrameOf(bytesType(), []byte{0x0a, 0x05, 'x'})
	defer f.Free()
	for range 2 {
		_, err := f.Message()
		if own, ok := err.(*Error); !ok || own.Code() != codes.InvalidArgument || own.Reason() != "MALFORMED_MESSAGE" {
			t.Fatalf("got %v", err)
		}
	}
	if f.ProtoReflect().IsValid() {
		t.Error("the view of malformed bytes should be an empty, read-only message")
	}
}

func TestFrameTake(t *testing.T) {
	p := &counted{}
	from, to := NewFrame(bytesType()), NewFrame(bytesType())
	old, data := split(p, encoded(t, 2000)), split(p, encoded(t, 3000))
	to.fill(old)
	old.Free()
	from.fill(data)
	data.Free()
	to.Take(from)
	if p.returned != 1 || from.Len() != 0 || to.Len() != len(encoded(t, 3000)) {
		t.Errorf("%d buffers went back; from has %d bytes, to has %d", p.returned, from.Len(), to.Len())
	}
	from.Free()
	to.Free()
	if p.returned != 2 {
		t.Errorf("%d buffers went back, want 2", p.returned)
	}
}

func TestFrameOfMessage(t *testing.T) {
	m := wrapperspb.Bytes([]byte("abc"))
	f, err := FrameOfMessage(bytesType(), m)
	if err != nil {
		t.Fatal(err)
	}
	view, err := f.Message()
	if err != nil || view != proto.Message(m) || string(f.Bytes()) != "\x0a\x03abc" {
		t.Errorf("view %v, %v, %d bytes", view, err, f.Len())
	}
}
