package program

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/rpc"
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
	case opBytes:
		return bytesAsProtoJSON(s)
	case opMessage, opGroup:
		return f.message.asProtoJSON(text), true
	}
	return text, true
}

// bytesAsProtoJSON reads base64 as Go does, which skips the ends of lines.
func bytesAsProtoJSON(s string) ([]byte, bool) {
	encoding := base64.StdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.URLEncoding
	}
	if len(s)%4 != 0 {
		encoding = encoding.WithPadding(base64.NoPadding)
	}
	raw, err := encoding.DecodeString(s)
	return base64.StdEncoding.AppendEncode(nil, raw), err == nil
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

// passOver is what grpc-gateway makes of a parameter that follow leads to no field: nothing, if path or body set what it names, or an
// error, if it leads through a field that has none. On the way to a name that nobody knows it makes messages.
func (d *decoder) passOver(r *Request, key []byte) error {
	if r.filters(string(key)) {
		return nil
	}
	t, n := r.table, int32(0)
	for more := true; more; {
		var name []byte
		name, key, more = bytes.Cut(key, []byte("."))
		f := t.byName(name)
		if f == nil || !more {
			return nil
		}
		if f.card != cardSingle || f.message == nil {
			return invalid(ReasonUnknownParameter, string(name), "it is "+describe(f.fd)+", so the parameter must end there")
		}
		if f.message.ready() != nil {
			return nil
		}
		d.nodes, n = addChild(d.nodes, n, f, name)
		if d.nodes[n].body || d.nodes[n].bound {
			return nil
		}
		d.nodes[n].touched = true
		t = f.message
	}
	return nil
}

