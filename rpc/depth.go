package rpc

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// nesting is a message type that can nest without an end: its fields through which it can, by number. hyperpb takes
// such messages at any depth, because a message that ends where its parent ends needs no stack there; whoever walks the
// result does, and a goroutine's stack that is used up ends the process.
type nesting struct {
	fields map[protowire.Number]*nesting
	entry  bool // of a map, which is no level of its own
}

// nestingOf returns nil for a type whose depth is bounded by its own definition.
func nestingOf(md protoreflect.MessageDescriptor, files *protoregistry.Files) *nesting {
	extensions := extensionsIn(files)
	var all []protoreflect.MessageDescriptor
	edges := map[protoreflect.FullName][]protoreflect.FieldDescriptor{}
	add := func(md protoreflect.MessageDescriptor) {
		if _, seen := edges[md.FullName()]; !seen {
			all = append(all, md)
			edges[md.FullName()] = messageFields(md, extensions)
		}
	}
	add(md)
	for i := 0; i < len(all); i++ {
		for _, fd := range edges[all[i].FullName()] {
			add(fd.Message())
		}
	}
	// What leads to bounded types only is bounded itself. What is found late is mostly what others lead to.
	endless := map[protoreflect.FullName]*nesting{}
	for _, md := range all {
		endless[md.FullName()] = &nesting{fields: map[protowire.Number]*nesting{}, entry: md.IsMapEntry()}
	}
	for changed := true; changed; {
		changed = false
		for i := len(all) - 1; i >= 0; i-- {
			name := all[i].FullName()
			if endless[name] != nil && !leadsTo(endless, edges[name]) {
				delete(endless, name)
				changed = true
			}
		}
	}
	for name, n := range endless {
		for _, fd := range edges[name] {
			if inner := endless[fd.Message().FullName()]; inner != nil {
				n.fields[fd.Number()] = inner
			}
		}
	}
	return endless[md.FullName()]
}

func leadsTo(endless map[protoreflect.FullName]*nesting, fields []protoreflect.FieldDescriptor) bool {
	for _, fd := range fields {
		if endless[fd.Message().FullName()] != nil {
			return true
		}
	}
	return false
}

func messageFields(md protoreflect.MessageDescriptor, extensions map[protoreflect.FullName][]protoreflect.FieldDescriptor) []protoreflect.FieldDescriptor {
	var list []protoreflect.FieldDescriptor
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); fd.Message() != nil {
			list = append(list, fd)
		}
	}
	return append(list, extensions[md.FullName()]...)
}

// extensionsIn returns the extensions that are messages, by what they extend.
func extensionsIn(files *protoregistry.Files) map[protoreflect.FullName][]protoreflect.FieldDescriptor {
	found := map[protoreflect.FullName][]protoreflect.FieldDescriptor{}
	take := func(list protoreflect.ExtensionDescriptors) {
		for i := range list.Len() {
			if fd := list.Get(i); fd.Message() != nil {
				name := fd.ContainingMessage().FullName()
				found[name] = append(found[name], fd)
			}
		}
	}
	var takeIn func(protoreflect.MessageDescriptors)
	takeIn = func(list protoreflect.MessageDescriptors) {
		for i := range list.Len() {
			take(list.Get(i).Extensions())
			takeIn(list.Get(i).Messages())
		}
	}
	if files != nil {
		files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
			take(file.Extensions())
			takeIn(file.Messages())
			return true
		})
	}
	return found
}

var errTooDeep = errors.New("messages are nested too deep")

// check returns errTooDeep for bytes that nest deeper than the levels that are left. It looks at each byte once, and
// says nothing of what is malformed: decoding does.
func (n *nesting) check(wire []byte, left int) error {
	if n == nil {
		return nil
	}
	if left < 0 {
		return errTooDeep
	}
	for len(wire) > 0 {
		number, kind, size := protowire.ConsumeTag(wire)
		if size < 0 {
			return nil
		}
		wire = wire[size:]
		value := wire
		if size = protowire.ConsumeFieldValue(number, kind, wire); size < 0 {
			return nil
		}
		wire = wire[size:]
		inner := n.fields[number]
		if inner == nil {
			continue
		}
		switch kind {
		case protowire.BytesType:
			value, _ = protowire.ConsumeBytes(value)
		case protowire.StartGroupType:
			value, _ = protowire.ConsumeGroup(number, value)
		default:
			continue
		}
		below := left - 1
		if inner.entry {
			below = left
		}
		if err := inner.check(value, below); err != nil {
			return err
		}
	}
	return nil
}
