package program

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// masking is one message on its way through a mask. It belongs to one goroutine and lives on its stack.
//
// It goes through the fields of a message from front to back. Fields in a row that are kept are copied together. A message
// that is looked into is written behind room for its length, as wide as the length that it had.
type masking struct {
	wire []byte
	// split tells that a message may come in several pieces, or a oneof with several members.
	split bool
	run   run // skips
}

// message appends what is left of the message at wire[i:end], or of the content of the group with that number, 0 for none,
// which ends where its last tag says. It returns where the message ends; the last tag of a group is appended, too.
func (r *masking) message(dst []byte, n *maskNode, i, end int, group protowire.Number, levels int) ([]byte, int, error) {
	if levels <= 0 {
		return dst, 0, &fault{n.name, i, errDepth}
	}
	b := r.wire[:end]
	kept := i // b[kept:i] is to be copied
	var seen uint64
	for i < len(b) {
		at := i
		tag, value := uint64(b[i]), i+1
		if tag >= 0x80 {
			tag, value = longVarint(b, i)
		}
		number := numberOf(tag)
		if value < 0 || number == 0 {
			return dst, 0, &fault{n.name, at, errWire}
		}
		wire := protowire.Type(tag & 7)
		if wire == protowire.EndGroupType {
			if number != group {
				return dst, 0, &fault{n.name, at, errWire}
			}
			return append(n.finish(append(dst, b[kept:at]...), seen), b[at:value]...), value, nil
		}
		do := n.rest
		f := n.byNumber(number)
		switch {
		case f == nil:
		case wire == f.wire || f.packable && wire == protowire.BytesType:
			do = f.do
			r.split = r.split || seen&f.rivals != 0
			seen |= f.mark
		case f.do != maskKeep: // another wire type: an unknown field, and maybe what the mask is about
			do = maskDrop
		}
		if do == maskLook {
			dst = append(dst, b[kept:value]...)
			var err error
			if dst, i, err = r.look(dst, f, b, value, number, levels-1); err != nil {
				return dst, 0, err
			}
			kept = i
			continue
		}
		if i = r.run.skip(b, value, tag); i < 0 {
			return dst, 0, &fault{n.name, value, errWire}
		}
		if do == maskKeep {
			continue
		}
		dst = append(dst, b[kept:at]...)
		kept = i
		if do == maskReplace {
			var ok bool
			if dst, ok = f.replace(dst, b, wire, value, i); !ok {
				return dst, 0, &fault{n.name, value, errWire}
			}
		}
	}
	if group != 0 {
		return dst, 0, &fault{n.name, i, errWire}
	}
	return n.finish(append(dst, b[kept:]...), seen), i, nil
}

// finish appends what every message has at its end.
func (n *maskNode) finish(dst []byte, seen uint64) []byte {
	if f := n.always; f != nil && seen&f.mark == 0 {
		return append(appendTag(dst, f.tag), f.value...)
	}
	return dst
}

// look appends the message at b[i], of a field whose tag is appended already, and returns where it ends.
func (r *masking) look(dst []byte, f *maskField, b []byte, i int, number protowire.Number, levels int) ([]byte, int, error) {
	if f.wire == protowire.StartGroupType {
		return r.message(dst, f.below, i, len(b), number, levels)
	}
	start, end := delimited(b, i)
	if end < 0 {
		return dst, 0, &fault{f.below.name, i, errWire}
	}
	width := lengthWidth(end - start)
	dst = append(dst, "\x00\x00\x00\x00\x00\x00\x00\x00\x00"[:width]...)
	at := len(dst)
	dst, i, err := r.message(dst, f.below, start, end, 0, levels)
	if err != nil {
		return dst, 0, err
	}
	return closeLength(dst, at, width), i, nil
}

// replace appends a field with the other value in the place of the one at b[i:end], or of each in that packed run. It is
// false if the run is none.
func (f *maskField) replace(dst []byte, b []byte, wire protowire.Type, i, end int) ([]byte, bool) {
	if wire == f.wire {
		return append(appendTag(dst, f.tag), f.value...), true
	}
	i, _ = delimited(b, i)
	dst = append(appendTag(dst, f.tag-uint64(f.wire)+uint64(protowire.BytesType)), 0)
	at := len(dst)
	for i < end {
		switch f.wire {
		case protowire.Fixed32Type:
			_, i = fixed32(b[:end], i)
		case protowire.Fixed64Type:
			_, i = fixed64(b[:end], i)
		default:
			_, i = varint(b[:end], i)
		}
		if i < 0 {
			return dst, false
		}
		dst = append(dst, f.value...)
	}
	return closeLength(dst, at, 1), true
}
