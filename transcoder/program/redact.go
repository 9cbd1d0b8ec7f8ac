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

// hasSecrets reports whether a message, or one that it can hold, has such a field.
func hasSecrets(md protoreflect.MessageDescriptor) bool {
	seen := map[protoreflect.FullName]bool{md.FullName(): true}
	for list := []protoreflect.MessageDescriptor{md}; len(list) > 0; list = list[1:] {
		for i := range list[0].Fields().Len() {
			fd := list[0].Fields().Get(i)
			if isSecret(fd) {
				return true
			}
			if inner := fd.Message(); inner != nil && !seen[inner.FullName()] {
				seen[inner.FullName()] = true
				list = append(list, inner)
			}
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
