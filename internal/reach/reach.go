// Package reach tells which message types can hold something: a field with a rule, with a scope, with a secret.
package reach

import (
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Types tells of message types whether they have something of their own, or can hold, through their fields, a message
// that has. What is packed in google.protobuf.Any and extensions are not looked for. It is safe for concurrent use.
//
// It remembers every type that it came by, so that a schema of many types that all reach each other is walked once and
// not once for each method.
type Types struct {
	own   func(protoreflect.MessageDescriptor) bool
	mu    sync.Mutex
	known map[protoreflect.FullName]bool
}

// Of returns the types of one schema for what own finds in a message type itself. own is called once for each type, one
// call at a time.
func Of(own func(protoreflect.MessageDescriptor) bool) *Types {
	return &Types{own: own, known: map[protoreflect.FullName]bool{}}
}

// Has tells whether md, or a type that it reaches, has what is looked for.
func (t *Types) Has(md protoreflect.MessageDescriptor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if has, known := t.known[md.FullName()]; known {
		return has
	}
	t.learn(md)
	return t.known[md.FullName()]
}

// learn walks the types that md reaches as far as they are new, and then goes back from those that have something to
// those that hold them.
func (t *Types) learn(md protoreflect.MessageDescriptor) {
	holders := map[protoreflect.FullName][]protoreflect.FullName{}
	var found []protoreflect.FullName
	t.known[md.FullName()] = false
	for queue := []protoreflect.MessageDescriptor{md}; len(queue) > 0; queue = queue[1:] {
		name := queue[0].FullName()
		if t.own(queue[0]) {
			found = append(found, name)
		}
		fields := queue[0].Fields()
		for i := range fields.Len() {
			inner := Message(fields.Get(i))
			if inner == nil {
				continue
			}
			has, known := t.known[inner.FullName()]
			if has {
				found = append(found, name)
				continue
			}
			holders[inner.FullName()] = append(holders[inner.FullName()], name)
			if !known {
				t.known[inner.FullName()] = false
				queue = append(queue, inner)
			}
		}
	}
	for ; len(found) > 0; found = found[1:] {
		if !t.known[found[0]] {
			t.known[found[0]] = true
			found = append(found, holders[found[0]]...)
		}
	}
}

// Message is the type of the messages in a field, also of those that are a map's values, or nil.
func Message(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if fd.IsMap() {
		fd = fd.MapValue()
	}
	return fd.Message()
}
