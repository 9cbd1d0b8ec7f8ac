package program

import (
	"encoding/binary"
	"errors"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// errWire says that bytes are no encoding of a message.
var errWire = errors.New("not in the protobuf wire format")

// varint reads a varint at b[i] and returns where it ends, or -1. It is beyond the compiler's budget for inlining, so the
// loops that read every tag look at the first byte themselves: 15 % of a small message.
func varint(b []byte, i int) (uint64, int) {
	if i < len(b) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	return longVarint(b, i)
}

func longVarint(b []byte, i int) (uint64, int) {
	if i+1 < len(b) && b[i+1] < 0x80 {
		return uint64(b[i])&0x7f | uint64(b[i+1])<<7, i + 2
	}
	var v uint64
	for shift := 0; shift < 63; shift += 7 {
		if i >= len(b) {
			return 0, -1
		}
		c := b[i]
		i++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, i
		}
	}
	if i >= len(b) || b[i] > 1 { // the tenth byte has one bit left
		return 0, -1
	}
	return v | uint64(b[i])<<63, i + 1
}

// fixed32 and fixed64 read a number at b[i] and return where it ends, or -1.
func fixed32(b []byte, i int) (uint32, int) {
	if len(b)-i < 4 {
		return 0, -1
	}
	return binary.LittleEndian.Uint32(b[i:]), i + 4
}

func fixed64(b []byte, i int) (uint64, int) {
	if len(b)-i < 8 {
		return 0, -1
	}
	return binary.LittleEndian.Uint64(b[i:]), i + 8
}

// delimited reads the length at b[i] and returns where the bytes that it counts start and end. end is -1 if they are
// not all there.
func delimited(b []byte, i int) (start, end int) {
	if i < len(b) && b[i] < 0x80 {
		if start, end = i+1, i+1+int(b[i]); end <= len(b) {
			return start, end
		}
		return 0, -1
	}
	n, i := longVarint(b, i)
	if i < 0 || n > uint64(len(b)-i) {
		return 0, -1
	}
	return i, i + int(n)
}

// numberOf returns the field number in a tag, or 0 if there can be no such field.
func numberOf(tag uint64) protowire.Number {
	if n := tag >> 3; n <= uint64(protowire.MaxValidNumber) {
		return protowire.Number(n)
	}
	return 0
}

// skip returns where the value ends that stands behind tag at b[i], or -1.
func (r *run) skip(b []byte, i int, tag uint64) int {
	switch protowire.Type(tag & 7) {
	case protowire.VarintType:
		_, i = varint(b, i)
		return i
	case protowire.Fixed32Type:
		_, i = fixed32(b, i)
		return i
	case protowire.Fixed64Type:
		_, i = fixed64(b, i)
		return i
	case protowire.BytesType:
		_, i = delimited(b, i)
		return i
	case protowire.StartGroupType:
		_, i = r.walkGroup(b, i, tag>>3, groupsMax, false)
		return i
	}
	return -1
}

// group returns where the content ends of the group with this number, whose first tag ends at b[i], and where the group
// itself ends, or -1. It keeps the ends of the groups within, or each level of nesting would be walked once for every
// level above it.
func (r *run) group(b []byte, i int, number uint64) (end, next int) {
	if r.scratch != nil {
		if ends, ok := r.scratch.groups[uint32(i)]; ok {
			return int(ends >> 32), int(uint32(ends))
		}
	}
	return r.walkGroup(b, i, number, groupsMax, true)
}

// groupsMax is how deep groups may nest that are only skipped.
const groupsMax = protowire.DefaultRecursionLimit

// walkGroup is group, at a level of nesting.
func (r *run) walkGroup(b []byte, i int, number uint64, left int, keep bool) (end, next int) {
	if left == 0 {
		return 0, -1
	}
	for {
		at := i
		tag, i2 := varint(b, i)
		if i2 < 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
			return 0, -1
		}
		i = i2
		switch protowire.Type(tag & 7) {
		case protowire.EndGroupType:
			if tag>>3 != number {
				return 0, -1
			}
			return at, i
		case protowire.StartGroupType:
			start := i
			var innerEnd int
			if innerEnd, i = r.walkGroup(b, i, tag>>3, left-1, keep); keep && i >= 0 {
				r.keepGroup(start, innerEnd, i)
			}
		default:
			i = r.skip(b, i, tag)
		}
		if i < 0 {
			return 0, -1
		}
	}
}

func (r *run) keepGroup(start, end, next int) {
	s := r.need()
	if s.groups == nil {
		s.groups = map[uint32]uint64{}
	}
	s.groups[uint32(start)] = uint64(end)<<32 | uint64(next)
}
