package program

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// build fills in the field fd of t. index is its place.
func (f *field) build(t *table, fd protoreflect.FieldDescriptor, index int) error {
	f.fd, f.number, f.index, f.place = fd, fd.Number(), index, index
	f.presence = fd.HasPresence() || t.md.IsMapEntry() // an entry's zero is written: nothing else would be
	f.null = takesNull(fd)
	f.required = fd.Cardinality() == protoreflect.Required
	f.extension = fd.IsExtension()
	f.utf8 = fd.Kind() == protoreflect.StringKind && enforcesUTF8(fd)
	f.op, f.wire = opOf(fd)
	f.packable = fd.IsList() && f.wire != protowire.BytesType && f.wire != protowire.StartGroupType
	f.packed = f.packable && fd.IsPacked()
	f.tag = protowire.EncodeTag(f.number, f.wire)
	if f.packed {
		f.tag = protowire.EncodeTag(f.number, protowire.BytesType)
	}
	switch {
	case fd.IsMap():
		f.card, f.entry = cardMap, t.compiler.table(fd.Message(), t.style)
		if md := fd.MapValue().Message(); md != nil {
			f.message = t.compiler.table(md, t.style)
		}
	case fd.Message() != nil:
		f.message = t.compiler.table(fd.Message(), t.style)
	case fd.Enum() != nil:
		f.enum = t.compiler.enum(fd.Enum(), t.style)
		if !fd.IsList() {
			f.zero = fd.Default().Enum()
		}
	}
	if fd.IsList() {
		f.card = cardList
	}
	f.narrow = f.op == opInt32 || f.op == opSint32 || f.op == opUint32 || f.op == opEnum || f.op == opNull
	f.marked = f.required || f.enum != nil && f.enum.closed
	return f.render(t.style)
}

// render writes the field's key, and what stands for its absence, in style s.
func (f *field) render(s style) (err error) {
	name := f.fd.JSONName()
	if s.protoNames() {
		name = f.fd.TextName()
	}
	f.key, err = appendString([]byte{','}, []byte(name))
	if err != nil {
		return fmt.Errorf("the name of %s: %w", f.fd.FullName(), err)
	}
	f.key = append(f.key, ':')
	f.blank = []byte(f.blankJSON())
	if s.defaults() && !f.presence && !f.extension {
		f.absent = append(append([]byte{}, f.key...), f.blank...)
	}
	if s.unset() && f.presence && !f.extension && f.fd.ContainingOneof() == nil {
		f.absent = append(append([]byte{}, f.key...), "null"...)
	}
	return nil
}

func (f *field) blankJSON() string {
	switch {
	case f.card == cardMap:
		return "{}"
	case f.card == cardList:
		return "[]"
	}
	switch f.op {
	case opBool:
		return "false"
	case opString, opBytes:
		return `""`
	case opInt64, opSint64, opUint64, opFixed64, opSfixed64:
		return `"0"`
	case opEnum:
		return string(f.enum.appendJSON(nil, f.zero))
	case opNull:
		return "null"
	case opMessage, opGroup:
		return ""
	}
	return "0"
}

// opOf returns what one value of fd is.
func opOf(fd protoreflect.FieldDescriptor) (op, protowire.Type) {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return opBool, protowire.VarintType
	case protoreflect.EnumKind:
		if fd.Enum().FullName() == wellKnown.Append("NullValue") {
			return opNull, protowire.VarintType
		}
		return opEnum, protowire.VarintType
	case protoreflect.Int32Kind:
		return opInt32, protowire.VarintType
	case protoreflect.Sint32Kind:
		return opSint32, protowire.VarintType
	case protoreflect.Uint32Kind:
		return opUint32, protowire.VarintType
	case protoreflect.Int64Kind:
		return opInt64, protowire.VarintType
	case protoreflect.Sint64Kind:
		return opSint64, protowire.VarintType
	case protoreflect.Uint64Kind:
		return opUint64, protowire.VarintType
	case protoreflect.Fixed32Kind:
		return opFixed32, protowire.Fixed32Type
	case protoreflect.Sfixed32Kind:
		return opSfixed32, protowire.Fixed32Type
	case protoreflect.FloatKind:
		return opFloat, protowire.Fixed32Type
	case protoreflect.Fixed64Kind:
		return opFixed64, protowire.Fixed64Type
	case protoreflect.Sfixed64Kind:
		return opSfixed64, protowire.Fixed64Type
	case protoreflect.DoubleKind:
		return opDouble, protowire.Fixed64Type
	case protoreflect.StringKind:
		return opString, protowire.BytesType
	case protoreflect.BytesKind:
		return opBytes, protowire.BytesType
	case protoreflect.GroupKind:
		return opGroup, protowire.StartGroupType
	}
	return opMessage, protowire.BytesType
}

// enforcesUTF8 tells whether a decoder refuses a string that is no UTF-8, as protobuf's own decoder decides it: in
// proto3 always, in editions where the feature utf8_validation says so, if the descriptor can tell.
func enforcesUTF8(fd protoreflect.FieldDescriptor) bool {
	if fd.Syntax() == protoreflect.Editions {
		if fd, ok := fd.(interface{ EnforceUTF8() bool }); ok {
			return fd.EnforceUTF8()
		}
	}
	return fd.Syntax() == protoreflect.Proto3
}
