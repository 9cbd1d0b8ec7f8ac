package program

import "google.golang.org/protobuf/encoding/protowire"

// inOrder appends the fields of a message whose wire has them in the order of their declaration, singular ones at most
// once and repeated ones in one run. If it meets anything else it returns errOrder; what it appended is to be cut off.
func (r *run) inOrder(dst []byte, t *table, c content, levels int) ([]byte, error) {
	b := r.wire[:c.end]
	next := 0 // the index from which on fields may still come
	oneof, required := 0, 0
	var extension *field // the last one
	for i := c.start; i < len(b); {
		tag, value := uint64(b[i]), i+1
		if tag >= 0x80 {
			tag, value = longVarint(b, i)
		}
		if value < 0 {
			return dst, t.fault(i)
		}
		var f *field
		if next < len(t.fields) && t.fields[next].tag == tag {
			f = &t.fields[next] // most fields are the one behind the last: no look-up
		} else {
			var err error
			if f, err = r.find(t, tag, i); err != nil {
				return dst, err
			}
			if f == nil {
				if i = r.skip(b, value, tag); i < 0 {
					return dst, t.fault(value)
				}
				continue
			}
			if f.extension {
				if extension != nil && extension.fd.FullName() >= f.fd.FullName() {
					return dst, errOrder
				}
				extension = f
			} else if f.index < next {
				return dst, errOrder
			}
			if t.style.defaults() {
				dst = t.appendDefaults(dst, next, f.index)
			}
			next = min(f.index, len(t.fields))
		}
		if f.marked {
			if f.closed(b, value) {
				i = r.skip(b, value, tag)
				continue
			}
			if f.oneof != 0 && f.oneof == oneof {
				return dst, errOrder
			}
			oneof = f.oneof
			if f.required {
				required++
			}
			if f.hidden {
				if i = r.skip(b, value, tag); i < 0 {
					return dst, t.fault(value)
				}
				continue
			}
		}
		if next < len(t.fields) {
			next++
		}
		var err error
		switch f.card {
		case cardSingle:
			dst, i, err = r.single(dst, f, b, value, levels)
		case cardList:
			dst, i, err = r.list(dst, f, b, i, levels)
		default:
			dst, i, err = r.mapping(dst, f, b, i, levels)
		}
		if err != nil {
			return dst, err
		}
	}
	if required < t.required && !r.partial {
		return dst, t.missing(c)
	}
	if t.style.defaults() {
		dst = t.appendDefaults(dst, next, len(t.fields))
	}
	return dst, nil
}

// appendDefaults appends what stands for the fields from index from up to index to, which are not set.
func (t *table) appendDefaults(dst []byte, from, to int) []byte {
	for ; from < min(to, len(t.fields)); from++ {
		dst = append(dst, t.fields[from].absent...)
	}
	return dst
}

// missing says that a required field is not there. Which one is not worth the time to find out.
func (t *table) missing(c content) error {
	return &fault{t.md.FullName(), c.start, errUnset}
}

// closed tells whether the value at b[i] of a field is a number that its closed enum does not have: then it is an
// unknown field.
func (f *field) closed(b []byte, i int) bool {
	if f.op != opEnum || f.card != cardSingle || !f.enum.closed {
		return false
	}
	v, i := varint(b, i)
	return i >= 0 && f.enum.unknown(v)
}

// list appends a repeated field: the run of values at b[i], where its first tag stands, and returns where the run ends.
func (r *run) list(dst []byte, f *field, b []byte, i, levels int) ([]byte, int, error) {
	start := len(dst)
	dst = append(dst, f.key...)
	first := len(dst)
	dst, i, err := r.elements(dst, f, b, i, levels)
	return closeList(dst, f, start, first), i, err
}

// closeList makes a list of elements that were appended from first on, each with a comma before it. Without elements
// the field, whose key stands at start, is not set.
func closeList(dst []byte, f *field, start, first int) []byte {
	if len(dst) == first {
		return append(dst[:start], f.absent...)
	}
	dst[first] = '['
	return append(dst, ']')
}

// elements appends the run of values of f at b[i], where its first tag stands, each with a comma before it.
func (r *run) elements(dst []byte, f *field, b []byte, i, levels int) ([]byte, int, error) {
	for i < len(b) {
		tag, value := uint64(b[i]), i+1
		if tag >= 0x80 {
			tag, value = longVarint(b, i)
		}
		if value < 0 {
			return dst, i, f.fault(i)
		}
		if numberOf(tag) != f.number || !f.takes(protowire.Type(tag&7)) {
			break
		}
		var err error
		if protowire.Type(tag&7) == f.wire {
			dst, i, err = r.element(dst, f, b, value, levels)
		} else {
			dst, i, err = r.packed(dst, f, b, value)
		}
		if err != nil {
			return dst, i, err
		}
	}
	return dst, i, nil
}

// packed appends the values of a packed run, whose length stands at b[i].
func (r *run) packed(dst []byte, f *field, b []byte, i int) ([]byte, int, error) {
	i, end := delimited(b, i)
	if end < 0 {
		return dst, i, f.fault(i)
	}
	b = b[:end]
	var err error
	for i < end && err == nil {
		dst, i, err = r.element(dst, f, b, i, 0)
	}
	return dst, i, err
}

// element appends the value at b[i] with a comma before it, or nothing if it is none: an unknown value of a closed enum.
func (r *run) element(dst []byte, f *field, b []byte, i, levels int) ([]byte, int, error) {
	start := len(dst)
	dst, i, err := r.one(append(dst, ','), f, b, i, levels)
	if len(dst) == start+1 {
		dst = dst[:start]
	}
	return dst, i, err
}
