package telemetry_test

import "google.golang.org/protobuf/reflect/protoreflect"

// named is a method descriptor under another name.
type named struct {
	protoreflect.MethodDescriptor
	name string
}

func (n named) FullName() protoreflect.FullName { return protoreflect.FullName(n.name) }
