package openapi

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// constrain adds the rules of one value to its schema.
func constrain(schema *object, fd protoreflect.FieldDescriptor, rules *validate.FieldRules, s *schemas, st style) {
	if rules == nil || rules.GetIgnore() == validate.Ignore_IGNORE_ALWAYS {
		return
	}
	before := schema.clone()
	switch kind := kindOf(fd); {
	case kind == protoreflect.EnumKind:
		constrainEnum(schema, fd.Enum(), rules.GetEnum(), st)
	case kind == protoreflect.StringKind:
		constrainString(schema, fd, rules)
	case kind == protoreflect.BoolKind:
		typed(rules, func(name string, v protoreflect.Value, _ protoreflect.FieldDescriptor) {
			if name == "const" {
				schema.set("const", v.Bool())
			}
		})
	case inNumbers(kind):
		constrainNumber(schema, fd, rules, st)
	case asNumberText(kind):
		constrainLists(schema, rules, func(v protoreflect.Value) any { return v.String() })
	}
	if zeroPasses(rules) && len(schema.keys) > len(before.keys) && zeroFails(rules) {
		orZero(schema, before, fd, st)
	}
	exemplify(schema, fd, rules, st)
}

// kindOf is the kind of the value that is written: a wrapper's is that of what it holds, and MessageKind stands for those
// that have none.
func kindOf(fd protoreflect.FieldDescriptor) protoreflect.Kind {
	md := fd.Message()
	if md == nil {
		return fd.Kind()
	}
	if known := wellKnown(md); known != nil && md.Fields().Len() == 1 && md.Fields().Get(0).Name() == "value" {
		return md.Fields().Get(0).Kind()
	}
	return protoreflect.MessageKind
}

// orZero lets the zero value pass beside what the rules ask for.
func orZero(schema, before *object, fd protoreflect.FieldDescriptor, st style) {
	zero := pairs("const", "")
	switch kind := kindOf(fd); {
	case kind == protoreflect.EnumKind:
		zero = pairs("enum", enumValues(fd.Enum(), []int32{0}, st)) // it may have several names
	case kind == protoreflect.BoolKind:
		zero = pairs("const", false)
	case inNumbers(kind):
		zero = pairs("const", 0)
	case asNumberText(kind):
		zero = pairs("const", "0")
	}
	limited := schema.clone()
	*schema = *pairs("anyOf", []any{zero, limited})
	if t := before.get("type"); t != nil {
		schema.set("type", t)
	}
}

// inNumbers tells the kinds whose JSON is a number.
func inNumbers(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind,
		protoreflect.FloatKind, protoreflect.DoubleKind:
		return true
	}
	return false
}

// asNumberText tells the kinds whose JSON is a number in a string.
func asNumberText(kind protoreflect.Kind) bool {
	switch kind {
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true
	}
	return false
}

// keywords of JSON Schema for the bounds of a number.
var keywords = map[string]string{"gt": "exclusiveMinimum", "gte": "minimum", "lt": "exclusiveMaximum", "lte": "maximum"}

func constrainNumber(schema *object, fd protoreflect.FieldDescriptor, rules *validate.FieldRules, st style) {
	bounded := newObject()
	typed(rules, func(name string, v protoreflect.Value, _ protoreflect.FieldDescriptor) {
		if n, ok := number(v); ok && keywords[name] != "" && !math.IsInf(n, 0) && !math.IsNaN(n) {
			bounded.set(keywords[name], v.Interface())
		}
	})
	if choices, ok := schema.get("anyOf").([]any); ok { // a float: see the function of this name
		if left := unnumberedLeft(rules); len(left) > 0 {
			schema.set("anyOf", []any{choices[0], pairs("type", "string", "enum", left)})
		} else {
			*schema = *choices[0].(*object)
		}
	}
	var sides []any
	for _, key := range bounded.keys {
		if outside(rules) {
			sides = append(sides, pairs(key, bounded.get(key)))
		} else {
			schema.set(key, bounded.get(key))
		}
	}
	if sides != nil {
		schema.set("allOf", []any{pairs("anyOf", sides)})
	}
	constrainLists(schema, rules, func(v protoreflect.Value) any { return written(fd, v, st) })
}

