package check

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// filling is one way to give values to all fields. Rules are run on several, because a rule may convert a string to a
// number, to a time or to a duration, and need not work for other strings.
type filling struct {
	text   string
	number int
	// items is how many elements lists have.
	items int
}

func fillings() []filling {
	return []filling{
		{text: "", number: 0, items: 1},
		{text: "1", number: 1, items: 2},
		{text: "2026-01-02T03:04:05Z", number: 2, items: 3},
		{text: "1s", number: 3, items: 4},
	}
}

const (
	// fillDepth is how deep messages within messages are filled. Deeper ones are run on their own.
	fillDepth = 3
	// fillMessages bounds the messages in one filled message, because they multiply with each level.
	fillMessages = 500
)

// fill returns a message of a type with every field set, level by level to a bound. Of a oneof one member is set,
// another with each filling.
func (f filling) fill(desc protoreflect.MessageDescriptor) *dynamicpb.Message {
	root := dynamicpb.NewMessage(desc)
	level := []protoreflect.Message{root}
	for depth, left := 0, fillMessages; depth <= fillDepth && len(level) > 0; depth++ {
		var next []protoreflect.Message
		for _, m := range level {
			if left--; left < 0 {
				return root
			}
			next = append(next, f.fillFields(m)...)
		}
		level = next
	}
	return root
}

// fillFields sets the fields of one message and returns the messages in them, which are empty still.
func (f filling) fillFields(m protoreflect.Message) []protoreflect.Message {
	var inner []protoreflect.Message
	for i := range m.Descriptor().Fields().Len() {
		field := m.Descriptor().Fields().Get(i)
		if in := field.ContainingOneof(); in != nil && in.Fields().Get(f.number%in.Fields().Len()) != field {
			continue
		}
		inner = append(inner, f.set(m, field)...)
	}
	return inner
}

// set sets one field of m and returns the messages in it.
func (f filling) set(m protoreflect.Message, field protoreflect.FieldDescriptor) []protoreflect.Message {
	switch {
	case field.IsMap():
		key := f.scalar(field.MapKey()).MapKey()
		value := m.Mutable(field).Map().NewValue()
		if field.MapValue().Message() == nil {
			value = f.scalar(field.MapValue())
		}
		m.Mutable(field).Map().Set(key, value)
		return messagesIn(field.MapValue(), value)
	case field.IsList():
		var inner []protoreflect.Message
		for range f.items {
			value := m.Mutable(field).List().NewElement()
			if field.Message() == nil {
				value = f.scalar(field)
			}
			m.Mutable(field).List().Append(value)
			inner = append(inner, messagesIn(field, value)...)
		}
		return inner
	case field.Message() != nil:
		return messagesIn(field, protoreflect.ValueOfMessage(m.Mutable(field).Message()))
	}
	m.Set(field, f.scalar(field))
	return nil
}

func messagesIn(field protoreflect.FieldDescriptor, value protoreflect.Value) []protoreflect.Message {
	if field.Message() == nil {
		return nil
	}
	return []protoreflect.Message{value.Message()}
}

func (f filling) scalar(field protoreflect.FieldDescriptor) protoreflect.Value {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(f.number%2 == 1)
	case protoreflect.EnumKind:
		values := field.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(f.number % values.Len()).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(f.number))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(f.number))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(f.number))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(f.number))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(f.number))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(f.number))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(f.text))
	}
	return protoreflect.ValueOfString(f.text)
}
