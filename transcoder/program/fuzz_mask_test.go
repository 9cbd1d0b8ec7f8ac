package program

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// FuzzWireToWire: on random schemas, masks and wires a mask leaves what is left when the message is decoded and its fields
// are cleared and set. A wire that is given is read as it is; otherwise one is made from seed.
func FuzzWireToWire(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, seed, seed, []byte(nil))
		f.Add(seed, seed+1, seed, []byte(nil))
	}
	for _, wire := range wires(f) {
		f.Add(uint64(0), uint64(0), uint64(1), wire)
	}
	var schemas randomSchemas
	f.Fuzz(func(t *testing.T, schema, seed, mask uint64, wire []byte) {
		s := schemas.get(t, schema)
		md := s.messages[seed%uint64(len(s.messages))]
		if len(wire) == 0 {
			wire = randomWire(s, md, seed)
		}
		checkMask(t, s, md, mask, wire)
	})
}

// TestWireToWireRandom is the fuzz target's check on inputs of its own.
func TestWireToWireRandom(t *testing.T) {
	var schemas randomSchemas
	for seed := range uint64(6000) {
		s := schemas.get(t, seed%200)
		md := s.messages[seed%uint64(len(s.messages))]
		checkMask(t, s, md, seed, randomWire(s, md, seed))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkMask compares a mask with the reference.
func checkMask(t *testing.T, s *randomSchema, md protoreflect.MessageDescriptor, seed uint64, wire []byte) {
	t.Helper()
	rule, paths, values := newMaskMaker(s, seed).rule(md)
	m, err := s.compiler.Mask(md, rule, Options{})
	if err != nil {
		t.Fatalf("%+v: %v", rule, err)
	}
	got, gotErr := m.AppendWire(nil, wire)
	reference := &maskReference{types: s.types, keep: rule.Mode == MaskKeep, hide: rule.Hide}
	want, wantErr := reference.appendWire(md, paths, values, wire)
	switch {
	case wantErr != nil: // it minds what a mask does not look at, such as text that is no UTF-8
	case gotErr != nil:
		if !errors.Is(gotErr, errDepth) {
			t.Errorf("%s %+v: refused: %v\nwire %x", md.FullName(), rule, errors.Unwrap(gotErr), wire)
		}
	default:
		left := dynamicpb.NewMessage(md)
		if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: s.types}).Unmarshal(got, left); err != nil {
			t.Fatalf("%s %+v: leaves no message: %v\nwire %x\ngot %x", md.FullName(), rule, err, wire, got)
		}
		withoutMismatched(s.types, left)
		withoutMismatched(s.types, want.ProtoReflect())
		if !proto.Equal(left, want) {
			t.Errorf("%s %+v\nwire %x\ngot  %v\nwant %v", md.FullName(), rule, wire, left, want)
		}
	}
}
