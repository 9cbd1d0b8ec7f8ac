package compile

import "google.golang.org/protobuf/types/descriptorpb"

// elementsMax bounds what one schema declares, messages, fields and all; a linked one costs some 2 KB each. 10,000 messages
// of a dozen fields are below it.
const elementsMax = 200_000

func tooManyElements(path string) *Error {
	return fault(path, "up to here the files declare more than %d messages, fields, values and methods, the most that one schema may have", elementsMax)
}

// countFile returns how many things a file declares.
func countFile(file *descriptorpb.FileDescriptorProto) int {
	n := len(file.GetDependency()) + len(file.GetExtension()) + countEnums(file.GetEnumType()) + len(file.GetService())
	for _, s := range file.GetService() {
		n += len(s.GetMethod())
	}
	return n + countMessages(file.GetMessageType())
}

func countMessages(messages []*descriptorpb.DescriptorProto) int {
	n := len(messages)
	for _, m := range messages {
		n += len(m.GetField()) + len(m.GetExtension()) + len(m.GetOneofDecl()) + countEnums(m.GetEnumType())
		n += len(m.GetExtensionRange()) + len(m.GetReservedRange()) + len(m.GetReservedName())
		n += countMessages(m.GetNestedType())
	}
	return n
}

func countEnums(enums []*descriptorpb.EnumDescriptorProto) int {
	n := len(enums)
	for _, e := range enums {
		n += len(e.GetValue()) + len(e.GetReservedRange()) + len(e.GetReservedName())
	}
	return n
}
