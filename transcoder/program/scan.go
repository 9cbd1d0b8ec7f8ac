package program

import (
	"slices"
	"strings"
)

// slot is one field that a scanned message has, or one oneof, of which the last member counts.
type slot struct {
	f *field
	// head and tail are the first and the last of the field's pieces.
	head, tail uint32
}

// piece is where in the wire part of a field stands, by its kind: the value of a singular scalar, of which there is one
// piece; the content of a message; or a run of occurrences of a repeated field or a map, tags included.
type piece struct {
	start, end uint32
	next       uint32 // index of the next piece, 0 for none
}

// scanned appends the fields of a message whatever their order on the wire: it notes where they are, and then writes
// them in the order of their declaration.
func (r *run) scanned(dst []byte, t *table, c content, levels int) ([]byte, error) {
	s := r.need()
	slots, sparse, pieces := len(s.slots), len(s.sparse), len(s.pieces)
	if err := r.note(t, c, levels); err != nil {
		return dst, err
	}
	sortSlots(s.slots[slots:])
	next, required := 0, 0
	for k := slots; k < len(s.slots); k++ {
		f := s.slots[k].f
		if t.style.defaults() {
			dst = t.appendDefaults(dst, next, f.index)
		}
		next = f.index + 1
		if f.hidden {
			continue
		}
		if f.required {
			required++
		}
		var err error
		if dst, err = r.slot(dst, s.slots[k], levels); err != nil {
			return dst, err
		}
	}
	if required < t.required && !r.partial {
		return dst, t.missing(c)
	}
	if t.style.defaults() {
		dst = t.appendDefaults(dst, next, len(t.fields))
	}
	s.slots, s.sparse, s.pieces = s.slots[:slots], s.sparse[:sparse], s.pieces[:pieces]
	return dst, nil
}

// sortSlots puts slots in the order of the fields' declaration, extensions last, by name.
func sortSlots(slots []slot) {
	for k := 1; k < len(slots); k++ {
		if compareSlots(slots[k-1], slots[k]) > 0 {
			slices.SortFunc(slots, compareSlots)
			return
		}
	}
}

func compareSlots(a, b slot) int {
	if a.f.extension && b.f.extension {
		return strings.Compare(string(a.f.fd.FullName()), string(b.f.fd.FullName()))
	}
	return a.f.index - b.f.index
}

// slot appends one field, key and value.
func (r *run) slot(dst []byte, sl slot, levels int) ([]byte, error) {
	f := sl.f
	p := r.scratch.pieces[sl.head]
	start := len(dst)
	if f.card == cardSingle && f.message == nil {
		dst, _, err := r.single(dst, f, r.wire[:p.end], int(p.start), levels)
		return dst, err
	}
	dst = append(dst, f.key...)
	if f.card == cardSingle {
		return r.message(dst, f.message, r.scratch.content(sl.head), levels-1)
	}
	first := len(dst)
	entries := len(r.scratch.entries)
	for at := sl.head; at != 0; at = p.next {
		var err error
		p = r.scratch.pieces[at]
		if f.card == cardList {
			dst, _, err = r.elements(dst, f, r.wire[:p.end], int(p.start), levels)
		} else {
			_, err = r.entries(f, r.wire[:p.end], int(p.start), levels)
		}
		if err != nil {
			return dst, err
		}
	}
	if f.card == cardList {
		return closeList(dst, f, start, first), nil
	}
	return r.appendMap(dst, f, start, entries, levels)
}

