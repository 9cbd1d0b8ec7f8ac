package program

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// moment appends a Timestamp or a Duration.
func (r *run) moment(dst []byte, t *table, c content) ([]byte, error) {
	var seconds, nanos uint64
	at := c.start
	for ok := true; ok; c, ok = r.following(c) {
		b := r.wire[:c.end]
		for i := c.start; i < len(b); {
			tag, value := uint64(b[i]), i+1
			if tag >= 0x80 {
				tag, value = longVarint(b, i)
			}
			if value < 0 || numberOf(tag) == 0 {
				return dst, t.fault(i)
			}
			switch tag {
			case 1<<3 | uint64(protowire.VarintType):
				seconds, i = varint(b, value)
			case 2<<3 | uint64(protowire.VarintType):
				nanos, i = varint(b, value)
			default:
				i = r.skip(b, value, tag)
			}
			if i < 0 {
				return dst, t.fault(value)
			}
		}
	}
	write := appendDuration
	if t.kind == kindTimestamp {
		write = appendTimestamp
	}
	dst, err := write(dst, int64(seconds), int32(nanos))
	if err != nil && !r.unseen {
		return dst, &fault{t.md.FullName(), at, err}
	}
	return dst, nil
}

// wrapper appends the value of Int32Value and the like.
func (r *run) wrapper(dst []byte, t *table, c content) ([]byte, error) {
	f := &t.fields[0]
	last, end := -1, 0 // the last value
	for ok := true; ok; c, ok = r.following(c) {
		b := r.wire[:c.end]
		for i := c.start; i < len(b); {
			tag, value := varint(b, i)
			if value < 0 || numberOf(tag) == 0 {
				return dst, t.fault(i)
			}
			if i = r.skip(b, value, tag); i < 0 {
				return dst, t.fault(value)
			}
			if tag>>3 != uint64(f.number) || protowire.Type(tag&7) != f.wire {
				continue
			}
			if last >= 0 {
				if err := f.replaced(r.wire, last); err != nil {
					return dst, err
				}
			}
			last, end = value, i
		}
	}
	if last < 0 {
		return append(dst, f.blank...), nil
	}
	dst, _, err := r.one(dst, f, r.wire[:end], last, 0)
	return dst, err
}

var (
	errPath    = errors.New("invalid path")
	errPathWay = errors.New("irreversible path: in lowerCamelCase it would be that of another field")
)

// fieldMask appends the paths of a FieldMask in lowerCamelCase, separated by commas, as one string.
func (r *run) fieldMask(dst []byte, t *table, c content) ([]byte, error) {
	f := &t.fields[0]
	dst = append(dst, '"')
	first := len(dst)
	for ok := true; ok; c, ok = r.following(c) {
		b := r.wire[:c.end]
		for i := c.start; i < len(b); {
			tag, value := varint(b, i)
			if value < 0 || numberOf(tag) == 0 {
				return dst, t.fault(i)
			}
			if i = r.skip(b, value, tag); i < 0 {
				return dst, t.fault(value)
			}
			if tag != f.tag {
				continue
			}
			if err := f.replaced(b, value); err != nil {
				return dst, err
			}
			if len(dst) > first {
				dst = append(dst, ',')
			}
			start, _ := delimited(b, value)
			var err error
			if dst, err = appendPath(dst, b[start:i]); err != nil && !r.unseen {
				return dst, f.fails(start, err)
			}
		}
	}
	return append(dst, '"'), nil
}

// appendPath appends a path of a field mask in lowerCamelCase: each underscore goes, and the letter behind it becomes
// a capital. That can be undone if each underscore has a small letter behind it and there are no capitals.
func appendPath(dst, path []byte) ([]byte, error) {
	if !isPath(path) {
		return dst, errPath
	}
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '_':
			i++
			if i == len(path) || path[i] < 'a' || path[i] > 'z' {
				return dst, errPathWay
			}
			c = path[i] - 'a' + 'A'
		case 'A' <= c && c <= 'Z':
			return dst, errPathWay
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// isPath tells whether path is identifiers separated by dots.
func isPath(path []byte) bool {
	first := true // of an identifier
	for _, c := range path {
		switch {
		case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', !first && '0' <= c && c <= '9':
			first = false
		case c == '.' && !first:
			first = true
		default:
			return false
		}
	}
	return !first
}
