package program

import "google.golang.org/protobuf/reflect/protoreflect"

// form is the shape that the JSON of a message has.
type form uint8

const (
	formObject  form = iota // an object of its fields
	formText                // one string, number or bool: Timestamp, Duration, FieldMask
	formWrapper             // the bare value of its only field: Int32Value and the like
	formAny                 // an object with "@type"
	formFree                // arbitrary JSON: Struct, Value, ListValue
)

const wellKnown protoreflect.FullName = "google.protobuf"

// formOf returns the JSON form of md. protojson knows the well-known types by name, so this does too.
func formOf(md protoreflect.MessageDescriptor) form {
	if md.FullName().Parent() != wellKnown {
		return formObject
	}
	switch md.Name() {
	case "Timestamp", "Duration", "FieldMask":
		return formText
	case "BoolValue", "Int32Value", "Int64Value", "UInt32Value", "UInt64Value",
		"FloatValue", "DoubleValue", "StringValue", "BytesValue":
		return formWrapper
	case "Any":
		return formAny
	case "Struct", "Value", "ListValue":
		return formFree
	}
	return formObject
}

// wrapped returns the only field of a wrapper type.
func wrapped(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	return md.Fields().ByNumber(1)
}

// isWellKnown tells whether fd is a message of google.protobuf with this name.
func isWellKnown(fd protoreflect.FieldDescriptor, name protoreflect.Name) bool {
	return fd.Message() != nil && fd.Message().FullName() == wellKnown.Append(name)
}

// takesNull tells whether JSON null is a value of fd rather than its absence.
func takesNull(fd protoreflect.FieldDescriptor) bool {
	return isWellKnown(fd, "Value") || fd.Enum() != nil && fd.Enum().FullName() == wellKnown.Append("NullValue")
}

// isText tells whether one value of fd can be written as the text of a path variable or a query parameter.
func isText(fd protoreflect.FieldDescriptor) bool {
	if fd.Message() == nil {
		return true
	}
	if fd.IsMap() {
		return false
	}
	f := formOf(fd.Message())
	return f == formText || f == formWrapper
}
