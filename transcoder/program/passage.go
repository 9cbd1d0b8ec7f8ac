package program

import (
	"encoding/base64"
	"io"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// passage is a run that hands what it has written over while it goes on, so that the text of a large message is never
// there as a whole. What was handed over cannot be taken back, so it knows two things before it writes a field:
//
// The place of each. It scans large messages, whose bytes it mostly skips, and leaves the rest to the fast way; where
// that fails the scan has the last word, as ever, but about that part alone.
//
// That something follows. What stands before the first part of an object or a list is a comma until the part is there.
// Then the bracket takes its place, and only then may the text leave.
type passage struct {
	run
	w io.Writer
	// held is how much text must be there before some of it leaves, chunk what it is after the first time. Messages,
	// lists, maps and texts of up to chunk bytes of wire are written as a whole.
	held, chunk int
	failed      error // of w
}

const (
	// heldBytes is how much of a reply there is before its client is told that all went well: what is wrong with a reply
	// of up to this size has its true status.
	heldBytes = 1 << 20
	// chunkBytes is what is worth a write of its own.
	chunkBytes = 64 << 10
)

// reply is run.reply. With a response_body all that is not shown is judged before anything leaves.
func (p *passage) reply(dst []byte, of *Response) ([]byte, error) {
	c := content{end: len(p.wire)}
	p.need()
	if of.only == nil {
		return p.message(dst, of.table, c, of.levels)
	}
	if err := p.noteAll(of.table, c, of.levels); err != nil {
		return dst, err
	}
	var only *slot
	required, slots := 0, p.scratch.slots
	for k := range slots {
		sl := &slots[k]
		if sl.f.required {
			required++
		}
		if sl.f.number == of.only.number {
			sl.f, only = of.only, sl
			continue
		}
		p.scan = true
		err := p.judgeSlot(*sl, of.levels)
		if p.scan = false; err != nil {
			return dst, err
		}
	}
	if required < of.table.required {
		return dst, of.table.missing(c)
	}
	shown := bracket{}
	if only != nil {
		var err error
		if dst, err = p.field(dst, len(dst), *only, of.levels, &shown); err != nil {
			return dst, err
		}
	}
	if !shown.open {
		dst = append(dst, of.absent...)
	}
	return dst, nil
}

// bracket is what an object or a list starts with, once something is in it. The zero bracket belongs to a value that
// stands alone.
type bracket struct {
	char byte
	open bool
}

// behind opens the bracket if a part stands at dst[at]. Only the first one changes anything.
func (b *bracket) behind(dst []byte, at int) {
	if !b.open && len(dst) > at {
		b.open = true
		if b.char != 0 {
			dst[at] = b.char
		}
	}
}

// pass hands over what is written, if that is enough. Everything that is open must have its bracket.
func (p *passage) pass(dst []byte) ([]byte, error) {
	if len(dst) < p.held {
		return dst, nil
	}
	p.held = p.chunk
	if _, p.failed = p.w.Write(dst); p.failed != nil {
		return dst, p.failed
	}
	return dst[:0], nil
}

// noteAll is note. It does not give up.
func (p *passage) noteAll(t *table, c content, levels int) error {
	p.scan = true
	err := p.note(t, c, levels)
	p.scan = false
	return err
}

// sure appends a part of the message, by the fast way if that goes well.
func (p *passage) sure(dst []byte, part func([]byte) ([]byte, error)) ([]byte, error) {
	s := p.scratch
	slots, sparse, pieces, entries := len(s.slots), len(s.sparse), len(s.pieces), len(s.entries)
	out, err := part(dst)
	if err == nil {
		return out, nil
	}
	s.slots, s.sparse, s.pieces, s.entries = s.slots[:slots], s.sparse[:sparse], s.pieces[:pieces], s.entries[:entries]
	p.scan, p.partial, p.unseen = true, false, false
	out, err = part(dst)
	p.scan = false
	return out, err
}

// large tells whether a field's pieces are too large to be written as a whole.
func (p *passage) large(first uint32) bool {
	size := 0
	for at := first; at != 0 && size <= p.chunk; at = p.scratch.pieces[at].next {
		size += int(p.scratch.pieces[at].end - p.scratch.pieces[at].start)
	}
	return size > p.chunk
}

// message is run.message. Messages with a JSON form of their own are written as a whole.
func (p *passage) message(dst []byte, t *table, c content, levels int) ([]byte, error) {
	if levels <= 0 {
		return dst, errDepth
	}
	if err := t.ready(); err != nil {
		return dst, err
	}
	if t.kind == ordinary {
		return p.object(dst, t, c, levels)
	}
	return p.sure(dst, func(dst []byte) ([]byte, error) { return p.run.message(dst, t, c, levels) })
}

// object is run.scanned, brackets included.
func (p *passage) object(dst []byte, t *table, c content, levels int) ([]byte, error) {
	s := p.scratch
	slots, sparse, pieces := len(s.slots), len(s.sparse), len(s.pieces)
	if err := p.noteAll(t, c, levels); err != nil {
		return dst, err
	}
	fields := s.slots[slots:]
	sortSlots(fields)
	required := 0
	for _, sl := range fields {
		if sl.f.required {
			required++
		}
	}
	if required < t.required {
		return dst, t.missing(c)
	}
	next, brace := 0, bracket{char: '{'}
	for _, sl := range fields {
		at := len(dst)
		if t.style.defaults() {
			dst = t.appendDefaults(dst, next, sl.f.index)
		}
		next = sl.f.index + 1
		if sl.f.hidden {
			brace.behind(dst, at)
			continue
		}
		var err error
		if dst, err = p.field(dst, at, sl, levels, &brace); err != nil {
			return dst, err
		}
	}
	at := len(dst)
	if t.style.defaults() {
		dst = t.appendDefaults(dst, next, len(t.fields))
	}
	brace.behind(dst, at)
	s.slots, s.sparse, s.pieces = s.slots[:slots], s.sparse[:sparse], s.pieces[:pieces]
	if !brace.open {
		dst = append(dst, '{')
	}
	return append(dst, '}'), nil
}

// field is run.slot. What belongs to the object around it, and has not left, starts at dst[at].
func (p *passage) field(dst []byte, at int, sl slot, levels int, around *bracket) ([]byte, error) {
	f, err := sl.f, error(nil)
	switch {
	case !p.large(sl.head), f.isNumber() && f.card == cardSingle:
		dst, err = p.sure(dst, func(dst []byte) ([]byte, error) { return p.slot(dst, sl, levels) })
	case f.card == cardList:
		dst, err = p.list(dst, at, sl, levels, around)
	case f.card == cardMap:
		dst, err = p.mapping(dst, at, sl, levels, around)
	default:
		dst = append(dst, f.key...)
		around.behind(dst, at)
		around.open = true // without a key, too: the value is there
		c := p.scratch.content(sl.head)
		if f.message == nil {
			c.start, c.end = delimited(p.wire[:c.end], c.start)
		}
		dst, err = p.value(dst, f, c, levels)
	}
	if err != nil {
		return dst, err
	}
	around.behind(dst, at)
	return p.pass(dst)
}

// value appends a large value: a message, a string or bytes.
func (p *passage) value(dst []byte, f *field, c content, levels int) ([]byte, error) {
	switch f.op {
	case opString:
		return p.text(dst, f, c)
	case opBytes:
		return p.bytes(dst, c)
	}
	return p.message(dst, f.message, c, levels-1)
}

// list appends a large repeated field, key and value.
func (p *passage) list(dst []byte, at int, sl slot, levels int, around *bracket) ([]byte, error) {
	start, square := len(dst), bracket{char: '['}
	dst = append(dst, sl.f.key...)
	for piece := sl.head; piece != 0; piece = p.scratch.pieces[piece].next {
		b, i := p.wire[:p.scratch.pieces[piece].end], int(p.scratch.pieces[piece].start)
		for i < len(b) {
			tag, value := varint(b, i)
			values, last := b, value // where the last value starts, at least
			if i = value; protowire.Type(tag&7) != sl.f.wire {
				i, last = delimited(b, value) // a packed run
				values, last = b[:last], last-1
			}
			for i <= last {
				first := len(dst)
				var err error
				if dst, i, err = p.element(dst, sl.f, values, i, levels, func(dst []byte) {
					square.behind(dst, first)
					around.behind(dst, at)
				}); err != nil {
					return dst, err
				}
			}
		}
	}
	if !square.open {
		return append(dst[:start], sl.f.absent...), nil
	}
	return append(dst, ']'), nil
}

// element is run.element. begun is called before anything leaves.
func (p *passage) element(dst []byte, f *field, b []byte, i, levels int, begun func([]byte)) (out []byte, next int, err error) {
	c, next := p.extent(f, b, i)
	at := len(dst)
	switch {
	case c.end-c.start > p.chunk:
		dst = append(dst, ',')
		begun(dst)
		dst, err = p.value(dst, f, c, levels)
		return dst, next, err
	case f.message == nil:
		dst, next, err = p.run.element(dst, f, b, i, levels)
	default:
		dst, err = p.sure(dst, func(dst []byte) ([]byte, error) {
			dst, _, err := p.run.element(dst, f, b, i, levels)
			return dst, err
		})
	}
	if err != nil || len(dst) == at {
		return dst, next, err
	}
	begun(dst)
	dst, err = p.pass(dst)
	return dst, next, err
}

// extent returns where the content of the value at b[i] is and where the value ends, both only if it may be large. The
// value is whole.
func (p *passage) extent(f *field, b []byte, i int) (c content, next int) {
	switch {
	case f.isNumber():
		return content{}, i
	case f.op == opGroup:
		c.start = i
		c.end, next = p.group(b, i, uint64(f.number))
		return c, next
	}
	c.start, c.end = delimited(b, i)
	return c, c.end
}

// isNumber tells whether a value of f is never large.
func (f *field) isNumber() bool { return f.message == nil && f.op != opString && f.op != opBytes }

// mapping appends a large map, key and value. Its entries are written as a whole.
func (p *passage) mapping(dst []byte, at int, sl slot, levels int, around *bracket) ([]byte, error) {
	f, s := sl.f, p.scratch
	start, first, brace := len(dst), len(s.entries), bracket{char: '{'}
	dst = append(dst, f.key...)
	for piece := sl.head; piece != 0; piece = s.pieces[piece].next {
		if _, err := p.entries(f, p.wire[:s.pieces[piece].end], int(s.pieces[piece].start), levels); err != nil {
			return dst, err
		}
	}
	entries := s.entries[first:]
	p.sortEntries(entries)
	for k := range entries {
		e, from := &entries[k], len(dst)
		var err error
		dst, err = p.sure(dst, func(dst []byte) ([]byte, error) {
			if k+1 < len(entries) && p.sameKey(e, &entries[k+1]) {
				return dst, p.replacedEntry(f, e, levels)
			}
			return p.appendEntry(append(dst, ','), f, e, levels)
		})
		if err != nil {
			return dst, err
		}
		if brace.behind(dst, from); brace.open {
			around.behind(dst, at)
			if dst, err = p.pass(dst); err != nil {
				return dst, err
			}
		}
	}
	s.entries = s.entries[:first]
	if !brace.open {
		return append(dst[:start], f.absent...), nil
	}
	return append(dst, '}'), nil
}

// text appends a large string.
func (p *passage) text(dst []byte, f *field, c content) ([]byte, error) {
	s := p.wire[c.start:c.end]
	if !utf8.Valid(s) {
		return dst, f.fails(c.start, errUTF8)
	}
	dst = append(dst, '"')
	for len(s) > 0 {
		n := min(len(s), p.chunk)
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n++
		}
		at := len(dst)
		var err error
		if dst, err = appendString(dst, s[:n]); err != nil {
			return dst, err
		}
		dst = append(dst[:at], dst[at+1:len(dst)-1]...) // its quotes
		if dst, err = p.pass(dst); err != nil {
			return dst, err
		}
		s = s[n:]
	}
	return append(dst, '"'), nil
}

// bytes appends large bytes.
func (p *passage) bytes(dst []byte, c content) ([]byte, error) {
	b := p.wire[c.start:c.end]
	dst = append(dst, '"')
	for len(b) > 0 {
		n := min(len(b), (p.chunk+2)/3*3) // base64 makes four characters of three bytes
		dst = base64.StdEncoding.AppendEncode(dst, b[:n])
		var err error
		if dst, err = p.pass(dst); err != nil {
			return dst, err
		}
		b = b[n:]
	}
	return append(dst, '"'), nil
}
