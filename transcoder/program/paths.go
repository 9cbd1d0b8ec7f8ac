package program

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
)

// fieldTree is a set of field paths of one message type, as a tree. A path may lead through lists and maps: what is
// below such a field belongs to each of its elements, or to the value of each of its entries.
type fieldTree struct {
	// whole tells that a path ends here. There is nothing below then: all of it is in the set.
	whole bool
	// value is what is written in the place of a field that is replaced.
	value []byte
	below []branch
}

// branch is one field of a message with the paths that go on from it.
type branch struct {
	fd   protoreflect.FieldDescriptor
	tree *fieldTree
}

// at returns what is below t for the field with this number, or nil. A nil tree has nothing below.
func (t *fieldTree) at(n protowire.Number) *fieldTree {
	if t == nil {
		return nil
	}
	for i := range t.below {
		if t.below[i].fd.Number() == n {
			return t.below[i].tree
		}
	}
	return nil
}

// fieldPath is one way to a field, or to what is inside it.
type fieldPath struct {
	fields []protoreflect.FieldDescriptor
	each   bool // the path ends with "*" behind a list or a map: it means the elements or the values
}

// fieldPath follows a dotted path from md, or if that is not nil from the field last, whose name is not part of it. Names are those of the .proto or of JSON; an extension's is its full name in
// brackets. "*" stands for every element of a list, where it may be left out, for every value of a map, and at the end of
// a path for all fields of a message, which is the message. The error is a *pathError.
func (c *Compiler) fieldPath(md protoreflect.MessageDescriptor, last protoreflect.FieldDescriptor, dotted string) (p fieldPath, err error) {
	if last != nil {
		md = reach.Message(last)
	}
	rest := dotted
	for more := true; more; {
		at := len(dotted) - len(rest)
		var name string
		name, rest, more = cutName(rest)
		several := last != nil && last.Cardinality() == protoreflect.Repeated && !p.each
		switch {
		case name == "*" && several:
			p.each = true
			continue
		case name == "*" && !more && (last == nil || md != nil && formOf(md) == formObject):
			return p, nil
		case several && last.IsMap():
			return p, &pathError{prefix: dotted[:max(at-1, 0)], leaf: last, inMap: true}
		case last != nil && (md == nil || formOf(md) != formObject):
			return p, &pathError{prefix: dotted[:max(at-1, 0)], leaf: last}
		}
		fd := c.fieldNamed(md, name)
		if fd == nil {
			return p, &pathError{prefix: dotted[:at], name: name, in: md}
		}
		p.fields, p.each, last, md = append(p.fields, fd), false, fd, reach.Message(fd)
	}
	return p, nil
}

// cutName takes the first name off a dotted path. The dots within brackets belong to the name.
func cutName(path string) (name, rest string, more bool) {
	if strings.HasPrefix(path, "[") {
		if end := strings.IndexByte(path, ']'); end > 0 {
			if rest, more = strings.CutPrefix(path[end+1:], "."); more || rest == "" {
				return path[:end+1], rest, more
			}
		}
	}
	return strings.Cut(path, ".")
}

// fieldNamed returns the field of md with this name, or nil.
func (c *Compiler) fieldNamed(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if formOf(md) != formObject {
		return nil
	}
	if fd := byAnyName(md.Fields(), name); fd != nil {
		return fd
	}
	if len(name) < 3 || name[0] != '[' || name[len(name)-1] != ']' {
		return nil
	}
	xt, err := c.types.FindExtensionByName(protoreflect.FullName(name[1 : len(name)-1]))
	if err != nil || xt.TypeDescriptor().ContainingMessage().FullName() != md.FullName() {
		return nil
	}
	return xt.TypeDescriptor()
}

// add puts a path into the set. It returns where the path ends, or nil if the set has a part of it already that covers
// the rest.
func (t *fieldTree) add(p fieldPath) *fieldTree {
	for _, fd := range p.fields {
		if t.whole {
			return nil
		}
		next := t.at(fd.Number())
		if next == nil {
			next = &fieldTree{}
			t.below = append(t.below, branch{fd, next})
		}
		t = next
	}
	if t.whole {
		return nil
	}
	t.whole, t.below = true, nil
	return t
}

// nearestName returns the name of a field of md that was likely meant by name, or "".
func nearestName(md protoreflect.MessageDescriptor, name string) string {
	var names []string
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); strings.Contains(name, "_") {
			names = append(names, fd.TextName())
		} else {
			names = append(names, fd.JSONName())
		}
	}
	return nearest(name, names)
}

// pathText says what is wrong with a path of a mask, for whoever wrote it.
func pathText(e *pathError) string {
	switch {
	case e.prefix == "" && e.inMap:
		return "the reply is a map; write *. before what its values have"
	case e.prefix == "" && e.leaf != nil:
		return "the reply is " + describe(e.leaf) + ", which has no fields to choose from"
	case e.inMap:
		return fmt.Sprintf("%s is a map; write %s.* for what its values have", clip(e.prefix, 128), clip(e.prefix, 128))
	case e.leaf != nil:
		return clip(e.prefix, 128) + " is " + describe(e.leaf) + ", so the path must end there"
	case formOf(e.in) != formObject:
		return fmt.Sprintf("%s has a JSON form of its own, so its fields cannot be named", e.in.FullName())
	}
	text := fmt.Sprintf("%s has no field %s", e.in.FullName(), quote(e.name))
	if meant := nearestName(e.in, e.name); meant != "" {
		text += "; did you mean " + clip(e.prefix, 128) + meant + "?"
	}
	return text
}
