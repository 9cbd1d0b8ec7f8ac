package program

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Mask makes another message out of the wire bytes of one: with some of its fields left out, or with other values in
// their places. It is immutable and safe for concurrent use.
//
// It copies while it reads, into the caller's buffer: there is no message in between, and in steady state nothing is
// allocated. Read masking.go for how.
type Mask struct {
	md    protoreflect.MessageDescriptor
	types Resolver
	root  *maskNode // nil if every message stays as it is
	// splits tells that some message keeps one member of a oneof and loses another. Then it matters in how many pieces a
	// message comes.
	splits bool
	levels int
}

// MaskRule says what a Mask does. The zero value leaves messages as they are.
type MaskRule struct {
	Mode MaskMode
	// Paths are names of fields with dots between them: those of the .proto or of JSON, and "[full.name]" for extensions.
	// They lead through lists, as in "books.title", and with "*" through the values of maps, as in "by_id.*.title". At the
	// end "*" is every field, so "book.*" is "book". They do not lead into types that have a JSON form of their own.
	Paths []string
	// Replace gives fields other values, wherever the message has them and Paths does not take them away.
	Replace []Replacement
	// Hide are full names of fields, such as "acme.v1.Book.price", that are left out wherever they stand in the message,
	// whatever Paths say. A name that no field below the message has does nothing. What is inside an Any is not looked
	// into, nor what has a form of its own in JSON, nor an extension that no path names.
	Hide []protoreflect.FullName
}

// MaskMode says what becomes of the fields that a rule's Paths do not name.
type MaskMode uint8

const (
	// MaskDrop leaves the fields out that Paths name. All others stay, unknown ones too, except those that have the number
	// of a field that the rule names and another wire type: they may be what it means to leave out.
	MaskDrop MaskMode = iota
	// MaskKeep leaves out all but the fields that Paths name, unknown ones too. What is inside a field that a path ends with
	// stays as it is.
	MaskKeep
)

// Replacement is a value for a field.
type Replacement struct {
	// Path leads to the field. The value stands in the place of each value of it: of each element if it is a list. Of a map
	// the values can be replaced, with the path "labels.*".
	Path string
	// Value is encoded, without the field's tag and without a length. A message for a field that is not repeated must not
	// have lists or unknown fields: where the field occurs twice they would come twice.
	Value []byte
}

// Mask makes the program of a rule for messages of type md. The error says, for whoever wrote the rule, why it can never
// work. Required fields are the rule's own concern: a message may lack them afterwards.
func (c *Compiler) Mask(md protoreflect.MessageDescriptor, rule MaskRule, o Options) (*Mask, error) {
	b := maskBuilder{compiler: c, mode: rule.Mode, hide: map[protoreflect.FullName]bool{}, nodes: map[protoreflect.FullName]*maskNode{}}
	var paths, values fieldTree
	for _, text := range rule.Paths {
		p, err := c.fieldPath(md, nil, text)
		if err != nil {
			return nil, fmt.Errorf("path %q: %s", text, pathText(err.(*pathError)))
		}
		paths.add(p)
	}
	for _, r := range rule.Replace {
		p, err := c.fieldPath(md, nil, r.Path)
		if err != nil {
			return nil, fmt.Errorf("replaced path %q: %s", r.Path, pathText(err.(*pathError)))
		}
		value, err := replacement(c.types, p, r.Value)
		if err != nil {
			return nil, fmt.Errorf("replaced path %q: %w", r.Path, err)
		}
		leaf := values.add(p)
		if leaf == nil {
			return nil, fmt.Errorf("replaced path %q: another replacement has the place", r.Path)
		}
		leaf.value = value
	}
	for _, name := range rule.Hide {
		b.hide[name] = true
	}
	b.hiding = reach.Of(b.hides)
	m := &Mask{md: md, types: c.types, levels: o.withDefaults().replyDepthMax()}
	switch {
	case rule.Mode == MaskKeep && !paths.whole:
		m.root = b.node(md, false, &paths, &values)
	case rule.Mode == MaskDrop && paths.whole:
		m.root = &maskNode{name: md.FullName(), rest: maskDrop}
	default:
		m.root = b.node(md, true, &paths, &values)
	}
	m.splits = b.splits
	return m, nil
}

