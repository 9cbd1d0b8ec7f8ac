package program

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
)

// maskNode is what a mask does to one message: to the fields that it lists, and to all others. It is nil where nothing is
// done. Nodes of recursive types point at each other.
type maskNode struct {
	name   protoreflect.FullName
	rest   maskAction // what becomes of fields that are not listed: maskKeep or maskDrop
	dense  []*maskField
	sparse map[protowire.Number]*maskField
	// always is the value of a map's entry that is replaced: an entry without a value has its zero, which is one.
	always *maskField
	bits   int
}

// maskField is what a mask does to one field.
type maskField struct {
	do  maskAction
	tag uint64 // of one value
	// wire is the wire type of one value; packable fields come in runs, too.
	wire     protowire.Type
	packable bool
	value    []byte    // of maskReplace: the encoded value, with its length or the last tag of its group
	below    *maskNode // of maskLook
	// mark is set once the field was met. If one of rivals is set by then the message comes in pieces: rivals are the
	// members of a oneof that this one, which is left out, takes the value from, or the field itself.
	mark, rivals uint64
}

type maskAction uint8

const (
	maskKeep maskAction = iota
	maskDrop
	maskReplace
	maskLook // does something to what is inside
)

// byNumber returns what is done to the field with this number, or nil if it is not listed.
func (n *maskNode) byNumber(number protowire.Number) *maskField {
	if uint(number) < uint(len(n.dense)) {
		return n.dense[number]
	}
	return n.sparse[number]
}

// list makes a field listed.
func (n *maskNode) list(fd protoreflect.FieldDescriptor, f *maskField) *maskField {
	_, f.wire = opOf(fd)
	f.tag = protowire.EncodeTag(fd.Number(), f.wire)
	f.packable = fd.IsList() && f.wire != protowire.BytesType && f.wire != protowire.StartGroupType
	if fd.Number() < denseMax {
		for len(n.dense) <= int(fd.Number()) {
			n.dense = append(n.dense, nil)
		}
		n.dense[fd.Number()] = f
		return f
	}
	if n.sparse == nil {
		n.sparse = map[protowire.Number]*maskField{}
	}
	n.sparse[fd.Number()] = f
	return f
}

// bit returns a bit of the message that nobody else has, or the last one: whoever shares it only finds pieces too often.
func (n *maskNode) bit() uint64 {
	n.bits = min(n.bits+1, 64)
	return 1 << (n.bits - 1)
}

// maskBuilder makes the nodes of one mask.
type maskBuilder struct {
	compiler *Compiler
	mode     MaskMode
	hide     map[protoreflect.FullName]bool
	hiding   *reach.Types                        // that have a hidden field, or can hold a message that has
	nodes    map[protoreflect.FullName]*maskNode // of types that nothing but hide concerns
	splits   bool
}

// hides tells whether a field of md itself is hidden.
func (b *maskBuilder) hides(md protoreflect.MessageDescriptor) bool {
	if formOf(md) != formObject {
		return false
	}
	for i := range md.Fields().Len() {
		if b.hide[md.Fields().Get(i).FullName()] {
			return true
		}
	}
	return len(b.hiddenExtensions(md)) > 0
}

// hiddenExtensions lists the extensions of md that are hidden.
func (b *maskBuilder) hiddenExtensions(md protoreflect.MessageDescriptor) (hidden []protoreflect.FieldDescriptor) {
	if md.ExtensionRanges().Len() == 0 {
		return nil
	}
	for name := range b.hide {
		if xt, err := b.compiler.types.FindExtensionByName(name); err == nil && xt.TypeDescriptor().ContainingMessage().FullName() == md.FullName() {
			hidden = append(hidden, xt.TypeDescriptor())
		}
	}
	return hidden
}

