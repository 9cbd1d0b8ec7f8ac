package program

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What is different with Options.GRPCGateway: the grammar of parameters is that of grpc-gateway's runtime (query.go and convert.go of its
// v2), which is Go's, and a query of which nothing can be bound is not looked at.

// asProtoJSON returns what ProtoJSON has for a value that is written as grpc-gateway reads it; ok is false for what that refuses.
// What the two read alike is returned as it is.
func (f *field) asProtoJSON(text []byte) (out []byte, ok bool) {
	s := string(text)
	switch f.op {
	case opBool:
		v, err := strconv.ParseBool(s)
		return strconv.AppendBool(nil, v), err == nil
	case opUint32, opUint64, opFixed32, opFixed64:
		v, err := strconv.ParseUint(s, 10, 64)
		return strconv.AppendUint(nil, v, 10), err == nil
	case opInt32, opInt64, opSint32, opSint64, opSfixed32, opSfixed64:
		v, err := strconv.ParseInt(s, 10, 64)
		return strconv.AppendInt(nil, v, 10), err == nil
	case opFloat:
		return floatAsProtoJSON(s, 32)
	case opDouble:
		return floatAsProtoJSON(s, 64)
	case opEnum, opNull:
		if _, named := f.enum.number(text); named {
			return text, true
		}
		v, err := strconv.ParseInt(s, 10, 32)
		return strconv.AppendInt(nil, v, 10), err == nil && !f.enum.unknown(uint64(v))
	case opMessage, opGroup:
		return f.message.asProtoJSON(text), true
	}
	return text, true
}

func floatAsProtoJSON(s string, bits int) ([]byte, bool) {
	switch s {
	case "NaN", "Infinity", "-Infinity":
		return []byte(s), true
	}
	v, err := strconv.ParseFloat(s, bits)
	if err != nil || strings.ContainsAny(s, "xX_iInN") { // 0x1p4, 1_0, inf, nan
		return nil, false
	}
	return strconv.AppendFloat(nil, v, 'g', -1, bits), true
}

// asProtoJSON is the same for times, which it leaves alone where Go reads none: the path has them as in ProtoJSON.
func (t *table) asProtoJSON(text []byte) []byte {
	switch t.kind {
	case kindTimestamp:
		if at, err := time.Parse(time.RFC3339Nano, string(text)); err == nil {
			return at.UTC().AppendFormat(nil, time.RFC3339Nano)
		}
	case kindDuration:
		if d, err := time.ParseDuration(string(text)); err == nil {
			sign := ""
			if d < 0 {
				sign = "-"
			}
			return fmt.Appendf(nil, "%s%d.%09ds", sign, (d / time.Second).Abs(), (d % time.Second).Abs())
		}
	}
	return text
}

// readTimestampAsGo is readTimestamp for all that protojson takes, which is what Go's time.Parse does, but for fractions of more than
// nine digits.
func readTimestampAsGo(dst, text []byte) ([]byte, bool) {
	if dst, ok := readTimestamp(dst, text); ok {
		return dst, true
	}
	point, zone := bytes.LastIndexByte(text, '.'), bytes.LastIndexAny(text, "Z-+")
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if err != nil || point >= 0 && zone-point > len(".999999999") {
		return dst, false
	}
	return readTimestamp(dst, at.UTC().AppendFormat(nil, time.RFC3339Nano))
}

// judgeLoosely is what grpc-gateway says to a parameter that cannot be bound: nothing, unless it leads through a field that has none.
func (r *Request) judgeLoosely(key string) error {
	_, err := resolve(r.table.md, key, byAnyName)
	if beyond, ok := err.(*pathError); ok && beyond.leaf != nil && (beyond.leaf.Message() == nil || beyond.leaf.Cardinality() == protoreflect.Repeated) {
		return r.unknownParameter(key, beyond)
	}
	return nil
}

