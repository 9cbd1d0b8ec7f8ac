package program

import (
	"bytes"
	"hash/maphash"
	"strconv"
)

// keyAt is where the key of a map's entry stands in what is written.
type keyAt struct{ start, end int }

// linearKeysMax is up to how many keys a duplicate is looked for one by one. Beyond, a hash table is cheaper.
const linearKeysMax = 8

// entries appends the entries of a map. Each has its key and its value, even if they are zero.
func (d *decoder) entries(dst []byte, i int, f *field) ([]byte, int) {
	if d.at(i) != '{' {
		return d.wrong(dst, i, "an object, the entries of a map")
	}
	if i = d.open(i); i < 0 {
		return dst, -1
	}
	if d.at(i) == '}' {
		d.depth--
		return dst, i + 1
	}
	if err := f.entry.ready(); err != nil {
		return d.fail(dst, i, err.Error())
	}
	key, val := &f.entry.fields[0], &f.entry.fields[1]
	keys, slots, width := len(d.keys), len(d.slots), 1
	for more := true; more; {
		at, start := i, len(dst)
		dst = appendTag(dst, f.tag)
		dst = append(dst, "\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:width]...)
		first := len(dst)
		dst = appendTag(dst, key.tag)
		keyStart := len(dst)
		if dst, i = d.mapKey(dst, i, key); i < 0 {
			return dst, -1
		}
		keyEnd := len(dst)
		i = space(d.text, i)
		if dst, i = d.single(dst, i, val, none); i < 0 {
			return dst, -1
		}
		if d.hasKey(dst, dst[keyStart:keyEnd], keys, slots) {
			return d.fail(dst, at, "duplicate map key "+quoteKey(d.text, at))
		}
		if len(dst) == keyEnd { // an enum's unknown name, left out
			dst = dst[:start]
		} else {
			n := len(dst) - first
			dst = closeLength(dst, first, width)
			moved := lengthWidth(n) - width
			width += moved
			d.addKey(dst, keyAt{keyStart + moved, keyEnd + moved}, keys, slots)
		}
		if i, more = d.following(i, '}'); i < 0 {
			return dst, -1
		}
	}
	d.keys, d.slots = d.keys[:keys], d.slots[:slots]
	return dst, i
}

// hasKey tells whether the innermost map, whose keys and slots start at those places, has a key.
func (d *decoder) hasKey(dst, key []byte, keys, slots int) bool {
	all := d.keys[keys:]
	if len(all) <= linearKeysMax {
		for _, other := range all {
			if bytes.Equal(dst[other.start:other.end], key) {
				return true
			}
		}
		return false
	}
	table := d.slots[slots:]
	return table[d.slotOf(dst, key, all, table)] != 0
}

// addKey notes a new key of the innermost map.
func (d *decoder) addKey(dst []byte, k keyAt, keys, slots int) {
	d.keys = append(d.keys, k)
	all := d.keys[keys:]
	if len(all) <= linearKeysMax {
		return
	}
	from := len(all) - 1
	if size := len(d.slots) - slots; len(all)*2 > size {
		size, from = max(4*linearKeysMax, 2*size), 0
		d.slots = append(d.slots[:slots], make([]uint32, size)...)
	}
	table := d.slots[slots:]
	for n := from; n < len(all); n++ {
		table[d.slotOf(dst, dst[all[n].start:all[n].end], all, table)] = uint32(n) + 1
	}
}

// slotOf returns where a key is, or is to be, in a hash table, the size of which is a power of two, at most half full.
// The hash has a seed of its own in each process, so nobody can send keys that collide.
func (d *decoder) slotOf(dst, key []byte, all []keyAt, table []uint32) uint64 {
	mask := uint64(len(table) - 1)
	h := maphash.Bytes(d.compiler.seed, key) & mask
	for table[h] != 0 {
		if other := all[table[h]-1]; bytes.Equal(dst[other.start:other.end], key) {
			return h
		}
		h = (h + 1) & mask
	}
	return h
}

// mapKey appends a key, which is always a string in JSON, and steps over the colon.
func (d *decoder) mapKey(dst []byte, i int, f *field) ([]byte, int) {
	if f.op == opString {
		if d.at(i) != '"' {
			return d.wrong(dst, i, "a name in double quotes")
		}
		if dst, i = d.appendStr(dst, i); i < 0 {
			return dst, -1
		}
		if i = space(d.text, i); d.at(i) != ':' {
			return d.wrong(dst, i, `":"`)
		}
		return dst, i + 1
	}
	name, next := d.nameAt(i)
	if next < 0 {
		return dst, -1
	}
	dst, ok := appendKey(dst, f, string(name))
	if !ok {
		return d.wrong(dst, i, "a map key, "+expected(f.fd)+" in quotes")
	}
	return dst, next
}

// appendKey appends a key that is not a string. Like protojson it reads what Go's strconv does.
func appendKey(dst []byte, f *field, name string) ([]byte, bool) {
	size := 64
	switch f.op {
	case opBool:
		return appendBool(dst, name == "true"), name == "true" || name == "false"
	case opInt32, opSint32, opSfixed32:
		size = 32
		fallthrough
	case opInt64, opSint64, opSfixed64:
		n, err := strconv.ParseInt(name, 10, size)
		return f.encode(dst, uint64(n)), err == nil
	case opUint32, opFixed32:
		size = 32
	}
	n, err := strconv.ParseUint(name, 10, size)
	return f.encode(dst, n), err == nil
}