// node makes the node of a message of type md. all tells that what paths does not name is kept: paths is then what a mask
// that drops leaves out, or nothing. The node is nil if the message stays as it is.
func (b *maskBuilder) node(md protoreflect.MessageDescriptor, all bool, paths, values *fieldTree) *maskNode {
	plain := all && (paths == nil || len(paths.below) == 0) && (values == nil || len(values.below) == 0)
	if plain && (len(b.hide) == 0 || !b.hiding.Has(md)) {
		return nil
	}
	if n := b.nodes[md.FullName()]; plain && n != nil {
		return n
	}
	n := &maskNode{name: md.FullName(), rest: maskDrop}
	if all {
		n.rest = maskKeep
	}
	if plain {
		b.nodes[n.name] = n
	}
	for i := range md.Fields().Len() {
		b.field(n, md.Fields().Get(i), all, paths, values)
	}
	extensions := map[protowire.Number]protoreflect.FieldDescriptor{}
	for _, t := range []*fieldTree{paths, values} {
		for i := 0; t != nil && i < len(t.below); i++ {
			if fd := t.below[i].fd; fd.IsExtension() {
				extensions[fd.Number()] = fd
			}
		}
	}
	for _, fd := range b.hiddenExtensions(md) {
		extensions[fd.Number()] = fd
	}
	for _, fd := range extensions {
		b.field(n, fd, all, paths, values)
	}
	for i := range md.Oneofs().Len() {
		b.oneof(n, md.Oneofs().Get(i))
	}
	return n
}

// field lists one field unless it shares the fate of those that are not listed.
func (b *maskBuilder) field(n *maskNode, fd protoreflect.FieldDescriptor, all bool, paths, values *fieldTree) {
	named, value := paths.at(fd.Number()), values.at(fd.Number())
	below := all
	switch {
	case b.hide[fd.FullName()], b.mode == MaskDrop && named != nil && named.whole:
		if n.rest != maskDrop {
			n.list(fd, &maskField{do: maskDrop})
		}
		return
	case !all && named == nil:
		return
	case !all && named.whole:
		named, below = nil, true
	}
	f := &maskField{do: maskKeep}
	switch inner := fd.Message(); {
	case fd.IsMap():
		if entry := b.entry(fd, below, named, value); entry != nil {
			f.do, f.below = maskLook, entry
		}
	case value != nil && value.whole:
		f.do, f.value = maskReplace, value.value
	case inner != nil:
		if f.below = b.node(inner, below, named, value); f.below != nil {
			f.do = maskLook
		}
	}
	if f.do == n.rest {
		return
	}
	n.list(fd, f)
	if f.do == maskLook && fd.Cardinality() != protoreflect.Repeated {
		f.mark = n.bit()
		f.rivals = f.mark
	}
}

// entry makes the node of the entries of a map, or nil if they stay as they are.
func (b *maskBuilder) entry(fd protoreflect.FieldDescriptor, all bool, paths, values *fieldTree) *maskNode {
	val := fd.MapValue()
	f := &maskField{}
	switch {
	case values != nil && values.whole:
		f.do, f.value = maskReplace, values.value
	case val.Message() == nil:
		return nil
	default:
		if f.below = b.node(val.Message(), all, paths, values); f.below == nil {
			return nil
		}
		f.do = maskLook
	}
	n := &maskNode{name: fd.FullName(), rest: maskDrop} // nobody keeps an entry's unknown fields
	n.list(fd.MapKey(), &maskField{do: maskKeep})
	n.list(val, f)
	f.mark = n.bit()
	if f.do == maskReplace {
		n.always = f
	} else {
		f.rivals = f.mark // two values of one entry merge
	}
	return n
}

// oneof makes the members of a oneof watched if some are left out and some are not.
func (b *maskBuilder) oneof(n *maskNode, od protoreflect.OneofDescriptor) {
	if od.IsSynthetic() {
		return
	}
	dropped := 0
	do := func(fd protoreflect.FieldDescriptor) maskAction {
		if f := n.byNumber(fd.Number()); f != nil {
			return f.do
		}
		return n.rest
	}
	for i := range od.Fields().Len() {
		if do(od.Fields().Get(i)) == maskDrop {
			dropped++
		}
	}
	if dropped == 0 || dropped == od.Fields().Len() {
		return
	}
	b.splits = true
	bit := n.bit()
	for i := range od.Fields().Len() {
		fd := od.Fields().Get(i)
		f := n.byNumber(fd.Number())
		if f == nil {
			f = n.list(fd, &maskField{do: n.rest})
		}
		if f.do == maskDrop {
			f.rivals |= bit
		} else {
			f.mark |= bit
		}
	}
}
