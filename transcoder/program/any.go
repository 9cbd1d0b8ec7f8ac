package program

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

var errNoURL = errors.New("a value without a type_url")

// any appends an Any: an object with "@type", and behind it the fields of the message within, or its "value" if that has
// a JSON form of its own.
func (r *run) any(dst []byte, t *table, c content, levels int) ([]byte, error) {
	url, value, err := r.anyParts(t, c)
	if err != nil || r.unseen {
		return dst, err
	}
	if url.start == url.end {
		if value.start < value.end {
			return dst, t.fields[1].fails(value.start, errNoURL)
		}
		return append(dst, '{', '}'), nil
	}
	inner, err := r.compiler.tableByURL(r.wire[url.start:url.end], r.style)
	if err == nil {
		err = inner.ready()
	}
	if err != nil {
		return dst, t.fields[0].fails(url.start, err)
	}
	dst, err = appendString(append(dst, `{"@type":`...), r.wire[url.start:url.end])
	if err != nil {
		return dst, t.fields[0].fails(url.start, err)
	}
	partial := r.partial
	r.partial = true
	switch {
	case inner.kind != ordinary:
		dst, err = r.message(append(dst, `,"value":`...), inner, value, levels-1)
	case levels <= 1:
		err = errDepth
	default:
		dst, err = r.fields(dst, inner, value, levels-1)
	}
	r.partial = partial
	return append(dst, '}'), err
}

// anyParts finds the type_url and the value of an Any.
func (r *run) anyParts(t *table, c content) (url, value content, err error) {
	for ok := true; ok; c, ok = r.following(c) {
		b := r.wire[:c.end]
		for i := c.start; i < len(b); {
			tag, at := varint(b, i)
			if at < 0 || numberOf(tag) == 0 {
				return url, value, t.fault(i)
			}
			if i = r.skip(b, at, tag); i < 0 {
				return url, value, t.fault(at)
			}
			if protowire.Type(tag&7) != protowire.BytesType {
				continue
			}
			start, _ := delimited(b, at)
			switch tag >> 3 {
			case 1:
				if err := t.fields[0].replaced(b, at); err != nil {
					return url, value, err
				}
				url = content{start: start, end: i}
			case 2:
				value = content{start: start, end: i}
			}
		}
	}
	return url, value, nil
}