// constrainLists adds const, in and not_in.
func constrainLists(schema *object, rules *validate.FieldRules, show func(protoreflect.Value) any) {
	typed(rules, func(name string, v protoreflect.Value, _ protoreflect.FieldDescriptor) {
		switch name {
		case "const":
			schema.set("const", show(v))
		case "in":
			schema.set("enum", shown(v.List(), show))
		case "not_in":
			schema.set("not", pairs("enum", shown(v.List(), show)))
		}
	})
}

func shown(list protoreflect.List, show func(protoreflect.Value) any) []any {
	values := []any{}
	for i := range list.Len() {
		if v := show(list.Get(i)); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// formats are the rules for which JSON Schema has a format.
var formats = map[string]string{
	"email": "email", "hostname": "hostname", "ipv4": "ipv4", "ipv6": "ipv6", "uri": "uri", "uri_ref": "uri-reference", "uuid": "uuid",
}

// patterns are the rules that an expression says as well.
var patterns = map[string]string{"tuuid": "^[0-9a-fA-F]{32}$", "ulid": "^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"}

func constrainString(schema *object, fd protoreflect.FieldDescriptor, rules *validate.FieldRules) {
	var expressions []string
	typed(rules, func(name string, v protoreflect.Value, of protoreflect.FieldDescriptor) {
		switch {
		case name == "min_len", name == "len":
			schema.set("minLength", v.Uint())
		case name == "max_len":
			schema.set("maxLength", v.Uint())
		case name == "pattern":
			if p, ok := ecma(v.String()); ok {
				expressions = append(expressions, p)
			}
		case name == "prefix":
			expressions = append(expressions, "^"+quoted(v.String()))
		case name == "suffix":
			expressions = append(expressions, quoted(v.String())+"$")
		case name == "contains":
			expressions = append(expressions, quoted(v.String()))
		case of.Kind() != protoreflect.BoolKind || !v.Bool():
		case formats[name] != "":
			schema.set("format", formats[name])
		case patterns[name] != "":
			expressions = append(expressions, patterns[name])
		case name == "ip":
			schema.set("anyOf", []any{pairs("format", "ipv4"), pairs("format", "ipv6")})
		}
		if name == "len" {
			schema.set("maxLength", v.Uint())
		}
	})
	if p := headerPattern(rules.GetString()); p != "" {
		expressions = append(expressions, p)
	}
	if rules.GetRequired() && !fd.HasPresence() && schema.get("minLength") == nil {
		schema.set("minLength", 1) // without presence, empty is not set
	}
	constrainLists(schema, rules, func(v protoreflect.Value) any { return v.String() })
	if len(expressions) == 1 {
		schema.set("pattern", expressions[0])
		return
	}
	var all []any
	for _, e := range expressions {
		all = append(all, pairs("pattern", e))
	}
	if all != nil {
		schema.set("allOf", all)
	}
}

// headerPattern is what the rule well_known_regex asks for, as protovalidate has it; "" for nothing.
func headerPattern(rules *validate.StringRules) string {
	strict := !rules.HasStrict() || rules.GetStrict()
	switch known := rules.GetWellKnownRegex(); {
	case known == validate.KnownRegex_KNOWN_REGEX_HTTP_HEADER_NAME && strict:
		return `^:?[0-9a-zA-Z!#$%&'*+-.^_|~` + "`]+$"
	case known == validate.KnownRegex_KNOWN_REGEX_HTTP_HEADER_NAME:
		return `^[^\x00\n\r]+$`
	case known == validate.KnownRegex_KNOWN_REGEX_HTTP_HEADER_VALUE && strict:
		return `^[^\x00-\x08\n-\x1f\x7f]*$`
	case known == validate.KnownRegex_KNOWN_REGEX_HTTP_HEADER_VALUE:
		return `^[^\x00\n\r]+$` // the library refuses an empty one, though its documentation does not say so
	}
	return ""
}

// constrainEnum names the values that are left. Beside a reference to the enum's own schema, that is a further condition.
func constrainEnum(schema *object, ed protoreflect.EnumDescriptor, rules *validate.EnumRules, st style) {
	numbers := enumNumbers(ed)
	some := rules.GetDefinedOnly()
	if rules.HasConst() {
		some, numbers = true, []int32{rules.GetConst()}
	}
	if len(rules.GetIn()) > 0 {
		some, numbers = true, rules.GetIn()
	}
	if len(rules.GetNotIn()) > 0 {
		some = some || ed.IsClosed()
		numbers = slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return slices.Contains(rules.GetNotIn(), n) })
		if !some {
			schema.set("not", pairs("enum", eitherForm(ed, rules.GetNotIn())))
		}
	}
	if some {
		schema.set("enum", enumValues(ed, numbers, st))
	}
}

