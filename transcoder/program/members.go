package program

// object appends a message whose JSON is the object of its fields. over is the node of what path and query set in it.
// inAny says that "@type" is no field.
func (d *decoder) object(dst []byte, i int, t *table, over int32, inAny bool) ([]byte, int) {
	if d.at(i) != '{' {
		return d.wrong(dst, i, "an object, "+string(t.md.FullName()))
	}
	start, base := i, len(d.bits)
	d.reserve(t)
	if i = d.open(i); i < 0 {
		return dst, -1
	}
	more := d.at(i) != '}'
	if !more {
		d.depth--
		i++
	}
	required, expect, typed := 0, 0, false
	plain := over == none && !d.masked
	for more {
		at := i
		f, isType := (*field)(nil), false
		// Fields mostly come in the order of their declaration, some left out, and compact JSON has no space before the
		// colon: then a whole key is compared at once, and mostly the first.
		for k, last := expect, min(expect+keysAhead, len(t.fields)); k < last; k++ {
			if key := t.fields[k].key[1:]; len(d.text)-i > len(key) && string(d.text[i:i+len(key)]) == string(key) {
				f, i = &t.fields[k], i+len(key)
				break
			}
		}
		if f == nil {
			if f, isType, i = d.key(i, t, inAny); i < 0 {
				return dst, -1
			}
		}
		i = space(d.text, i)
		switch {
		case f != nil:
			expect = f.index + 1
			if !d.mark(base, t.oneofs+f.index) {
				return d.fail(dst, at, "duplicate field "+quoteKey(d.text, at))
			}
			start := len(dst)
			if plain && f.oneof == 0 && d.at(i) != 'n' {
				dst, i = d.field(dst, i, f)
			} else {
				dst, i = d.member(dst, at, i, t, f, over, base)
			}
			if f.required && len(dst) > start {
				required++
			}
		case isType && typed:
			return d.fail(dst, at, `duplicate "@type"`)
		default:
			typed = isType || typed
			i = d.skip(i)
		}
		if i < 0 {
			return dst, -1
		}
		if i, more = d.following(i, '}'); i < 0 {
			return dst, -1
		}
	}
	if over != none {
		var n int
		if dst, n = d.rest(dst, over, t, base); n < 0 {
			return dst, -1
		}
		required += n
	}
	if required < t.required && !d.partial && d.late == nil {
		d.missing(t, base, d.place(start))
	}
	d.bits = d.bits[:base]
	return dst, i
}

// keysAhead is how many fields are tried before a name is looked up. A list of messages with some fields left out is read
// in a quarter less time than with 1; 8 is no better than 4.
const keysAhead = 4

// member appends a field that takes more thought: it may be null, in a oneof, in the mask of a PATCH, or set by the path
// too. It was named at the place at, and its value is at i. base is where the message's bits are.
func (d *decoder) member(dst []byte, at, i int, t *table, f *field, over int32, base int) ([]byte, int) {
	child := int32(none)
	if over != none {
		child = d.child(over, f)
	}
	if d.loose && d.masked && f.card == cardSingle && f.message != nil && f.message.kind == kindAny && (d.at(i) == 'n' || d.isEmptyObject(i)) {
		return d.fail(dst, i, "no mask can name an Any without @type")
	}
	if d.at(i) == 'n' && !f.null {
		i = d.literal(i, "null")
		if d.masked && i >= 0 {
			i = d.nameNull(at, i, f, child)
		}
		return dst, i
	}
	bound := child != none && d.nodes[child].bound
	if f.oneof != 0 && !bound && !d.mark(base, f.oneof-1) {
		return d.fail(dst, at, d.rivals(t, f, base))
	}
	switch {
	case d.masked:
		return d.named(dst, at, i, f, child)
	case child != none:
		return d.overlaid(dst, i, f, child)
	}
	return d.field(dst, i, f)
}

