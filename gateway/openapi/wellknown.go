package openapi

import "google.golang.org/protobuf/reflect/protoreflect"

// wellKnown returns what writes the schema of a type whose JSON is not the object of its fields; nil for any other type.
func wellKnown(md protoreflect.MessageDescriptor) func() *object {
	if md.FullName().Parent() != "google.protobuf" {
		return nil
	}
	switch md.Name() {
	case "Timestamp":
		return func() *object { return pairs("type", "string", "format", "date-time") }
	case "Duration":
		return func() *object {
			return pairs("type", "string", "pattern", `^-?[0-9]+(\.[0-9]{1,9})?s$`, "examples", []string{"1.5s"})
		}
	case "FieldMask":
		return func() *object {
			return pairs("type", "string", "format", "field-mask", "examples", []string{"title,author.name"})
		}
	case "Struct":
		return func() *object { return pairs("type", "object", "additionalProperties", true) }
	case "Value":
		return newObject
	case "ListValue":
		return func() *object { return pairs("type", "array", "items", newObject()) }
	case "Any":
		return func() *object {
			return pairs("type", "object",
				"properties", pairs("@type", pairs("type", "string", "description", "URL of the message's type.")),
				"additionalProperties", true)
		}
	case "DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue":
		return func() *object { return scalar(md.Fields().ByNumber(1).Kind()) }
	}
	return nil
}

// asText reports whether one value of a field can be written in a path or a query.
func asText(fd protoreflect.FieldDescriptor) bool {
	if fd.IsMap() {
		return false
	}
	if fd.Message() == nil {
		return true
	}
	if wellKnown(fd.Message()) == nil {
		return false
	}
	switch fd.Message().Name() {
	case "Struct", "Value", "ListValue", "Any":
		return false
	}
	return true
}
