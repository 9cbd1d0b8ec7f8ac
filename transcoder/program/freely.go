package program

import "google.golang.org/protobuf/encoding/protowire"

// The numbers of the fields of google.protobuf.Value.
const (
	valueNull = 1 + iota
	valueNumber
	valueString
	valueBool
	valueStruct
	valueList
)

// value appends a google.protobuf.Value: JSON of any kind.
func (d *decoder) value(dst []byte, i int, t *table) ([]byte, int) {
	number := protowire.Number(valueNumber)
	switch d.at(i) {
	case 'n':
		number = valueNull
	case '"':
		number = valueString
	case 't', 'f':
		number = valueBool
	case '{':
		number = valueStruct
	case '[':
		number = valueList
	default:
		if numberEnd(d.text, i) < 0 {
			return d.wrong(dst, i, "a JSON value")
		}
	}
	return d.single(dst, i, t.byNumber(number), none)
}

// typeScan remembers where the objects of a text have their "@type", of those that were looked through to find the
// "@type" of an object around them. So no part of a text is looked through more than once.
type typeScan struct {
	places map[int]int // where an object starts → where the value of its first "@type" does
	end    int         // up to where the text was looked through
}

func (s *typeScan) note(object, place int) {
	if s.places == nil {
		s.places = map[int]int{}
	}
	if _, ok := s.places[object]; !ok {
		s.places[object] = place
	}
}

// any appends a google.protobuf.Any: an object with the fields of the message that it holds, or with that message's
// own JSON form under "value", and a "@type" that may stand anywhere in it.
func (d *decoder) any(dst []byte, i int) ([]byte, int) {
	if d.at(i) != '{' {
		return d.wrong(dst, i, `an object with "@type"`)
	}
	place, next := d.typePlace(i)
	if next < 0 {
		return dst, -1
	}
	if place < 0 {
		return d.untyped(dst, i)
	}
	if d.at(place) != '"' {
		return d.wrong(dst, place, `a string, the type that "@type" names`)
	}
	url, next := d.str(place)
	if next < 0 {
		return dst, -1
	}
	t, err := d.compiler.tableByURL(url, 0)
	if err != nil {
		return d.fail(dst, place, "unable to resolve "+quote(string(url)))
	}
	if err := t.ready(); err != nil {
		return d.fail(dst, place, err.Error())
	}
	const tagURL, tagValue = 1<<3 | byte(protowire.BytesType), 2<<3 | byte(protowire.BytesType)
	dst = appendTag(append(dst, tagURL), uint64(len(url)))
	dst = append(dst, url...)
	start := len(dst)
	dst = append(dst, tagValue, 0)
	partial, masked := d.partial, d.masked
	d.partial, d.masked = true, false
	if t.kind == ordinary && !t.isEmpty() {
		dst, i = d.object(dst, i, t, none, true)
	} else {
		dst, i = d.anyValue(dst, i, t)
	}
	d.partial, d.masked = partial, masked
	if len(dst) == start+2 {
		return dst[:start], i
	}
	return closeLength(dst, start+2, 1), i
}

// typePlace returns where the value of "@type" is in the object at s[i], -1 if there is none. next is -1 if the text is
// refused.
func (d *decoder) typePlace(i int) (place, next int) {
	first := space(d.text, i+1)
	if d.at(first) == '"' {
		name, next := d.nameAt(first)
		if next < 0 {
			return -1, -1
		}
		if string(name) == "@type" {
			return space(d.text, next), next
		}
	}
	if i >= d.types.end {
		depth := d.depth
		if next = d.skipInside(i, '}', true); next < 0 {
			return -1, -1
		}
		d.types.end, d.depth = next, depth
	}
	if place, ok := d.types.places[i]; ok {
		return place, i
	}
	return -1, i
}

// untyped is any for an object without a "@type": {} is an empty Any, and what a lenient program finds is unknown.
func (d *decoder) untyped(dst []byte, i int) ([]byte, int) {
	start := i
	if i = d.open(i); i < 0 {
		return dst, -1
	}
	if d.at(i) == '}' {
		d.depth--
		return dst, i + 1
	}
	if !d.lenient {
		return d.fail(dst, start, `google.protobuf.Any without "@type", which names the type of the message`)
	}
	for more := true; more; {
		if _, i = d.nameAt(i); i < 0 {
			return dst, -1
		}
		d.ignored++
		if i = d.skip(space(d.text, i)); i < 0 {
			return dst, -1
		}
		if i, more = d.following(i, '}'); i < 0 {
			return dst, -1
		}
	}
	return dst, i
}

// anyValue appends a message that has a JSON form of its own: it stands under "value". google.protobuf.Empty may do
// without.
func (d *decoder) anyValue(dst []byte, i int, t *table) ([]byte, int) {
	start, found, typed := i, false, false
	if i = d.open(i); i < 0 {
		return dst, -1
	}
	for more := true; more; {
		at := i
		name, next := d.nameAt(i)
		if next < 0 {
			return dst, -1
		}
		i = space(d.text, next)
		switch {
		case string(name) == "@type" && !typed:
			typed = true
			i = d.skip(i)
		case string(name) == "value" && !found:
			found = true
			dst, i = d.message(dst, i, t, none)
		case string(name) == "@type", string(name) == "value":
			return d.fail(dst, at, "duplicate "+quote(string(name)))
		case d.unknown(at, name, nil):
			i = d.skip(i)
		default:
			return dst, -1
		}
		if i < 0 {
			return dst, -1
		}
		if i, more = d.following(i, '}'); i < 0 {
			return dst, -1
		}
	}
	if !found && !t.isEmpty() {
		return d.fail(dst, start, `an Any of `+string(t.md.FullName())+` needs a "value"`)
	}
	return dst, i
}

// isEmpty tells whether t is google.protobuf.Empty.
func (t *table) isEmpty() bool { return t.md.FullName() == "google.protobuf.Empty" }
