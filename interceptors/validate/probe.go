package validate

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// probe runs every rule of the given types once, on a message with every field set. It has to run them: protovalidate
// reports a rule that does not compile only when it validates. Each message, field and oneof is judged alone, so that
// one rule's failure hides no other's. Broken rules are found; violations, and failures that depend on the value (a
// text that is no number), are not.
func probe(v protovalidate.Validator, types []protoreflect.MessageDescriptor) error {
	for _, md := range types {
		if err := probeOne(v, filled(md), md); err != nil {
			return fmt.Errorf("rules of message %s: %w", md.FullName(), err)
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			m := filled(md)
			set(m, fd) // last, so it wins its oneof
			if err := probeOne(v, m, fd); err != nil {
				return fmt.Errorf("rules of field %s: %w", fd.FullName(), err)
			}
		}
		for i := range md.Oneofs().Len() {
			od := md.Oneofs().Get(i)
			if err := probeOne(v, filled(md), od); err != nil {
				return fmt.Errorf("rules of oneof %s: %w", od.FullName(), err)
			}
		}
	}
	return nil
}

// probeOne runs the rules that stand at one descriptor.
func probeOne(v protovalidate.Validator, m proto.Message, at protoreflect.Descriptor) error {
	only := protovalidate.FilterFunc(func(_ protoreflect.Message, d protoreflect.Descriptor) bool { return d == at })
	err := v.Validate(m, protovalidate.WithFilter(only))
	var compile *protovalidate.CompilationError
	var run *protovalidate.RuntimeError
	switch {
	case errors.As(err, &compile):
		return err
	case errors.As(err, &run) && typeError(run):
		return err
	}
	return nil
}

// typeError tells what fails for every value from what fails for this one. CEL has no error types for it.
func typeError(err *protovalidate.RuntimeError) bool {
	text := err.Error()
	for _, mark := range []string{"no such overload", "no such attribute", "no such field", "unexpected type"} {
		if strings.Contains(text, mark) {
			return true
		}
	}
	return false
}

// filled returns a message with every field set, one member of each oneof; messages inside are empty.
func filled(md protoreflect.MessageDescriptor) *dynamicpb.Message {
	m := dynamicpb.NewMessage(md)
	for i := range md.Fields().Len() {
		set(m, md.Fields().Get(i))
	}
	return m
}

// set gives a field one item, entry or value.
func set(m *dynamicpb.Message, fd protoreflect.FieldDescriptor) {
	switch {
	case fd.IsMap():
		entries := m.Mutable(fd).Map()
		if value := fd.MapValue(); value.Message() != nil {
			entries.Set(sample(fd.MapKey()).MapKey(), entries.NewValue())
		} else {
			entries.Set(sample(fd.MapKey()).MapKey(), sample(value))
		}
	case fd.IsList():
		items := m.Mutable(fd).List()
		if fd.Message() != nil {
			items.AppendMutable()
		} else {
			items.Append(sample(fd))
		}
	case fd.Message() != nil:
		m.Mutable(fd)
	default:
		m.Set(fd, sample(fd))
	}
}

// sample returns a value that is not the zero value of a scalar field.
func sample(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(values.Len() - 1).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(1)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(1)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(1)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte("a"))
	}
	return protoreflect.ValueOfString("a")
}
