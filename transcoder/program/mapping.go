package program

import (
	"bytes"
	"cmp"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// entry is one entry of a map: where it is on the wire, and its key.
type entry struct {
	// key orders numbers and bools; text, in the wire, is the key of a map by strings.
	key       uint64
	textStart uint32
	textEnd   uint32
	// start and end are the entry's content. value is where its only value starts, 0 if it has none.
	start, end, value uint32
	// several tells that the entry has more than one value.
	several bool
}

// mapping appends a map field, key and value: the run of entries at b[i], where its first tag stands. It returns where
// the run ends.
func (r *run) mapping(dst []byte, f *field, b []byte, i, levels int) ([]byte, int, error) {
	entries := len(r.need().entries)
	i, err := r.entries(f, b, i, levels)
	if err != nil {
		return dst, i, err
	}
	start := len(dst)
	dst, err = r.appendMap(append(dst, f.key...), f, start, entries, levels)
	return dst, i, err
}

// entries pushes the run of entries of f at b[i], where its first tag stands, and returns where the run ends.
func (r *run) entries(f *field, b []byte, i, levels int) (int, error) {
	if levels <= 1 {
		return i, errDepth
	}
	s := r.need()
	for i < len(b) {
		tag, value := varint(b, i)
		if value < 0 {
			return i, f.fault(i)
		}
		if numberOf(tag) != f.number || protowire.Type(tag&7) != protowire.BytesType {
			break
		}
		start, end := delimited(b, value)
		if end < 0 {
			return i, f.fault(value)
		}
		e, known, err := r.entry(f, b[:end], start)
		if err != nil {
			return i, err
		}
		if known {
			s.entries = append(s.entries, e)
		}
		i = end
	}
	return i, nil
}

// entry reads the entry of f at b[i:]. It is not known if its value is not: an unknown value of a closed enum.
func (r *run) entry(f *field, b []byte, i int) (e entry, known bool, err error) {
	if err := f.entry.ready(); err != nil {
		return e, false, err
	}
	key, val := &f.entry.fields[0], &f.entry.fields[1]
	e = entry{start: uint32(i), end: uint32(len(b)), key: key.order(0)}
	known = true
	keyed := -1 // where the key is
	for i < len(b) {
		tag, value := uint64(b[i]), i+1
		if tag >= 0x80 {
			tag, value = longVarint(b, i)
		}
		if value < 0 || numberOf(tag) == 0 {
			return e, false, f.fault(i)
		}
		at := i
		if i = r.skip(b, value, tag); i < 0 {
			return e, false, f.fault(at)
		}
		switch wire := protowire.Type(tag & 7); {
		case numberOf(tag) == key.number && wire == key.wire:
			if keyed >= 0 && err == nil {
				err = key.replaced(b, keyed)
			}
			keyed = value
			e.setKey(key, b, value)
		case numberOf(tag) == val.number && wire == val.wire:
			if val.marked && val.closed(b, value) {
				known = false
			}
			if e.value != 0 && val.message == nil {
				if err := val.replaced(b, int(e.value)); err != nil {
					return e, false, err
				}
			}
			e.several = e.value != 0
			e.value = uint32(value)
		}
	}
	if !known {
		err = nil
	}
	return e, known, err
}

// setKey reads the key at b[i], a whole value.
func (e *entry) setKey(f *field, b []byte, i int) {
	switch f.wire {
	case protowire.BytesType:
		start, end := delimited(b, i)
		e.textStart, e.textEnd = uint32(start), uint32(end)
	case protowire.Fixed32Type:
		v, _ := fixed32(b, i)
		e.key = f.order(uint64(v))
	case protowire.Fixed64Type:
		v, _ := fixed64(b, i)
		e.key = f.order(v)
	default:
		v, _ := varint(b, i)
		e.key = f.order(v)
	}
}

// signBit turns the order of signed numbers into that of unsigned ones.
const signBit = 1 << 63

// order maps a key of f, as it is on the wire, to a number whose order is that of the keys.
func (f *field) order(v uint64) uint64 {
	switch f.op {
	case opBool:
		return min(v, 1)
	case opInt32, opSfixed32:
		return uint64(int64(int32(v))) ^ signBit
	case opSint32:
		return uint64(int64(int32(protowire.DecodeZigZag(v&0xffffffff)))) ^ signBit
	case opInt64, opSfixed64:
		return v ^ signBit
	case opSint64:
		return uint64(protowire.DecodeZigZag(v)) ^ signBit
	case opUint32, opFixed32:
		return uint64(uint32(v))
	}
	return v
}

// compareEntries orders entries by key; those with the same key as they are on the wire.
func (r *run) compareEntries(a, b entry) int {
	if c := cmp.Compare(a.key, b.key); c != 0 {
		return c
	}
	if c := bytes.Compare(r.wire[a.textStart:a.textEnd], r.wire[b.textStart:b.textEnd]); c != 0 {
		return c
	}
	return cmp.Compare(a.start, b.start)
}

// appendMap appends the entries that were pushed from first on, behind the key of f, which stands at start. It pops
// them. Of entries with the same key the last counts.
func (r *run) appendMap(dst []byte, f *field, start, first, levels int) ([]byte, error) {
	entries := r.scratch.entries[first:]
	r.sortEntries(entries)
	from := len(dst)
	for k := range entries {
		e := &entries[k]
		var err error
		if k+1 < len(entries) && r.sameKey(e, &entries[k+1]) {
			err = r.replacedEntry(f, e, levels)
		} else {
			dst, err = r.appendEntry(append(dst, ','), f, e, levels)
		}
		if err != nil {
			return dst, err
		}
	}
	r.scratch.entries = r.scratch.entries[:first]
	if len(dst) == from {
		return append(dst[:start], f.absent...), nil
	}
	dst[from] = '{'
	return append(dst, '}'), nil
}

func (r *run) sameKey(a, b *entry) bool {
	return a.key == b.key && bytes.Equal(r.wire[a.textStart:a.textEnd], r.wire[b.textStart:b.textEnd])
}

func (r *run) sortEntries(entries []entry) {
	for k := 1; k < len(entries); k++ {
		if r.compareEntries(entries[k-1], entries[k]) > 0 {
			slices.SortFunc(entries, r.compareEntries)
			return
		}
	}
}

// appendEntry appends "key":value.
func (r *run) appendEntry(dst []byte, f *field, e *entry, levels int) ([]byte, error) {
	dst, err := r.appendKey(dst, &f.entry.fields[0], e)
	if err != nil {
		return dst, err
	}
	return r.entryValue(append(dst, ':'), f, e, levels-1)
}

// entryValue appends the value of an entry. levels is that of the entry.
func (r *run) entryValue(dst []byte, f *field, e *entry, levels int) ([]byte, error) {
	val := &f.entry.fields[1]
	switch {
	case e.value == 0 && val.message != nil:
		return r.message(dst, val.message, content{}, levels-1)
	case e.value == 0:
		return append(dst, val.blank...), nil
	case e.several && val.message != nil:
		return r.mergedValue(dst, f, e, levels)
	}
	dst, _, err := r.one(dst, val, r.wire[:e.end], int(e.value), levels)
	return dst, err
}

// mergedValue appends the value of an entry that has several messages for it.
func (r *run) mergedValue(dst []byte, f *field, e *entry, levels int) ([]byte, error) {
	s := r.scratch
	slots, sparse, pieces := len(s.slots), len(s.sparse), len(s.pieces)
	if err := r.note(f.entry, content{start: int(e.start), end: int(e.end)}, levels); err != nil {
		return dst, err
	}
	val := &f.entry.fields[1]
	for _, sl := range s.slots[slots:] {
		if sl.f == val {
			var err error
			if dst, err = r.message(dst, val.message, s.content(sl.head), levels-1); err != nil {
				return dst, err
			}
			break
		}
	}
	s.slots, s.sparse, s.pieces = s.slots[:slots], s.sparse[:sparse], s.pieces[:pieces]
	return dst, nil
}

// replacedEntry judges an entry that a later one with its key takes the place of.
func (r *run) replacedEntry(f *field, e *entry, levels int) error {
	val := &f.entry.fields[1]
	if val.message == nil {
		if e.value == 0 {
			return nil
		}
		return val.replaced(r.wire[:e.end], int(e.value))
	}
	was, text := r.hide()
	text, err := r.entryValue(text, f, e, levels-1)
	r.show(was, text)
	return err
}

// appendKey appends the key of an entry as a JSON string.
func (r *run) appendKey(dst []byte, key *field, e *entry) ([]byte, error) {
	switch key.op {
	case opString:
		dst, err := appendString(dst, r.wire[e.textStart:e.textEnd])
		if err != nil && (key.utf8 || !r.unseen) {
			return dst, key.fails(int(e.textStart), err)
		}
		return dst, nil
	case opBool:
		if e.key == 0 {
			return append(dst, `"false"`...), nil
		}
		return append(dst, `"true"`...), nil
	case opUint32, opUint64, opFixed32, opFixed64:
		return append(appendUint(append(dst, '"'), e.key), '"'), nil
	}
	return append(appendInt(append(dst, '"'), int64(e.key^signBit)), '"'), nil
}
