package program

import "google.golang.org/protobuf/reflect/protoreflect"

// node is a field that path, query or body bind, or a message on the way to such fields. The nodes of a request are a
// tree, in one slice; the first is the message itself. A binding's own nodes are made when it is compiled and copied
// for each request, which adds those of its query.
type node struct {
	f           *field
	child, last int32 // the first of the fields inside, and the last; 0 is none
	next        int32 // the next field of the same message
	bound       bool  // path or query set the field
	file        bool  // by the file of a form, which is all of it
	body        bool  // the body is the field
	touched     bool  // the message is there, whatever is in it
	done        bool  // the body has it, and it is written

	first, end int32  // the values that are bound: the first, and the last, from 1
	name       []byte // as the client, or the template, names the field
}

// none is no node.
const none = -1

// boundValue is one value in decoder.content, as it stands behind its tag.
type boundValue struct {
	start, end int
	next       int32 // the next value of the same list, from 1
}

// child returns the node of a field of the message at n, or none.
func (d *decoder) child(n int32, f *field) int32 { return childOf(d.nodes, n, f) }

func childOf(nodes []node, n int32, f *field) int32 {
	for c := nodes[n].child; c != 0; c = nodes[c].next {
		if nodes[c].f.number == f.number {
			return c
		}
	}
	return none
}

// addChild returns the node of a field of the message at n, which it makes if need be.
func addChild(nodes []node, n int32, f *field, name []byte) ([]node, int32) {
	if c := childOf(nodes, n, f); c != none {
		return nodes, c
	}
	c := int32(len(nodes))
	nodes = append(nodes, node{f: f, name: name})
	if nodes[n].child == 0 {
		nodes[n].child = c
	} else {
		nodes[nodes[n].last].next = c
	}
	nodes[n].last = c
	return nodes, c
}

// addPath returns the node that fds lead to from a message of type t.
func addPath(nodes []node, t *table, fds []protoreflect.FieldDescriptor, name string) ([]node, int32, error) {
	n := int32(0)
	for _, fd := range fds {
		if err := t.ready(); err != nil {
			return nil, 0, err
		}
		f := t.byNumber(fd.Number())
		nodes, n = addChild(nodes, n, f, []byte(name))
		t = f.message
	}
	return nodes, n, nil
}

// bind adds the last bytes of content, from start on, to the values of a node.
func (d *decoder) bind(n int32, start int) {
	d.values = append(d.values, boundValue{start: start, end: len(d.content)})
	v := int32(len(d.values))
	if k := &d.nodes[n]; k.first == 0 {
		k.first, k.end = v, v
	} else {
		d.values[k.end-1].next, k.end = v, v
	}
}

// rest appends the fields below node n, a message of type t, that are not written yet. base is where the message's bits
// are. It returns how many of them are required, or -1 if the text is refused.
func (d *decoder) rest(dst []byte, n int32, t *table, base int) (out []byte, required int) {
	for c := d.nodes[n].child; c != 0; c = d.nodes[c].next {
		if d.nodes[c].done {
			continue
		}
		start, ok := len(dst), true
		if dst, ok = d.bindNode(dst, c); !ok {
			return dst, -1
		}
		f := d.nodes[c].f
		if len(dst) == start {
			continue
		}
		if f.required {
			required++
		}
		d.mark(base, t.oneofs+f.index)
		if f.oneof != 0 && !d.mark(base, f.oneof-1) {
			d.tell(invalid(ReasonParameterConflict, string(d.nodes[c].name), d.rivals(t, f, base)))
		}
	}
	return dst, required
}

// bindNode appends the field of one node.
func (d *decoder) bindNode(dst []byte, n int32) ([]byte, bool) {
	k := &d.nodes[n]
	switch {
	case k.body:
		start := len(dst)
		dst, ok := d.bodyField(dst, n)
		if ok && k.bound {
			dst = d.appendBound(d.compare(dst, start, n), n)
		}
		return dst, ok
	case k.bound:
		return d.appendBound(dst, n), true
	case d.noBody && !d.alive(n):
		return dst, true
	}
	f := k.f
	dst = appendTag(dst, f.tag)
	if f.op == opMessage {
		dst = append(dst, 0)
	}
	at := len(dst)
	base := len(d.bits)
	d.reserve(f.message)
	dst, required := d.rest(dst, n, f.message, base)
	if required < 0 {
		return dst, false
	}
	if required < f.message.required {
		d.missing(f.message, base, string(k.name))
	}
	d.bits = d.bits[:base]
	if f.op == opGroup {
		return appendTag(dst, groupEnd(f.tag)), true
	}
	return closeLength(dst, at, 1), true
}

// alive tells whether n, or anything below, is set by path or query.
func (d *decoder) alive(n int32) bool {
	if d.nodes[n].touched {
		return true
	}
	for c := d.nodes[n].child; c != 0; c = d.nodes[c].next {
		if d.nodes[c].bound || d.alive(c) {
			return true
		}
	}
	return false
}

// appendBound appends the values of a node.
func (d *decoder) appendBound(dst []byte, n int32) []byte {
	k := &d.nodes[n]
	f := k.f
	start := len(dst)
	if f.packed && k.first != 0 {
		dst = append(appendTag(dst, f.tag), 0)
		start = len(dst)
	}
	for v := k.first; v != 0; v = d.values[v-1].next {
		content := d.content[d.values[v-1].start:d.values[v-1].end]
		if f.card == cardSingle && !f.presence && isZero(content, f.wire) {
			return dst
		}
		if !f.packed {
			dst = appendTag(dst, f.tag)
		}
		dst = append(dst, content...)
	}
	if f.packed && k.first != 0 {
		return closeLength(dst, start, 1)
	}
	return dst
}

// compare takes what the body has for a bound field, dst[start:], away again. If it is another value, that is an error,
// or ignored when lenient. A zero of a field without presence is no value.
func (d *decoder) compare(dst []byte, start int, n int32) []byte {
	if middle := len(dst); middle > start {
		if dst = d.appendBound(dst, n); string(dst[start:middle]) != string(dst[middle:]) {
			if d.lenient {
				d.ignored++
			} else {
				d.tell(invalid(ReasonParameterConflict, string(d.nodes[n].name),
					"the body has another value for this field than the path; leave it out of the body"))
			}
		}
	}
	return dst[:start]
}

// missing tells that a required field of a message of type t is not set. The message's bits are at base; place is where
// it stands.
func (d *decoder) missing(t *table, base int, place string) {
	if d.late != nil {
		return
	}
	for i := range t.fields {
		bit := t.oneofs + i
		if f := &t.fields[i]; f.required && d.bits[base+bit>>6]&(1<<(bit&63)) == 0 {
			d.tell(invalid(ReasonMissingField, place, "required field "+string(f.fd.FullName())+" is not set"))
			return
		}
	}
	d.tell(invalid(ReasonMissingField, place, "a required field of "+string(t.md.FullName())+" is null"))
}