// Idle tells that the mask leaves every message as it is, so that none needs to go through it.
func (m *Mask) Idle() bool { return m.root == nil }

// AppendWire appends to dst what the mask leaves of a message, and returns dst unchanged on error. The fields keep their
// order. Errors are *rpc.Error, INTERNAL with ReasonBadReply; their cause, with the type and the place in the wire, is for
// the log. A field that is kept as it is, or left out, is only looked at as far as its end must be found.
//
// dst and wire stay the caller's and must not overlap; wire is not changed and not kept.
func (m *Mask) AppendWire(dst, wire []byte) ([]byte, error) {
	if m.root == nil {
		return append(dst, wire...), nil
	}
	r := masking{wire: wire}
	out, _, err := r.message(dst, m.root, 0, len(wire), 0, m.levels)
	if err == nil && r.split && m.splits {
		if r.wire, err = m.merged(wire); err == nil {
			out, _, err = r.message(dst, m.root, 0, len(r.wire), 0, m.levels)
		}
	}
	if err != nil {
		return dst, rpc.Errorf(codes.Internal, ReasonBadReply, "the backend's reply is not a valid %s", m.md.FullName()).Because(err)
	}
	return out, nil
}

// merged is a wire of the same message in which no singular field occurs twice, and of each oneof one member. Nobody
// writes anything else; but of "a=1 b=2" with two members of a oneof, leaving out b would bring a back, which had lost
// its value to b.
func (m *Mask) merged(wire []byte) (out []byte, err error) {
	defer func() {
		// proto.Unmarshal of a dynamicpb message panics when an entry of a map has a second key of another wire type
		// (google.golang.org/protobuf v1.36).
		if p := recover(); p != nil {
			err = fmt.Errorf("decoding: %v", p)
		}
	}()
	msg := dynamicpb.NewMessage(m.md)
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: m.types}).Unmarshal(wire, msg); err != nil {
		return nil, err
	}
	return proto.MarshalOptions{AllowPartial: true}.Marshal(msg)
}

// replacement judges a value that replaces those of a field, and returns it with its length, if it is one with a length.
func replacement(types Resolver, p fieldPath, value []byte) ([]byte, error) {
	if len(p.fields) == 0 {
		return nil, fmt.Errorf("a whole message cannot be replaced")
	}
	fd := p.fields[len(p.fields)-1]
	if fd.IsMap() {
		if !p.each {
			return nil, fmt.Errorf("a map cannot be replaced; its values can, as %s.*", fd.Name())
		}
		fd = fd.MapValue()
	}
	switch _, wire := opOf(fd); {
	case fd.Message() != nil:
		once, twice := dynamicpb.NewMessage(fd.Message()), dynamicpb.NewMessage(fd.Message())
		if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(value, once); err != nil {
			return nil, fmt.Errorf("the value is no %s: %w", fd.Message().FullName(), err)
		}
		proto.Merge(twice, once)
		proto.Merge(twice, once)
		if !fd.IsList() && !proto.Equal(once, twice) {
			return nil, fmt.Errorf("the value has lists or unknown fields, which would come twice where the field does")
		}
		if wire == protowire.StartGroupType {
			return protowire.AppendTag(append([]byte{}, value...), fd.Number(), protowire.EndGroupType), nil
		}
	case fd.Kind() == protoreflect.StringKind && !utf8.Valid(value):
		return nil, fmt.Errorf("the value is not UTF-8")
	case wire != protowire.BytesType:
		if n := protowire.ConsumeFieldValue(fd.Number(), wire, value); n != len(value) {
			return nil, fmt.Errorf("the value is not one encoded %s", fd.Kind())
		}
		return append([]byte{}, value...), nil
	}
	return protowire.AppendBytes(nil, value), nil
}