// filters reports whether a parameter names, in the words of the .proto, a field that path or body set, or one inside it.
func (r *Request) filters(key string) bool {
	given := &path{name: key}
	if f := r.body.field; r.body.whole || f != nil && given.within(f.name) {
		return true
	}
	return slices.ContainsFunc(r.vars, func(v variable) bool { return given.within(v.path.name) })
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

// half is what was seen of an entry of a map.
type half struct {
	key   []byte
	times int
}

// bindEntry reads a parameter map[key]=value, or the two of map=key&map=value, which is the same. ok is false for any other.
func (d *decoder) bindEntry(r *Request, p *pair) (ok bool, err error) {
	name, key, named := p.key, []byte(nil), false
	if i := bytes.LastIndexByte(p.key, '['); i >= 0 && p.key[len(p.key)-1] == ']' && bytes.IndexByte(p.key, '\n') < 0 {
		name, key, named = p.key[:i], p.key[i+1:len(p.key)-1], true
	}
	if !d.follow(r, name) {
		if named {
			err = d.passOver(r, name)
		}
		return named, err
	}
	f := d.trail[len(d.trail)-1]
	switch {
	case f.card != cardMap && !named:
		return false, nil
	case f.card != cardMap || f.entry.ready() != nil:
		return true, invalid(ReasonInvalidParameter, string(p.key), "only a map has keys")
	}
	place := d.placeOfEntry(key, named)
	seen := d.seen[place]
	switch seen.times++; {
	case named && seen.times > 1, seen.times > 2:
		return true, invalid(ReasonDuplicateParam, string(p.key), "an entry of a map came more than once")
	case !named && seen.times == 1:
		seen.key = p.value
		d.halves++
	case !named:
		d.halves--
	}
	if d.seen == nil {
		d.seen = map[string]half{}
	}
	d.seen[place] = seen
	if !named && seen.times == 1 {
		return true, nil
	} else if !named {
		key = seen.key
	}
	return true, d.appendEntry(r, f, p, key)
}

// placeOfEntry is the one name of an entry of the map that d.trail leads to.
func (d *decoder) placeOfEntry(key []byte, named bool) string {
	var b []byte
	for _, f := range d.trail {
		b = append(append(b, f.fd.Name()...), '.')
	}
	if named {
		b = append(append(b, '['), key...)
	}
	return string(b)
}

// appendEntry appends an entry of the map that d.trail leads to.
func (d *decoder) appendEntry(r *Request, f *field, p *pair, key []byte) error {
	start := len(d.content)
	d.content = append(d.content, 0)
	at := len(d.content)
	for i, text := range [][]byte{key, p.value} {
		part := &f.entry.fields[i]
		d.content = appendTag(d.content, part.tag)
		if free, err := d.freeParameter(part, p); err != nil {
			return err
		} else if free {
			continue
		}
		ok := false
		if part.isText() {
			d.content, ok = r.options.appendParameter(d.content, part, text)
		}
		if !ok {
			if err := d.misfit(r, part, string(p.key), text, "found %s where the map takes %s"); err != nil {
				return err
			}
		}
	}
	d.content = closeLength(d.content, at, 1)
	n := int32(0)
	for _, f := range d.trail {
		d.nodes, n = addChild(d.nodes, n, f, p.key)
	}
	d.nodes[n].bound = true
	d.bind(n, start)
	return nil
}

// appendPathValue appends the value of a variable. Times are as in ProtoJSON there, also between quotes.
func (d *decoder) appendPathValue(r *Request, f *field, text []byte) ([]byte, bool) {
	o := &r.options
	if d.loose && f.message != nil && (f.message.kind == kindTimestamp || f.message.kind == kindDuration) {
		strict := r.options
		strict.GRPCGateway = false
		o, text = &strict, bytes.Trim(text, `"`)
	}
	return o.appendParameter(d.content, f, text)
}

// misfit refuses the text of a field. To text that is no UTF-8 grpc-gateway says nothing before it sends the message, which fails
// within: then its answer is INTERNAL, unless something else is wrong, too. The same becomes of it where a variable takes an enum.
func (d *decoder) misfit(r *Request, f *field, name string, text []byte, format string) error {
	op := f.textOp()
	if d.loose && !utf8.Valid(text) && (op == opString || f.message != nil && f.message.kind == kindFieldMask || op == opEnum && strings.HasPrefix(format, "the path")) {
		d.tell(rpc.Errorf(codes.Internal, ReasonInvalidParameter, "%s: the text is not UTF-8, so no message can hold it", clip(name, 128)))
		if op == opEnum {
			d.content = append(d.content, 0) // a number in its place
		}
		return nil
	}
	return invalid(ReasonInvalidParameter, name, fmt.Sprintf(format, shown(f.fd, string(text)), expected(f.fd)))
}

// isMessage tells whether a body that is absent is an empty message by grpc-gateway: wrappers and times are, too.
func isMessage(f *field) bool { return f.card == cardSingle && f.message != nil }

// appendEmpty appends a field that is an empty message.
func (d *decoder) appendEmpty(dst []byte, f *field) []byte {
	if f.op == opGroup {
		return appendTag(appendTag(dst, f.tag), groupEnd(f.tag))
	}
	return append(appendTag(dst, f.tag), 0)
}

// finishMask puts the paths of an inferred mask in order. There is a mask even of no paths, unless it came as a parameter; parameters for its
// own paths add to it.
func (d *decoder) finishMask(r *Request) {
	if n := d.child(0, r.mask); n != none && d.nodes[n].bound {
		d.masked, d.paths = false, d.paths[:0]
		return
	}
	d.masked = true
	var paths [][]byte
	for rest := d.paths; len(rest) > 0; {
		path, n := protowire.ConsumeBytes(rest[1:]) // behind its tag
		paths, rest = append(paths, bytes.Clone(path)), rest[1+n:]
	}
	slices.SortFunc(paths, bytes.Compare)
	d.paths = d.paths[:0]
	for _, path := range paths {
		d.paths = protowire.AppendBytes(append(d.paths, tagPath), path)
	}
}

// collectInside adds the paths of what is in a Struct or a Value: grpc-gateway takes the names in it for those of fields.
func (d *decoder) collectInside(text []byte) {
	var value any
	if json.Unmarshal(text, &value) != nil { // it was read as one already
		return
	}
	d.collectNames(value)
}

func (d *decoder) collectNames(value any) {
	object, _ := value.(map[string]any)
	if len(object) == 0 {
		d.collect()
		return
	}
	for name, inner := range object {
		mark := len(d.prefix)
		d.prefix = append(append(d.prefix, '.'), name...)
		d.collectNames(inner)
		d.prefix = d.prefix[:mark]
	}
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
			rawKey, rawValue, _ := bytes.Cut(text[:len(part):len(part)], []byte("="))
			key, keyOK := unescapeQuery(rawKey)
			value, valueOK := unescapeQuery(rawValue)
			if !keyOK || !valueOK {
				return pairs, invalid(ReasonMalformedQuery, "", "the query pair "+quote(part)+" has a % that is not followed by two hexadecimal digits; write % itself as %25")
			}
			pairs = append(pairs, pair{key: key, value: value})
		}
		if more {
			text = text[len(part)+1:]
		}
	}
	return pairs, nil
}