// overlaid appends a field that path or query set too, or in which they set fields. What they set wins: it is appended
// with the rest, and what the body has for it is only compared.
func (d *decoder) overlaid(dst []byte, i int, f *field, child int32) ([]byte, int) {
	if !d.nodes[child].bound {
		d.nodes[child].done = true
		return d.single(dst, i, f, child)
	}
	start := len(dst)
	if dst, i = d.field(dst, i, f); i < 0 {
		return dst, -1
	}
	return d.compare(dst, start, child), i
}

// field appends a field of any kind that is not overlaid.
func (d *decoder) field(dst []byte, i int, f *field) ([]byte, int) {
	switch f.card {
	case cardSingle:
		return d.single(dst, i, f, none)
	case cardList:
		return d.list(dst, i, f)
	}
	return d.entries(dst, i, f)
}

// reserve makes room for the bits of a message of type t: those of its oneofs, then those of its fields.
func (d *decoder) reserve(t *table) {
	for n := t.oneofs + len(t.fields); n > 0; n -= 64 {
		d.bits = append(d.bits, 0)
	}
}

// mark sets a bit of the innermost message. It is false if the bit is set already. Extensions, which are found while
// the message is read, have bits behind those that were reserved.
func (d *decoder) mark(base, bit int) bool {
	word := base + bit>>6
	for word >= len(d.bits) {
		d.bits = append(d.bits, 0)
	}
	mask := uint64(1) << (bit & 63)
	if d.bits[word]&mask != 0 {
		return false
	}
	d.bits[word] |= mask
	return true
}

// rivals says that f and another member of its oneof are set.
func (d *decoder) rivals(t *table, f *field, base int) string {
	other, named := "another member", 0
	for i := range t.fields {
		bit := t.oneofs + i
		if g := &t.fields[i]; g.oneof == f.oneof && g.number != f.number && d.bits[base+bit>>6]&(1<<(bit&63)) != 0 {
			other = string(g.fd.Name())
			named++
		}
	}
	if named > 1 { // some are null, and it is not known which
		other = "another member"
	}
	return other + " and " + string(f.fd.Name()) + " are members of one oneof, " + string(f.fd.ContainingOneof().Name()) +
		"; send only one of them"
}

// key reads a name and its colon, where the expected name did not come. f is nil for names that are no fields: isType
// says that it is the "@type" of an Any, or else that it is unknown and to be ignored.
func (d *decoder) key(i int, t *table, inAny bool) (f *field, isType bool, next int) {
	name, next := d.nameAt(i)
	if next < 0 {
		return nil, false, -1
	}
	if inAny && string(name) == "@type" {
		return nil, true, next
	}
	if len(name) > 1 && name[0] == '[' && name[len(name)-1] == ']' {
		var err error
		if f, err = t.extensionByName(name[1 : len(name)-1]); err != nil {
			d.fail(nil, i, err.Error())
			return nil, false, -1
		}
	} else {
		f = t.byName(name)
	}
	if f == nil && !d.unknown(i, name, t) {
		return nil, false, -1
	}
	return f, false, next
}

// nameAt reads a name and its colon.
func (d *decoder) nameAt(i int) (name []byte, next int) {
	if d.at(i) != '"' {
		d.wrong(nil, i, "a name in double quotes")
		return nil, -1
	}
	if name, next = d.str(i); next < 0 {
		return nil, -1
	}
	if next = space(d.text, next); d.at(next) != ':' {
		d.wrong(nil, next, `":"`)
		return nil, -1
	}
	return name, next + 1
}

// unknown counts a name that is no field, or refuses it. t is nil if there can be no fields.
func (d *decoder) unknown(at int, name []byte, t *table) bool {
	if d.lenient && !(d.loose && d.masked) { // a mask cannot name it
		d.ignored++
		return true
	}
	text := "unknown field " + quote(string(name))
	if t != nil {
		text += " of " + string(t.md.FullName())
		if meant := nearest(string(name), t.spellings(name)); meant != "" {
			text += "; did you mean " + meant + "?"
		}
	}
	d.refuse(ReasonUnknownField, at, text)
	return false
}
