package program

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// path leads from a message to one of its fields, or to a field of a message inside it. Every field but the last is a
// singular message whose JSON is an object.
type path struct {
	fields []protoreflect.FieldDescriptor
	name   string // the proto names of the fields, dotted: the path's identity
}

// leaf is the field that the path leads to.
func (p *path) leaf() protoreflect.FieldDescriptor { return p.fields[len(p.fields)-1] }

// within tells whether p is the path of that name, or lies inside it.
func (p *path) within(name string) bool {
	return p.name == name || strings.HasPrefix(p.name, name) && p.name[len(name)] == '.'
}

// lookup finds a field of a message by one of its names; nil if there is none.
type lookup func(protoreflect.FieldDescriptors, string) protoreflect.FieldDescriptor

// byProtoName is how templates and rules name fields.
func byProtoName(fields protoreflect.FieldDescriptors, name string) protoreflect.FieldDescriptor {
	return fields.ByName(protoreflect.Name(name))
}

// byAnyName is how clients name fields, exactly as protojson does it: the JSON name or the proto name.
func byAnyName(fields protoreflect.FieldDescriptors, name string) protoreflect.FieldDescriptor {
	if fd := fields.ByJSONName(name); fd != nil {
		return fd
	}
	return fields.ByTextName(name)
}

// resolve follows dotted from md. The error is a *pathError.
func resolve(md protoreflect.MessageDescriptor, dotted string, find lookup) (*path, error) {
	var p path
	var names []string
	for start, last := 0, false; !last; {
		end := strings.IndexByte(dotted[start:], '.') + start
		if last = end < start; last {
			end = len(dotted)
		}
		name := dotted[start:end]
		fd := find(md.Fields(), name)
		if fd == nil {
			return nil, &pathError{prefix: dotted[:start], name: name, in: md}
		}
		if !last && (fd.Cardinality() == protoreflect.Repeated || fd.Message() == nil || formOf(fd.Message()) != formObject) {
			return nil, &pathError{prefix: dotted[:end], leaf: fd}
		}
		p.fields, names = append(p.fields, fd), append(names, string(fd.Name()))
		md, start = fd.Message(), end+1
	}
	p.name = strings.Join(names, ".")
	return &p, nil
}

// pathError says where a path stops making sense: at an unknown name, or beyond a field that has no fields to name.
type pathError struct {
	prefix string                         // what of the path was understood, with its last point if a name follows
	name   string                         // the unknown name
	in     protoreflect.MessageDescriptor // the message that has no such field
	leaf   protoreflect.FieldDescriptor   // the field that has no fields to name; nil for an unknown name
	inMap  bool                           // leaf is a map, and the path goes on without saying through what of it
}

func (e *pathError) Error() string {
	if e.leaf != nil {
		return fmt.Sprintf("%s is %s, so the path must end there", e.prefix, describe(e.leaf))
	}
	return fmt.Sprintf("%s has no field %q", e.in.FullName(), e.name)
}
