package rpc

import (
	"errors"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// nested returns a message within a message, n times, each the only field of the other.
func nested(number protowire.Number, n int) []byte {
	reversed := []byte{}
	for range n {
		var head []byte
		head = protowire.AppendTag(head, number, protowire.BytesType)
		head = protowire.AppendVarint(head, uint64(len(reversed)))
		for i := len(head) - 1; i >= 0; i-- {
			reversed = append(reversed, head[i])
		}
	}
	for i, j := 0, len(reversed)-1; i < j; i, j = i+1, j-1 {
		reversed[i], reversed[j] = reversed[j], reversed[i]
	}
	return reversed
}

func TestDecodeDepth(t *testing.T) {
	typ := NewType((&descriptorpb.DescriptorProto{}).ProtoReflect().Descriptor(), nil)
	for levels, deep := range map[int]bool{0: false, 1: false, depthMax: false, depthMax + 1: true, 1_000_000: true} {
		if _, err := typ.Decode(nested(3, levels)); errors.Is(err, errTooDeep) != deep || err != nil && !deep {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
	behind := append(nested(3, 2), nested(3, depthMax+1)...)
	if _, err := typ.Decode(behind); !errors.Is(err, errTooDeep) {
		t.Errorf("the second of two: %v", err)
	}
	// A field that is no message is not looked into.
	if _, err := typ.Decode(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nested(3, depthMax+1))); err != nil {
		t.Errorf("text: %v", err)
	}
}

func TestNestingOf(t *testing.T) {
	for _, m := range []proto.Message{&timestamppb.Timestamp{}, &descriptorpb.FieldDescriptorProto{}} {
		if nestingOf(m.ProtoReflect().Descriptor(), nil) != nil {
			t.Errorf("%T cannot nest in itself", m)
		}
	}
	n := nestingOf((&descriptorpb.FileDescriptorProto{}).ProtoReflect().Descriptor(), nil)
	if n == nil || len(n.fields) != 1 || n.fields[4] == nil || len(n.fields[4].fields) != 1 {
		t.Errorf("a file nests through message_type only: %+v", n)
	}
	list := nestingOf((&structpb.Struct{}).ProtoReflect().Descriptor(), nil)
	deep := structpb.NewStringValue("")
	for range depthMax/2 - 1 { // a value in a list, and the list in a value
		deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	}
	check := func() error {
		wire, err := proto.Marshal(&structpb.Struct{Fields: map[string]*structpb.Value{"a": deep}})
		if err != nil {
			t.Fatal(err)
		}
		return list.check(wire, depthMax)
	}
	if err := check(); err != nil {
		t.Errorf("as deep as allowed: %v", err)
	}
	deep = structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{deep}})
	if err := check(); !errors.Is(err, errTooDeep) {
		t.Errorf("deeper: %v", err)
	}
}

// A message that begins with field 0 never comes to the fast decoder, which would read what lies before it.
func TestDecodeFieldZero(t *testing.T) {
	typ := NewType((&errdetails.ErrorInfo{}).ProtoReflect().Descriptor(), nil)
	for _, wire := range []string{"\x00", "\x00\x00", "\x80\x00\x01", "\x80\x80\x80\x00"} {
		if _, err := typ.Decode([]byte(wire)); err != errFieldZero {
			t.Errorf("%q: %v", wire, err)
		}
	}
	for _, wire := range []string{"", "\x80\x01\x05", "\x0a\x01a"} {
		if _, err := typ.Decode([]byte(wire)); err != nil {
			t.Errorf("%q: %v", wire, err)
		}
	}
	for _, wire := range []string{"\x80", "\x80\x80", "\x0a\x01a\x00\x00"} {
		if _, err := typ.Decode([]byte(wire)); err == nil {
			t.Errorf("%q was taken", wire)
		}
	}
}
