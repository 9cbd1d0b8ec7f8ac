package validate

import (
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
)

// reachable returns the given message types and all that they reach through their fields, each once, so recursive
// types end and the schema is the bound.
func reachable(from []protoreflect.MessageDescriptor) []protoreflect.MessageDescriptor {
	var found []protoreflect.MessageDescriptor
	seen := map[protoreflect.FullName]bool{}
	add := func(md protoreflect.MessageDescriptor) {
		if md != nil && !seen[md.FullName()] {
			seen[md.FullName()] = true
			found = append(found, md)
		}
	}
	for _, md := range from {
		add(md)
	}
	for i := 0; i < len(found); i++ {
		fields := found[i].Fields()
		for j := range fields.Len() {
			add(reach.Message(fields.Get(j)))
		}
	}
	return found
}

// ownRules reports whether the message itself, one of its fields or oneofs has rules. Rules on items, keys and values
// stand in the field's.
func ownRules(md protoreflect.MessageDescriptor) (bool, error) {
	message, err := protovalidate.ResolveMessageRules(md)
	if err != nil {
		return false, fmt.Errorf("rules of message %s: %w", md.FullName(), err)
	}
	found := message != nil
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		rules, err := protovalidate.ResolveFieldRules(fd)
		if err != nil {
			return false, fmt.Errorf("rules of field %s: %w", fd.FullName(), err)
		}
		found = found || rules != nil
	}
	for i := range md.Oneofs().Len() {
		od := md.Oneofs().Get(i)
		rules, err := protovalidate.ResolveOneofRules(od)
		if err != nil {
			return false, fmt.Errorf("rules of oneof %s: %w", od.FullName(), err)
		}
		found = found || rules != nil
	}
	return found, nil
}