// note pushes a slot for each field of the message, in the order of their first occurrence.
//
// The slot of a field is looked up in a sparse set: what sparse holds is only believed if it leads to a slot of that
// field. So nothing is cleared, and a message with few of its type's many fields costs only those few.
func (r *run) note(t *table, c content, levels int) error {
	s := r.scratch
	slots, sparse := len(s.slots), len(s.sparse)
	s.growSparse(len(t.fields))
	for ok := true; ok; c, ok = r.following(c) {
		b := r.wire[:c.end]
		for i := c.start; i < len(b); {
			tag, value := uint64(b[i]), i+1
			if tag >= 0x80 {
				tag, value = longVarint(b, i)
			}
			if value < 0 {
				return t.fault(i)
			}
			f, err := r.find(t, tag, i)
			if err != nil {
				return err
			}
			at := i
			if f != nil && f.op == opGroup {
				_, i = r.group(b, value, uint64(f.number))
			} else {
				i = r.skip(b, value, tag)
			}
			if i < 0 {
				return t.fault(value)
			}
			if f == nil || f.marked && f.closed(b, value) {
				continue
			}
			s.growSparse(sparse + f.place + 1 - len(s.sparse)) // an extension that nobody has met before
			p := r.piece(f, b, at, value, i)
			k := int(s.sparse[sparse+f.place])
			if k < slots || k >= len(s.slots) || s.slots[k].f.place != f.place {
				s.sparse[sparse+f.place] = uint32(len(s.slots))
				head := s.push(p)
				s.slots = append(s.slots, slot{f, head, head})
			} else if err := r.add(k, f, p, levels); err != nil {
				return err
			}
		}
	}
	return nil
}

// piece is what is kept of an occurrence of f, whose tag stands at b[at], its value at b[value], and which ends at end.
func (r *run) piece(f *field, b []byte, at, value, end int) piece {
	switch {
	case f.card != cardSingle:
		return piece{start: uint32(at), end: uint32(end)}
	case f.op == opMessage:
		value, _ = delimited(b, value)
	case f.op == opGroup:
		end, _ = r.group(b, value, uint64(f.number))
	}
	return piece{start: uint32(value), end: uint32(end)}
}

// growSparse makes sparse longer by n, whatever that holds.
func (s *scratch) growSparse(n int) {
	if n > 0 {
		s.sparse = slices.Grow(s.sparse, n)[:len(s.sparse)+n]
	}
}

func (s *scratch) push(p piece) uint32 {
	s.pieces = append(s.pieces, p)
	return uint32(len(s.pieces) - 1)
}

// add adds another piece of f to a slot: its own, or that of its oneof, which may hold another member. Scalars and other
// members of the oneof are replaced; messages merge, lists grow.
func (r *run) add(k int, f *field, p piece, levels int) error {
	s := r.scratch
	before := s.slots[k]
	switch {
	case f.card != cardSingle && s.pieces[before.tail].end == p.start:
		s.pieces[before.tail].end = p.end
	case before.f != f || f.card == cardSingle && f.message == nil:
		if err := r.replaced(before, levels); err != nil {
			return err
		}
		s.pieces[before.head] = p
		s.slots[k] = slot{f, before.head, before.head}
	default:
		next := s.push(p)
		s.pieces[before.tail].next = next
		s.slots[k].tail = next
	}
	return nil
}

// replaced judges a value that another takes the place of: it must be well-formed nevertheless.
func (r *run) replaced(sl slot, levels int) error {
	if sl.f.message != nil {
		return r.judge(sl.f.message, r.scratch.content(sl.head), levels-1)
	}
	p := r.scratch.pieces[sl.head]
	return sl.f.replaced(r.wire[:p.end], int(p.start))
}

// judge finds out whether the wire of a message that is not shown is well-formed, by writing it to where nobody looks.
func (r *run) judge(t *table, c content, levels int) error {
	was, text := r.hide()
	text, err := r.message(text, t, c, levels)
	r.show(was, text)
	return err
}

// judgeSlot judges a field that is not shown, although it counts: what is required must be there.
func (r *run) judgeSlot(sl slot, levels int) error {
	was, text := r.hide()
	r.partial = false
	text, err := r.slot(text, sl, levels)
	r.show(was, text)
	return err
}

// hidden is what a run was before it wrote something that is not shown.
type hidden struct{ unseen, partial bool }

// hide makes the run write something that is not shown, to be appended to text.
func (r *run) hide() (was hidden, text []byte) {
	s := r.need()
	was, text = hidden{r.unseen, r.partial}, s.unseen[:0]
	r.unseen, r.partial, s.unseen = true, true, nil
	return was, text
}

// show ends hide and takes the text back.
func (r *run) show(was hidden, text []byte) {
	r.unseen, r.partial, r.scratch.unseen = was.unseen, was.partial, text
}
