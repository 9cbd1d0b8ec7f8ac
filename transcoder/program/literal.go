package program

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scalar appends one value that is no message, as it stands behind its tag. It appends nothing for an enum's unknown
// name, when lenient.
func (d *decoder) scalar(dst []byte, i int, f *field) ([]byte, int) {
	switch f.op {
	case opString:
		if d.at(i) != '"' {
			return d.wrong(dst, i, "a string")
		}
		return d.appendStr(dst, i)
	case opBool:
		switch d.at(i) {
		case 't':
			return append(dst, 1), d.literal(i, "true")
		case 'f':
			return append(dst, 0), d.literal(i, "false")
		}
		return d.wrong(dst, i, "true or false")
	case opBytes:
		return d.bytes(dst, i)
	case opEnum, opNull:
		return d.enum(dst, i, f)
	}
	// A number, or a string that holds one.
	text, at, end := d.text, i, -1
	if d.at(i) == '"' {
		if text, end = d.str(i); end < 0 {
			return dst, -1
		}
		at = 0
	}
	dst, next := f.appendText(dst, text, at)
	switch {
	case next < 0, end >= 0 && next != len(text):
		return d.wrong(dst, i, expected(f.fd))
	case end >= 0:
		return dst, end
	}
	return dst, next
}

// appendText appends the number at text[i] and returns where it ends, or -1 if it is none that the field can hold.
func (f *field) appendText(dst []byte, text []byte, i int) ([]byte, int) {
	switch f.op {
	case opDouble:
		v, end := parseFloat(text, i, 64)
		if end < 0 {
			v, end = namedFloat(text, i)
		}
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v)), end
	case opFloat:
		v, end := parseFloat(text, i, 32)
		if end < 0 {
			v, end = namedFloat(text, i)
		}
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v))), end
	}
	v, negative, end := parseInteger(text, i)
	if end < 0 || !f.holds(v, negative) {
		return dst, -1
	}
	if negative {
		v = -v
	}
	return f.encode(dst, v), end
}

// namedFloat reads what JSON has no numbers for. It is a string in JSON, so it must be all of text.
func namedFloat(text []byte, i int) (v float64, end int) {
	if i != 0 {
		return 0, -1
	}
	switch string(text) {
	case "NaN":
		return math.NaN(), len(text)
	case "Infinity":
		return math.Inf(1), len(text)
	case "-Infinity":
		return math.Inf(-1), len(text)
	}
	return 0, -1
}

// holds tells whether a number, of which v is the absolute value, is one of the field's type.
func (f *field) holds(v uint64, negative bool) bool {
	switch f.op {
	case opUint32, opFixed32:
		return v <= math.MaxUint32 && (!negative || v == 0)
	case opUint64, opFixed64:
		return !negative || v == 0
	case opInt64, opSint64, opSfixed64:
		return v <= math.MaxInt64 || negative && v == 1<<63
	}
	return v <= math.MaxInt32 || negative && v == 1<<31
}

// encode appends an integer, which is sign-extended to 64 bits if its type has a sign.
func (f *field) encode(dst []byte, v uint64) []byte {
	switch f.op {
	case opSint32, opSint64:
		v = protowire.EncodeZigZag(int64(v))
	case opFixed32, opSfixed32:
		return binary.LittleEndian.AppendUint32(dst, uint32(v))
	case opFixed64, opSfixed64:
		return binary.LittleEndian.AppendUint64(dst, v)
	}
	return appendTag(dst, v)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// enum appends the number of an enum's value, which is written by name or by number.
func (d *decoder) enum(dst []byte, i int, f *field) ([]byte, int) {
	switch d.at(i) {
	case '"':
		name, next := d.str(i)
		if next < 0 {
			return dst, -1
		}
		if n, ok := f.enum.number(name); ok {
			return f.encode(dst, uint64(n)), next
		}
		if d.lenient {
			d.ignored++
			d.dropped = true
			return dst, next
		}
		return d.wrong(dst, i, d.enumNames(f, string(name)))
	case 'n':
		if f.op == opNull {
			return append(dst, 0), d.literal(i, "null")
		}
	}
	v, negative, next := parseInteger(d.text, i)
	if next < 0 || !f.holds(v, negative) {
		return d.wrong(dst, i, expected(f.fd))
	}
	if negative {
		v = -v
	}
	return f.encode(dst, v), next
}

// enumNames says what names an enum has, the one first that was perhaps meant.
func (d *decoder) enumNames(f *field, name string) string {
	values := f.fd.Enum().Values()
	var names []string
	for i := range values.Len() {
		names = append(names, string(values.Get(i).Name()))
	}
	if meant := nearest(name, names); meant != "" {
		return meant
	}
	return "one of " + enumNames(f.fd.Enum())
}

// bytes appends what a string has in base64.
func (d *decoder) bytes(dst []byte, i int) ([]byte, int) {
	if d.at(i) != '"' {
		return d.wrong(dst, i, "a string, bytes in base64")
	}
	text, next := d.str(i)
	if next < 0 {
		return dst, -1
	}
	if d.loose && bytes.ContainsAny(text, "\r\n") {
		if plain, ok := bytesAsProtoJSON(string(text)); ok {
			text = plain
		}
	}
	dst, ok := appendBase64(dst, text)
	switch {
	case ok:
		return dst, next
	case bytes.ContainsAny(text, "\r\n"):
		return d.fail(dst, i, "base64 has a line break in it; write it in one line")
	}
	return d.wrong(dst, i, "bytes in base64")
}

// appendBase64 appends decoded bytes, their length first. Both alphabets are read, with padding and without.
func appendBase64(dst, text []byte) ([]byte, bool) {
	encoding := base64.StdEncoding
	url, broken := false, false
	for _, c := range text {
		url = url || c == '-' || c == '_'
		broken = broken || c == '\r' || c == '\n' // Go's decoder would skip them
	}
	switch padded := len(text)%4 == 0; {
	case broken:
		return dst, false
	case url && padded:
		encoding = base64.URLEncoding
	case url:
		encoding = base64.RawURLEncoding
	case !padded:
		encoding = base64.RawStdEncoding
	}
	dst = append(dst, 0)
	at, room := len(dst), encoding.DecodedLen(len(text))
	dst = slices.Grow(dst, room)
	n, err := encoding.Decode(dst[at:at+room], text)
	if err != nil {
		return dst, false
	}
	return closeLength(dst[:at+n], at, 1), true
}

// number returns the number of the value with this name.
func (e *enum) number(name []byte) (protoreflect.EnumNumber, bool) {
	n, ok := e.names()[string(name)]
	return n, ok
}

// foldedNumber is number for a name in any case, if all names that differ only in case mean the same.
func (e *enum) foldedNumber(name string) (n protoreflect.EnumNumber, ok bool) {
	for other, m := range e.names() {
		if !strings.EqualFold(other, name) {
			continue
		}
		if ok && n != m {
			return 0, false
		}
		n, ok = m, true
	}
	return n, ok
}
