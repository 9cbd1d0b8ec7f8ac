package rpc

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// TestDecodeText shows that strings may hold every character, and nothing that is none.
func TestDecodeText(t *testing.T) {
	typ := NewType((&wrapperspb.StringValue{}).ProtoReflect().Descriptor(), nil)
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"plain", true}, {"ü", true}, {"\uFFFF", true}, {"\U0001F600", true}, {"\U0007FFFF", true}, {"\U00080000", true},
		{"a\U000B6461b", true}, {"\U000FFFFF", true}, {"\U00100000", true}, {"\U0010FFFF", true},
		{"\xff", false}, {"\xed\xa0\x80", false}, {"\xf4\x90\x80\x80", false}, {"\U000B6461\xff", false}, {"\xf2\xb6\x91", false},
	} {
		wire := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), c.text)
		m, err := typ.Decode(wire)
		if (err == nil) != c.ok {
			t.Errorf("%q: %v", c.text, err)
		} else if c.ok && m.ProtoReflect().Get(typ.Descriptor.Fields().ByNumber(protoreflect.FieldNumber(1))).String() != c.text {
			t.Errorf("%q became %v", c.text, m)
		}
	}
}
