package program

import (
	"bytes"
	"unicode/utf8"
)

// appendParameter appends one value of f, whose isText is true, from the text of a path variable or a query parameter,
// as it stands behind its tag. The grammar is that of the value's ProtoJSON string, without its quotes; enums take
// numbers as well.
func (o *Options) appendParameter(dst []byte, f *field, text []byte) ([]byte, bool) {
	if o.GRPCGateway {
		var ok bool
		if text, ok = f.asProtoJSON(text); !ok {
			return dst, false
		}
	}
	switch f.op {
	case opMessage:
		dst = append(dst, 0)
		at := len(dst)
		dst, ok := o.appendTextForm(dst, f.message, text)
		return closeLength(dst, at, 1), ok
	case opGroup:
		dst, ok := o.appendTextForm(dst, f.message, text)
		return appendTag(dst, groupEnd(f.tag)), ok
	case opString:
		return append(appendTag(dst, uint64(len(text))), text...), utf8.Valid(text)
	case opBytes:
		return appendBase64(dst, text)
	case opBool:
		yes := string(text) == "true" || o.NumericBools && string(text) == "1"
		return appendBool(dst, yes), yes || string(text) == "false" || o.NumericBools && string(text) == "0"
	case opEnum, opNull:
		return o.appendEnum(dst, f, text)
	}
	dst, end := f.appendText(dst, text, 0)
	return dst, end == len(text)
}

func (o *Options) appendEnum(dst []byte, f *field, text []byte) ([]byte, bool) {
	n, ok := f.enum.number(text)
	if !ok && o.EnumCaseInsensitive {
		n, ok = f.enum.foldedNumber(string(text))
	}
	if ok {
		return f.encode(dst, uint64(n)), true
	}
	v, negative, end := parseInteger(text, 0)
	if end != len(text) || !f.holds(v, negative) {
		return dst, false
	}
	if negative {
		v = -v
	}
	return f.encode(dst, v), !f.enum.closed || !f.enum.unknown(v)
}

// appendTextForm appends a message that is text in JSON, without its length.
func (o *Options) appendTextForm(dst []byte, t *table, text []byte) ([]byte, bool) {
	if t.ready() != nil {
		return dst, false
	}
	switch t.kind {
	case kindTimestamp:
		return readTimestamp(dst, text)
	case kindDuration:
		return readDuration(dst, text)
	case kindFieldMask:
		if o.GRPCGateway {
			return appendPaths(dst, text), utf8.Valid(text)
		}
		if !o.SnakeCaseMasks {
			text = bytes.Trim(text, " ") // as in JSON
		}
		return readMask(dst, text, o.SnakeCaseMasks)
	case kindWrapper:
		start := len(dst)
		f := &t.fields[0]
		dst = appendTag(dst, f.tag)
		at := len(dst)
		dst, ok := o.appendParameter(dst, f, text)
		if ok && !f.presence && isZero(dst[at:], f.wire) {
			dst = dst[:start]
		}
		return dst, ok
	}
	return dst, false
}
