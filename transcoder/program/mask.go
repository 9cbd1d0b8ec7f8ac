package program

import "google.golang.org/protobuf/reflect/protoreflect"

// updateMask returns the field mask that is inferred when a PATCH leaves it unset: the only field mask of the request,
// if the body is one field that is a message of fields. It is nil if there is nothing to infer.
func (r *Request) updateMask() protoreflect.FieldDescriptor {
	f := r.body.field
	if f == nil || f.leaf().Cardinality() == protoreflect.Repeated || f.leaf().Message() == nil ||
		formOf(f.leaf().Message()) != formObject {
		return nil
	}
	var mask protoreflect.FieldDescriptor
	for i := range r.table.md.Fields().Len() {
		fd := r.table.md.Fields().Get(i)
		if fd.IsMap() || !isWellKnown(fd, "FieldMask") {
			continue
		}
		od := fd.ContainingOneof()
		if mask != nil || fd.IsList() || od != nil && !od.IsSynthetic() {
			return nil
		}
		mask = fd
	}
	return mask
}

// named appends the field of a PATCH's body that was named at the place at, and adds to the mask what is set by it: the
// field, or those inside. Paths are relative to the body's field, in proto names. child is its node, or none. What the path sets is
// not in the mask, but grpc-gateway lists all that the body has.
func (d *decoder) named(dst []byte, at, i int, f *field, child int32) ([]byte, int) {
	mark, inside := d.descend(at, f)
	if mark < 0 {
		return dst, -1
	}
	inside = inside && !d.isEmptyObject(i)
	d.masked, d.dropped = inside, false
	start := i
	if child != none {
		dst, i = d.overlaid(dst, i, f, child)
	} else {
		dst, i = d.field(dst, i, f)
	}
	dropped := d.dropped && f.card == cardSingle && f.enum != nil
	if d.loose && i >= 0 && f.card != cardMap && f.message != nil && (f.message.kind == kindStruct || f.message.kind == kindValue) {
		d.collectInside(d.text[start:i])
	} else if !inside && (d.loose || !dropped && (child == none || !d.nodes[child].bound)) {
		d.collect()
	}
	d.masked, d.prefix = true, d.prefix[:mark]
	return dst, i
}

// nameNull adds a field to the mask that is null, and so cleared.
func (d *decoder) nameNull(at, i int, f *field, child int32) int {
	mark, _ := d.descend(at, f)
	if mark < 0 {
		return -1
	}
	if d.loose || child == none || !d.nodes[child].bound {
		d.collect()
	}
	d.prefix = d.prefix[:mark]
	return i
}

// descend adds a field to the path. inside tells that the mask names the fields inside rather than the field. It returns
// where the path ended, or -1 if the field cannot be in a mask.
func (d *decoder) descend(at int, f *field) (mark int, inside bool) {
	if f.extension {
		d.fail(nil, at, "the extension "+string(f.fd.FullName())+" cannot be named in an inferred update mask; send the mask")
		return -1, false
	}
	mark = len(d.prefix)
	if mark > 0 {
		d.prefix = append(d.prefix, '.')
	}
	d.prefix = append(d.prefix, f.fd.Name()...)
	inside = f.card == cardSingle && f.message != nil && f.message.ready() == nil && f.message.form == formObject && !f.message.isEmpty()
	return mark, inside
}

// collect adds the path to the mask.
func (d *decoder) collect() {
	d.paths = append(d.paths, tagPath)
	d.paths = appendTag(d.paths, uint64(len(d.prefix)))
	d.paths = append(d.paths, d.prefix...)
}

// isEmptyObject tells whether {} is at text[i].
func (d *decoder) isEmptyObject(i int) bool {
	return d.at(i) == '{' && d.at(space(d.text, i+1)) == '}'
}
