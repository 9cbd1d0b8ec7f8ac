package program

import (
	"encoding/base64"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// single appends a singular field, key and value, whose value stands at b[i], and returns where the value ends. Without
// presence zero is the same as unset.
func (r *run) single(dst []byte, f *field, b []byte, i, levels int) ([]byte, int, error) {
	switch {
	case f.op == opString: // the most frequent first
		start, end := delimited(b, i)
		if end < 0 {
			return dst, i, f.fault(i)
		}
		if start == end && !f.presence {
			return append(dst, f.absent...), end, nil
		}
		dst, err := appendString(append(dst, f.key...), b[start:end])
		if err != nil && (f.utf8 || !r.unseen) {
			return dst, end, f.fails(start, err)
		}
		return dst, end, nil
	case !f.presence && f.zeroAt(b, i):
		return append(dst, f.absent...), r.skip(b, i, uint64(f.wire)), nil
	}
	return r.one(append(dst, f.key...), f, b, i, levels)
}

// zeroAt tells whether a whole value stands at b[i] and is zero.
func (f *field) zeroAt(b []byte, i int) bool {
	switch f.wire {
	case protowire.VarintType:
		v, i := varint(b, i)
		if f.narrow {
			v = uint64(uint32(v))
		}
		return i >= 0 && v == 0
	case protowire.Fixed32Type:
		v, i := fixed32(b, i)
		return i >= 0 && v == 0
	case protowire.Fixed64Type:
		v, i := fixed64(b, i)
		return i >= 0 && v == 0
	}
	start, end := delimited(b, i)
	return start == end
}

// one appends the value of f at b[i], which is not packed, and returns where it ends. It appends nothing for an unknown
// value of a closed enum. levels is that of the message that has the field.
func (r *run) one(dst []byte, f *field, b []byte, i, levels int) ([]byte, int, error) {
	switch f.wire {
	case protowire.VarintType:
		v, end := varint(b, i)
		if end < 0 {
			return dst, i, f.fault(i)
		}
		return f.appendVarint(dst, v), end, nil
	case protowire.Fixed32Type:
		v, end := fixed32(b, i)
		if end < 0 {
			return dst, i, f.fault(i)
		}
		return f.appendFixed32(dst, v), end, nil
	case protowire.Fixed64Type:
		v, end := fixed64(b, i)
		if end < 0 {
			return dst, i, f.fault(i)
		}
		return f.appendFixed64(dst, v), end, nil
	case protowire.StartGroupType:
		end, next := r.group(b, i, uint64(f.number))
		if next < 0 {
			return dst, i, f.fault(i)
		}
		dst, err := r.message(dst, f.message, content{start: i, end: end}, levels-1)
		return dst, next, err
	}
	start, end := delimited(b, i)
	if end < 0 {
		return dst, i, f.fault(i)
	}
	var err error
	switch f.op {
	case opString:
		if dst, err = appendString(dst, b[start:end]); err != nil && (f.utf8 || !r.unseen) {
			return dst, end, f.fails(start, err)
		}
	case opBytes:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b[start:end])
		dst = append(dst, '"')
	default:
		dst, err = r.message(dst, f.message, content{start: start, end: end}, levels-1)
		return dst, end, err
	}
	return dst, end, nil
}

func (f *field) appendVarint(dst []byte, v uint64) []byte {
	switch f.op {
	case opBool:
		if v == 0 {
			return append(dst, "false"...)
		}
		return append(dst, "true"...)
	case opInt32:
		return appendInt(dst, int64(int32(v)))
	case opSint32:
		return appendInt(dst, protowire.DecodeZigZag(v&math.MaxUint32))
	case opUint32:
		return appendUint(dst, uint64(uint32(v)))
	case opInt64:
		return append(appendInt(append(dst, '"'), int64(v)), '"')
	case opSint64:
		return append(appendInt(append(dst, '"'), protowire.DecodeZigZag(v)), '"')
	case opUint64:
		return append(appendUint(append(dst, '"'), v), '"')
	case opEnum:
		if f.enum.closed && f.enum.unknown(v) {
			return dst
		}
		return f.enum.appendJSON(dst, protoreflect.EnumNumber(v))
	}
	return append(dst, "null"...)
}

func (f *field) appendFixed32(dst []byte, v uint32) []byte {
	switch f.op {
	case opFixed32:
		return appendUint(dst, uint64(v))
	case opSfixed32:
		return appendInt(dst, int64(int32(v)))
	}
	return appendSingle(dst, math.Float32frombits(v))
}

func (f *field) appendFixed64(dst []byte, v uint64) []byte {
	switch f.op {
	case opFixed64:
		return append(appendUint(append(dst, '"'), v), '"')
	case opSfixed64:
		return append(appendInt(append(dst, '"'), int64(v)), '"')
	}
	return appendDouble(dst, math.Float64frombits(v))
}

// replaced judges the value of f at b[i], which is well-formed, when a later one takes its place.
func (f *field) replaced(b []byte, i int) error {
	if !f.utf8 {
		return nil
	}
	if start, end := delimited(b, i); !utf8.Valid(b[start:end]) {
		return f.fails(start, errUTF8)
	}
	return nil
}
