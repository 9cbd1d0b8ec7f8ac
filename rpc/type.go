package rpc

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"buf.build/go/hyperpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// depthMax bounds how deep messages nest when the gateway decodes them; the same bound as protobuf's C++ and Java.
const depthMax = 100

// Type is a message type with a decoder that is compiled on first use. It is safe for concurrent use.
type Type struct {
	Descriptor protoreflect.MessageDescriptor

	extensions *protoregistry.Files
	once       sync.Once
	fast       *hyperpb.MessageType
	nesting    *nesting
}

// NewType returns the type of md. The extensions that decoding should know are those in files; nil means none.
func NewType(md protoreflect.MessageDescriptor, files *protoregistry.Files) *Type {
	return &Type{Descriptor: md, extensions: files}
}

// Decode parses wire bytes into a read-only message. The message keeps no reference to wire.
func (t *Type) Decode(wire []byte) (proto.Message, error) {
	t.once.Do(t.compile)
	if t.fast == nil {
		return t.slow(wire)
	}
	if beginsWithZero(wire) {
		return nil, errFieldZero
	}
	if err := t.nesting.check(wire, depthMax); err != nil {
		return nil, err
	}
	m := hyperpb.NewMessage(t.fast)
	err := m.Unmarshal(wire, hyperpb.WithMaxDepth(depthMax))
	if err != nil && bytes.ContainsFunc(wire, far) {
		return t.slow(wire)
	}
	return m, err
}

// far tells the characters that hyperpb 0.1.3 takes for invalid UTF-8 although they are not. A message with one of them that it
// refuses is put to the other decoder.
func far(r rune) bool { return r >= 0x80000 }

// slow decodes by dynamicpb.
func (t *Type) slow(wire []byte) (proto.Message, error) {
	m := dynamicpb.NewMessage(t.Descriptor)
	o := proto.UnmarshalOptions{RecursionLimit: depthMax, AllowPartial: true}
	if t.extensions != nil {
		o.Resolver = dynamicpb.NewTypes(t.extensions)
	}
	return m, o.Unmarshal(wire, m)
}

var errFieldZero = errors.New("a field has the number 0")

// beginsWithZero reports whether the first tag is 0, which no message has. hyperpb 0.1.3 looks for the start of a field that it does
// not know by going back over zero bytes, here to what lies in memory before the message; any other tag would stop it.
func beginsWithZero(wire []byte) bool {
	if len(wire) == 0 || wire[0]&0x7f != 0 {
		return false
	}
	tag, n := protowire.ConsumeVarint(wire)
	return n > 0 && tag == 0
}

// compile builds the fast decoder. hyperpb panics on types beyond its limits; those are decoded by dynamicpb.
func (t *Type) compile() {
	defer func() {
		if recover() != nil {
			t.fast = nil
		}
	}()
	var options []hyperpb.CompileOption
	if t.extensions != nil {
		options = append(options, hyperpb.WithExtensionsFromFiles(t.extensions))
	}
	t.nesting = nestingOf(t.Descriptor, t.extensions)
	t.fast = hyperpb.CompileMessageDescriptor(t.Descriptor, options...)
}

// String returns the full name.
func (t *Type) String() string { return fmt.Sprint(t.Descriptor.FullName()) }