// enumValues are numbers as they are written: by name where they have one.
func enumValues(ed protoreflect.EnumDescriptor, numbers []int32, st style) []any {
	values := []any{}
	for _, n := range numbers {
		v := ed.Values().ByNumber(protoreflect.EnumNumber(n))
		if v == nil || st.enumNumbers {
			values = append(values, n)
			continue
		}
		for i := range ed.Values().Len() { // aliases are read, too
			if alias := ed.Values().Get(i); alias.Number() == v.Number() {
				values = append(values, string(alias.Name()))
			}
		}
	}
	return values
}

// eitherForm are numbers in all forms that the schema of an open enum lets pass.
func eitherForm(ed protoreflect.EnumDescriptor, numbers []int32) []any {
	values := enumValues(ed, numbers, style{})
	for _, n := range enumValues(ed, numbers, style{enumNumbers: true}) {
		if !slices.Contains(values, n) {
			values = append(values, n)
		}
	}
	return values
}

func constrainList(schema *object, rules *validate.FieldRules) {
	r := rules.GetRepeated()
	atLeast(schema, "minItems", "maxItems", r.GetMinItems(), rules)
	if r.HasMaxItems() {
		schema.set("maxItems", r.GetMaxItems())
	}
	if r.GetUnique() {
		schema.set("uniqueItems", true)
	}
}

func constrainMap(schema *object, rules *validate.FieldRules) {
	r := rules.GetMap()
	atLeast(schema, "minProperties", "maxProperties", r.GetMinPairs(), rules)
	if r.HasMaxPairs() {
		schema.set("maxProperties", r.GetMaxPairs())
	}
}

// atLeast sets the least size of a list or a map, beside which an empty one may pass.
func atLeast(schema *object, least, most string, n uint64, rules *validate.FieldRules) {
	if rules.GetRequired() {
		n = max(n, 1)
	}
	switch {
	case n == 0:
	case !zeroPasses(rules):
		schema.set(least, n)
	case n > 1:
		schema.set("anyOf", []any{pairs(most, 0), pairs(least, n)})
	}
}

// zeroPasses reports whether the zero value passes whatever the other rules are. What is required is not ignored.
func zeroPasses(rules *validate.FieldRules) bool {
	return rules.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE && !rules.GetRequired()
}

// messageRules tells what the rules of a message are, which no keyword can say.
func messageRules(md protoreflect.MessageDescriptor) string {
	rules := messageRulesOf(md)
	return celText(rules.GetCel(), rules.GetCelExpression())
}

// celText has a line for each rule in CEL.
func celText(rules []*validate.Rule, expressions []string) string {
	text := ""
	for _, r := range rules {
		switch {
		case r.GetMessage() != "":
			text += fmt.Sprintf("- %s (`%s`)\n", r.GetMessage(), spaced(r.GetExpression()))
		default:
			text += fmt.Sprintf("- `%s`\n", spaced(r.GetExpression()))
		}
	}
	for _, e := range expressions {
		text += fmt.Sprintf("- `%s`\n", spaced(e))
	}
	if text == "" {
		return ""
	}
	return "Rules:\n" + text[:len(text)-1]
}

var blanks = regexp.MustCompile(`\s+`)

func spaced(text string) string { return blanks.ReplaceAllString(text, " ") }