// freeParameter appends a Struct, a Value or an Empty, of which grpc-gateway takes the JSON. free is false for all else.
func (d *decoder) freeParameter(f *field, p *pair) (free bool, err error) {
	if !d.loose || f.message == nil || f.card == cardMap || f.message.ready() != nil {
		return false, nil
	}
	t := f.message
	empty := t.md.FullName() == wellKnown.Append("Empty")
	if !empty && t.kind != kindStruct && t.kind != kindValue {
		return false, nil
	}
	text := d.text
	defer func() { d.text = text }()
	if d.text = p.value; empty && len(p.value) == 0 {
		d.text = []byte("{}")
	}
	d.content = append(d.content, 0)
	at, i := len(d.content), 0
	if d.content, i = d.message(d.content, space(d.text, 0), t, none); i < 0 || !d.ended(i) || empty && len(d.text) != len("{}") {
		d.refusal = refusal{}
		return true, invalid(ReasonInvalidParameter, string(p.key), "found "+shown(f.fd, string(p.value))+" where the parameter takes JSON")
	}
	d.content = closeLength(d.content, at, 1)
	return true, nil
}

// bindEntry reads a parameter map[key]=value. ok is false for any other.
func (d *decoder) bindEntry(r *Request, p *pair) (ok bool, err error) {
	name, rest, found := bytes.Cut(p.key, []byte("["))
	if !found || !bytes.HasSuffix(rest, []byte("]")) {
		return false, nil
	}
	if !d.follow(r, name) {
		return true, r.judgeLoosely(string(name))
	}
	f := d.trail[len(d.trail)-1]
	if f.card != cardMap || f.entry.ready() != nil || !f.entry.fields[1].isText() {
		return true, invalid(ReasonInvalidParameter, string(p.key), "only a map of values that are text has keys")
	}
	start := len(d.content)
	d.content = append(d.content, 0)
	at := len(d.content)
	for i, text := range [][]byte{rest[:len(rest)-1], p.value} {
		part := &f.entry.fields[i]
		d.content = appendTag(d.content, part.tag)
		if d.content, ok = r.options.appendParameter(d.content, part, text); !ok {
			return true, invalid(ReasonInvalidParameter, string(p.key), "found "+shown(part.fd, string(text))+" where the map takes "+expected(part.fd))
		}
	}
	d.content = closeLength(d.content, at, 1)
	n := int32(0)
	for _, f := range d.trail {
		d.nodes, n = addChild(d.nodes, n, f, p.key)
	}
	d.nodes[n].bound = true
	d.bind(n, start)
	return true, nil
}

// appendPaths appends a FieldMask of the names as they are written.
func appendPaths(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	for path := range bytes.SplitSeq(text, []byte(",")) {
		dst = protowire.AppendBytes(protowire.AppendTag(dst, 1, protowire.BytesType), path)
	}
	return dst
}

// takesQuery reports whether a field is left for a query to set.
func (r *Request) takesQuery() bool {
	if r.body.whole {
		return false
	}
	left := r.table.md.Fields().Len()
	if f := r.body.field; f != nil && len(f.fields) == 1 {
		left--
	}
	for i := range r.vars {
		if len(r.vars[i].path.fields) == 1 {
			left--
		}
	}
	return left > 0
}

// parseQueryLoosely is parseQuery as net/url and grpc-gateway have it: a semicolon is an error, a pair without a name is nothing.
func parseQueryLoosely(pairs []pair, raw string, text []byte) ([]pair, error) {
	for more := true; more; {
		var part string
		part, raw, more = strings.Cut(raw, "&")
		if strings.Contains(part, ";") {
			return pairs, invalid(ReasonMalformedQuery, "", "the query pair "+quote(part)+" has a semicolon; write %3B for it")
		}
		if part != "" && part[0] != '=' {
			p, err := parsePair(part, text[:len(part):len(part)])
			if err != nil {
				return pairs, err
			}
			pairs = append(pairs, p)
		}
		if more {
			text = text[len(part)+1:]
		}
	}
	return pairs, nil
}
