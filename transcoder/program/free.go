package program

import (
	"errors"
	"math"
)

// object appends a Struct: an object of the entries of its only field, a map.
func (r *run) object(dst []byte, t *table, c content, levels int) ([]byte, error) {
	f := &t.fields[0]
	entries := len(r.need().entries)
	for ok := true; ok; c, ok = r.following(c) {
		b := r.wire[:c.end]
		for i := c.start; i < len(b); {
			var err error
			if i, err = r.seek(t, f, b, i); err != nil {
				return dst, err
			}
			if i, err = r.entries(f, b, i, levels); err != nil {
				return dst, err
			}
		}
	}
	if len(r.scratch.entries) == entries {
		return append(dst, '{', '}'), nil
	}
	return r.appendMap(dst, f, len(dst), entries, levels)
}

// listValue appends a ListValue: a list of the elements of its only field.
func (r *run) listValue(dst []byte, t *table, c content, levels int) ([]byte, error) {
	f := &t.fields[0]
	first := len(dst)
	for ok := true; ok; c, ok = r.following(c) {
		b := r.wire[:c.end]
		for i := c.start; i < len(b); {
			var err error
			if i, err = r.seek(t, f, b, i); err != nil {
				return dst, err
			}
			if dst, i, err = r.elements(dst, f, b, i, levels); err != nil {
				return dst, err
			}
		}
	}
	if len(dst) == first {
		return append(dst, '[', ']'), nil
	}
	dst[first] = '['
	return append(dst, ']'), nil
}

// seek returns where the next tag of f stands at or behind b[i], len(b) if there is none. Between may be what t does not
// know.
func (r *run) seek(t *table, f *field, b []byte, i int) (int, error) {
	for i < len(b) {
		tag, value := varint(b, i)
		if value < 0 || numberOf(tag) == 0 {
			return i, t.fault(i)
		}
		if tag == f.tag {
			return i, nil
		}
		if i = r.skip(b, value, tag); i < 0 {
			return i, t.fault(value)
		}
	}
	return i, nil
}

var (
	errNoKind = errors.New("none of the kinds of a google.protobuf.Value is set")
	errFinite = errors.New("a google.protobuf.Value cannot be NaN or infinite")
)

// value appends a Value: any JSON. Its fields are one oneof.
func (r *run) value(dst []byte, t *table, c content, levels int) ([]byte, error) {
	b := r.wire[:c.end]
	if tag, value := varint(b, c.start); value >= 0 && c.more == 0 {
		if f, err := r.find(t, tag, c.start); err == nil && f != nil && r.skip(b, value, tag) == len(b) {
			return r.kind(dst, f, r.piece(f, b, c.start, value, len(b)), levels) // one field, as it should be
		}
	}
	s := r.need()
	slots, sparse, pieces := len(s.slots), len(s.sparse), len(s.pieces)
	if err := r.note(t, c, levels); err != nil {
		return dst, err
	}
	if len(s.slots) == slots {
		if r.unseen {
			return dst, nil
		}
		return dst, &fault{t.md.FullName(), c.start, errNoKind}
	}
	sl := s.slots[slots]
	dst, err := r.kind(dst, sl.f, s.pieces[sl.head], levels)
	s.slots, s.sparse, s.pieces = s.slots[:slots], s.sparse[:sparse], s.pieces[:pieces]
	return dst, err
}

// kind appends the field f of a Value.
func (r *run) kind(dst []byte, f *field, p piece, levels int) ([]byte, error) {
	if f.message != nil {
		return r.message(dst, f.message, content{int(p.start), int(p.end), p.next}, levels-1)
	}
	b, i := r.wire[:p.end], int(p.start)
	if f.op == opDouble {
		bits, end := fixed64(b, i)
		if v := math.Float64frombits(bits); end >= 0 && v-v != 0 && !r.unseen {
			return dst, f.fails(i, errFinite)
		}
	}
	dst, _, err := r.one(dst, f, b, i, levels)
	return dst, err
}
