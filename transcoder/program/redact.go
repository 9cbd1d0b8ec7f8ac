package program

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// isSecret reports whether a field's value must not be repeated (debug_redact).
func isSecret(fd protoreflect.FieldDescriptor) bool {
	options, _ := fd.Options().(*descriptorpb.FieldOptions)
	return options.GetDebugRedact()
}

// hasSecret reports whether a message type has such a field itself.
func hasSecret(md protoreflect.MessageDescriptor) bool {
	for i := range md.Fields().Len() {
		if isSecret(md.Fields().Get(i)) {
			return true
		}
	}
	return false
}

// shown is a part of a string as an error may show it.
func (d *decoder) shown(part []byte) string {
	if d.secret {
		return ""
	}
	return ", " + quote(string(part))
}

// shown says what came in the place of a field's value.
func shown(fd protoreflect.FieldDescriptor, text string) string {
	if isSecret(fd) {
		return "a text"
	}
	return quote(text)
}
