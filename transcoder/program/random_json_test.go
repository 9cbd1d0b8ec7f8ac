package program

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// jsonMaker makes JSON for a message: mostly valid, in all the spellings that ProtoJSON allows, and now and then not.
type jsonMaker struct {
	*rand.Rand
	schema *randomSchema
	odd    int // one value in so many is not what the field takes
	left   int // how many values may still be made
	// unsigned makes no -0: for the reference it is the same value as 0, so that path and body agree. For a program they
	// are two values, which 23 refuses.
	unsigned bool
}

func newJSONMaker(s *randomSchema, seed uint64) *jsonMaker {
	r := rand.New(rand.NewPCG(seed, 7))
	return &jsonMaker{Rand: r, schema: s, odd: []int{1 << 30, 1 << 30, 200, 40}[r.IntN(4)], left: 150}
}

func (g *jsonMaker) one(in int) bool { return g.IntN(in) == 0 }

func pick[T any](g *jsonMaker, from ...T) T { return from[g.IntN(len(from))] }

var oddValues = []string{
	"null", "true", "false", "0", "-1", "1.5", `""`, `"x"`, `"1"`, "[]", "{}", "[null]", "[[]]", `{"a":1}`, "1e3", `"1e3"`, "1e", "01", "-", "+1", "1.", ".5", "tru", "nul",
	`"\ud800"`, `"\u00e9"`, "\"\xff\"", "\"a\nb\"", `"`, `"\x"`, "99999999999", "18446744073709551616", "-9223372036854775809", "1e1000000000", "1e-1000000000", "4294967296", "-2147483649",
	`"NaN"`, `"Infinity"`, `"-Infinity"`, "NaN", `"inf"`, "1e400", "3.5e38", `" 1"`, `"1 "`, `"0x10"`, `"YQ"`, `"YQ=="`, `"Y!"`, `"YWJ\nj"`, `"-_8"`, `"2020-01-02T03:04:05Z"`, `"1.5s"`, `"a,bC"`, `"a_b"`,
	`{"@type":"x/r.M0"}`, `{"@type":""}`, `{"@type":1}`, `{"@type":"x/nope"}`, `{"value":1,"@type":"x/google.protobuf.Int32Value"}`, "", ",", ":", "}", "]", "//", "'a'", "9007199254740993", "0.1e1", "15.0e-1", "10e-1", "-0", "-0.0",
}

func (g *jsonMaker) space() string {
	if g.one(30) {
		return pick(g, " ", "\n", "\t\r\n ", "  ")
	}
	return ""
}

func (g *jsonMaker) object(members []string) string {
	if len(members) > 1 && g.one(60) {
		members = append(members, members[g.IntN(len(members))]) // a duplicate
	}
	if g.one(3) {
		g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	}
	return "{" + g.space() + strings.Join(members, g.space()+","+g.space()) + g.space() + "}"
}

func (g *jsonMaker) member(name, value string) string {
	return g.str(name) + g.space() + ":" + g.space() + value
}

