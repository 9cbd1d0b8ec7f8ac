package program

import (
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
)

// single appends one value and its tag. A zero of a field without presence is no value, and appends nothing.
func (d *decoder) single(dst []byte, i int, f *field, over int32) ([]byte, int) {
	start := len(dst)
	dst = appendTag(dst, f.tag)
	at := len(dst)
	switch f.op {
	case opMessage:
		if dst, i = d.message(append(dst, 0), i, f.message, over); i < 0 {
			return dst, -1
		}
		return closeLength(dst, at+1, 1), i
	case opGroup:
		dst, i = d.message(dst, i, f.message, over)
		return appendTag(dst, groupEnd(f.tag)), i
	}
	if dst, i = d.scalar(dst, i, f); i < 0 {
		return dst, -1
	}
	if len(dst) == at || !f.presence && isZero(dst[at:], f.wire) {
		dst = dst[:start]
	}
	return dst, i
}

// list appends the elements of an array: a packed run, or each with its tag.
func (d *decoder) list(dst []byte, i int, f *field) ([]byte, int) {
	if d.at(i) != '[' {
		return d.wrong(dst, i, "an array")
	}
	if i = d.open(i); i < 0 {
		return dst, -1
	}
	if d.at(i) == ']' {
		d.depth--
		return dst, i + 1
	}
	switch {
	case f.packed:
		return d.packed(dst, i, f)
	case f.op == opMessage:
		return d.messages(dst, i, f)
	}
	for more := true; more; {
		start := len(dst)
		dst = appendTag(dst, f.tag)
		at := len(dst)
		if f.op == opGroup {
			dst, i = d.message(dst, i, f.message, none)
			dst = appendTag(dst, groupEnd(f.tag))
		} else if dst, i = d.scalar(dst, i, f); len(dst) == at {
			dst = dst[:start]
		}
		if i < 0 {
			return dst, -1
		}
		if i, more = d.following(i, ']'); i < 0 {
			return dst, -1
		}
	}
	return dst, i
}

// packed appends elements as one run. The whole run is moved once if its length takes more than a byte.
func (d *decoder) packed(dst []byte, i int, f *field) ([]byte, int) {
	start := len(dst)
	dst = append(appendTag(dst, f.tag), 0)
	first := len(dst)
	for more := true; more; {
		if dst, i = d.scalar(dst, i, f); i < 0 {
			return dst, -1
		}
		if i, more = d.following(i, ']'); i < 0 {
			return dst, -1
		}
	}
	if len(dst) == first {
		return dst[:start], i
	}
	return closeLength(dst, first, 1), i
}

// messages appends messages. Siblings are of a size, so the length of each is given the room that the one before took.
func (d *decoder) messages(dst []byte, i int, f *field) ([]byte, int) {
	width := 1
	for more := true; more; {
		dst = appendTag(dst, f.tag)
		dst = append(dst, "\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:width]...)
		at := len(dst)
		if dst, i = d.message(dst, i, f.message, none); i < 0 {
			return dst, -1
		}
		dst, width = closeLength(dst, at, width), lengthWidth(len(dst)-at)
		if i, more = d.following(i, ']'); i < 0 {
			return dst, -1
		}
	}
	return dst, i
}

// appendTag appends a tag, or any other varint that is mostly small.
func appendTag(dst []byte, tag uint64) []byte {
	if tag < 0x80 {
		return append(dst, byte(tag))
	}
	return protowire.AppendVarint(dst, tag)
}

// groupEnd is the tag that ends the group which tag starts.
func groupEnd(tag uint64) uint64 {
	return tag + uint64(protowire.EndGroupType-protowire.StartGroupType)
}

// closeLength writes how much was appended from start on into the width bytes that were left for it, and moves what
// was appended if they are too many or too few.
func closeLength(dst []byte, start, width int) []byte {
	n := len(dst) - start
	if n < 0x80 && width == 1 {
		dst[start-1] = byte(n)
		return dst
	}
	need := lengthWidth(n)
	if need > width {
		dst = append(dst, "\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:need-width]...)
	}
	if need != width {
		copy(dst[start-width+need:], dst[start:start+n])
		dst = dst[:start-width+need+n]
	}
	protowire.AppendVarint(dst[:start-width], uint64(n))
	return dst
}

// lengthWidth is how many bytes the varint n has.
func lengthWidth(n int) int { return (bits.Len(uint(n)|1) + 6) / 7 }

// isZero tells whether an encoded value is the zero of its type.
func isZero(b []byte, wire protowire.Type) bool {
	switch wire {
	case protowire.Fixed32Type, protowire.Fixed64Type:
		for _, c := range b {
			if c != 0 {
				return false
			}
		}
		return true
	}
	return b[0] == 0 // a varint's first byte, or a length's
}