// str quotes text, with more escapes than it needs.
func (g *jsonMaker) str(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || g.one(60) && r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		case r >= 0x10000 && g.one(3):
			fmt.Fprintf(&b, `\u%04X\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

func (g *jsonMaker) message(md protoreflect.MessageDescriptor, depth int) string {
	if g.one(g.odd) {
		return pick(g, oddValues...)
	}
	switch formOf(md) {
	case formText:
		return g.textForm(md)
	case formWrapper:
		return g.scalar(wrapped(md))
	case formFree:
		return g.free(md, depth)
	case formAny:
		return g.any(depth)
	}
	return g.object(g.members(md, depth))
}

func (g *jsonMaker) members(md protoreflect.MessageDescriptor, depth int) []string {
	var members []string
	oneofs := map[int]bool{}
	add := func(name string, fd protoreflect.FieldDescriptor) {
		if od := fd.ContainingOneof(); od != nil {
			if oneofs[od.Index()] && !g.one(60) {
				return
			}
			oneofs[od.Index()] = true
		}
		members = append(members, g.member(name, g.field(fd, depth)))
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if g.left--; fd.Cardinality() == protoreflect.Required && !g.one(40) || g.left > 0 && g.one(2) && (depth < 4 || fd.Message() == nil) {
			add(pick(g, fd.JSONName(), fd.JSONName(), fd.TextName()), fd)
		}
	}
	for i := range md.ParentFile().Extensions().Len() {
		if x := md.ParentFile().Extensions().Get(i); x.ContainingMessage().FullName() == md.FullName() && g.one(3) && depth < 4 || g.one(g.odd) {
			add("["+string(x.FullName())+"]", x)
		}
	}
	if g.one(40) {
		members = append(members, g.member(pick(g, "unknown", "[r.unknown]", "[", "", "@type", "value"), pick(g, oddValues[:20]...)))
	}
	return members
}

func (g *jsonMaker) field(fd protoreflect.FieldDescriptor, depth int) string {
	if g.one(20) {
		return "null"
	}
	if g.one(g.odd) {
		return pick(g, oddValues...)
	}
	switch {
	case fd.IsMap():
		var members []string
		for range g.IntN(pick(g, 1, 3, 3, 14)) {
			if g.left--; g.left > 0 {
				members = append(members, g.member(g.key(fd.MapKey()), g.one1(fd.MapValue(), depth+1)))
			}
		}
		return g.object(members)
	case fd.IsList():
		var elements []string
		for range g.IntN(pick(g, 2, 4, 40)) {
			if g.left--; g.left > 0 {
				elements = append(elements, g.one1(fd, depth+1))
			}
		}
		return "[" + strings.Join(elements, g.space()+","+g.space()) + g.space() + "]"
	}
	return g.one1(fd, depth+1)
}

// one1 makes one value.
func (g *jsonMaker) one1(fd protoreflect.FieldDescriptor, depth int) string {
	if fd.Message() != nil {
		return g.message(fd.Message(), depth)
	}
	return g.scalar(fd)
}

func (g *jsonMaker) key(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return pick(g, "", "a", "b", "é", fmt.Sprint(g.IntN(30)))
	case protoreflect.BoolKind:
		return pick(g, "true", "false")
	}
	return pick(g, "0", "1", "2", "01", "+3", fmt.Sprint(g.Int32()), fmt.Sprint(g.IntN(20)))
}

func (g *jsonMaker) scalar(fd protoreflect.FieldDescriptor) string {
	if g.one(g.odd) {
		return pick(g, oddValues...)
	}
	text := g.text(fd)
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return g.str(text)
	case protoreflect.BoolKind:
		return text
	case protoreflect.EnumKind:
		if strings.ContainsAny(text[:1], "-0123456789") {
			return text
		}
		return g.str(text)
	}
	if g.one(3) || strings.ContainsAny(text, "NIa") {
		return g.str(text)
	}
	return text
}

// text makes a scalar's text, without quotes.
func (g *jsonMaker) text(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return pick(g, "", "x", "some text", "\u00e9\U0001f600\"\\\n", strings.Repeat("long ", g.IntN(60)))
	case protoreflect.BytesKind:
		return pick(g, "", "YQ", "YQ==", "-_8", "+/8=", "YWJj", strings.Repeat("YWJj", g.IntN(60)), "YR==")
	case protoreflect.BoolKind:
		return pick(g, "true", "false")
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		if g.one(20) {
			return pick(g, "NOPE", "77", "-5", "1e0")
		}
		v := values.Get(g.IntN(values.Len()))
		return pick(g, string(v.Name()), string(v.Name()), fmt.Sprint(v.Number()))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		zero := "-0"
		if g.unsigned {
			zero = "0"
		}
		return pick(g, "0", zero, "1", "1.5", "-2.25", "1e10", "1E-5", fmt.Sprint(g.Float32()), fmt.Sprint(g.NormFloat64()*1e6), "16777217", "0.1", "123456.789", "NaN", "Infinity", "-Infinity", "12345678901234567890")
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return pick(g, "0", "1", "7.0", "1e2", "4294967295", fmt.Sprint(g.Uint32()), fmt.Sprint(g.IntN(300)))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return pick(g, "0", "1", "7.0", "1e2", "18446744073709551615", fmt.Sprint(g.Uint64()), fmt.Sprint(g.IntN(300)), "1e19")
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return pick(g, "0", "-1", "7.0", "1.20e2", "-9223372036854775808", "9223372036854775807", fmt.Sprint(g.Int64()), fmt.Sprint(g.IntN(300)), "-0")
	}
	return pick(g, "0", "-1", "7.0", "1.5e1", "-2147483648", "2147483647", fmt.Sprint(g.Int32()), fmt.Sprint(g.IntN(300)), "-0.0e5")
}

func (g *jsonMaker) textForm(md protoreflect.MessageDescriptor) string { return g.str(g.formText(md)) }

func (g *jsonMaker) formText(md protoreflect.MessageDescriptor) string {
	switch md.Name() {
	case "Timestamp":
		return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d%s%s", 1+g.IntN(9999), 1+g.IntN(12), 1+g.IntN(pick(g, 28, 28, 31)), g.IntN(24), g.IntN(60), g.IntN(60),
			pick(g, "", ".5", ".123456789", ".000001", ".0"), pick(g, "Z", "Z", "+01:00", "-23:59", "+00:00"))
	case "Duration":
		return pick(g, "", "-", "+") + pick(g, "0", "1", "315576000000", "12", "", "01") + pick(g, "", ".", ".5", ".000000001", ".123456789") + "s"
	}
	return pick(g, "", "a", "a,bC", "a.b.cD,e", "aB1", " a ", "A", "a.", "f1,f2")
}

func (g *jsonMaker) free(md protoreflect.MessageDescriptor, depth int) string {
	kind := pick(g, "s", "n", "o", "l", "t", "0")
	switch {
	case md.Name() == "Struct":
		kind = "o"
	case md.Name() == "ListValue":
		kind = "l"
	}
	value := md.ParentFile().Messages().ByName("Value")
	var parts []string
	for range g.IntN(4) {
		if g.left--; g.left > 0 && depth < 6 {
			part := g.message(value, depth+1)
			if kind == "o" {
				part = g.member(pick(g, "a", "b", "c", "d"), part)
			}
			parts = append(parts, part)
		}
	}
	switch kind {
	case "o":
		return g.object(parts)
	case "l":
		return "[" + strings.Join(parts, ",") + "]"
	case "s":
		return g.str("text\u00e9")
	case "n":
		return pick(g, "null", "true", "false")
	}
	return pick(g, "0", "1.5", "-7", "1e30")
}

func (g *jsonMaker) any(depth int) string {
	if depth > 4 || g.one(8) {
		return "{}"
	}
	md := pick(g, g.schema.messages...)
	if g.one(2) {
		mt, err := g.schema.types.FindMessageByName(wellKnown.Append(protoreflect.Name(pick(g, wellKnownTypes...))))
		if err != nil {
			panic(err)
		}
		md = mt.Descriptor()
	}
	typed := g.member("@type", g.str(pick(g, "", "x/", "type.googleapis.com/", "a/b/")+string(md.FullName())))
	if formOf(md) == formObject && md.Name() != "Empty" {
		return g.object(append([]string{typed}, g.members(md, depth+1)...))
	}
	if md.Name() == "Empty" && g.one(2) {
		return g.object([]string{typed})
	}
	return g.object([]string{typed, g.member("value", g.message(md, depth+1))})
}

// rule makes a binding, and the values of its variables and its query.
func (g *jsonMaker) rule(md protoreflect.MessageDescriptor) (rule RequestRule, in Input) {
	g.unsigned = true
	rule.HTTPMethod = pick(g, "POST", "PATCH")
	var query []string
	for range g.IntN(3) {
		if name, fd := g.path(md, g.IntN(3), byProtoName); fd != nil && isText(fd) {
			texts := []string{g.parameter(fd)}
			for fd.IsList() && g.one(2) { // as grpc-gateway takes them
				texts = append(texts, g.parameter(fd))
			}
			rule.Vars, in.Path = append(rule.Vars, name), append(in.Path, strings.Join(texts, ","))
		}
	}
	rule.Body = pick(g, "*", "", "f", "f")
	var body protoreflect.FieldDescriptor
	if rule.Body == "f" {
		rule.Body, body = g.path(md, pick(g, 0, 0, 0, 1), byProtoName)
	}
	for range g.IntN(4) {
		if name, fd := g.path(md, g.IntN(3), byAnyName); fd != nil && (isText(fd) || g.one(10)) {
			query = append(query, url.QueryEscape(name)+pick(g, "=", "=", "=", "=", "=", "=", "")+url.QueryEscape(g.parameter(fd)))
		}
	}
	if g.one(30) {
		query = append(query, pick(g, "unknown=1", "%zz", "=", "&", "a.b=1", "x=%f"))
	}
	in.Query = strings.Join(query, "&")
	switch {
	case g.one(8):
		in.Body = []byte(pick(g, "", " ", "{}", "null"))
	case rule.Body == "*":
		in.Body = []byte(g.message(md, 0))
	case body != nil:
		in.Body = []byte(g.field(body, 0))
	}
	return rule, in
}

// path picks a field of md, or one further in.
func (g *jsonMaker) path(md protoreflect.MessageDescriptor, further int, find lookup) (string, protoreflect.FieldDescriptor) {
	if md.Fields().Len() == 0 {
		return "", nil
	}
	fd := md.Fields().Get(g.IntN(md.Fields().Len()))
	name := string(fd.Name())
	if find(md.Fields(), fd.JSONName()) == fd && g.one(2) {
		name = fd.JSONName()
	}
	if find(md.Fields(), name) != fd || strings.Contains(name, ".") {
		return "", nil
	}
	if further > 0 && fd.Message() != nil && fd.Cardinality() != protoreflect.Repeated && formOf(fd.Message()) == formObject {
		if inner, leaf := g.path(fd.Message(), further-1, find); leaf != nil {
			return name + "." + inner, leaf
		}
	}
	return name, fd
}

func (g *jsonMaker) parameter(fd protoreflect.FieldDescriptor) string {
	switch {
	case g.one(g.odd):
		return pick(g, "", "x", "1", "true", "null", "\xff", "1e", "a,b", "1.5s")
	case fd.Message() == nil:
		return g.text(fd)
	case formOf(fd.Message()) == formWrapper:
		return g.text(wrapped(fd.Message()))
	case formOf(fd.Message()) == formText:
		return g.formText(fd.Message())
	}
	return "1"
}
