package openapi

import (
	"fmt"
	"slices"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// style is how messages look as JSON. Reading takes more than one form; a schema has the one that is written.
type style struct {
	protoNames, enumNumbers bool
	nulls                   bool // fields that are not set are written as null
}

func styleOf(o program.Options) style { return style{o.ProtoNames, o.EnumNumbers, o.EmitUnset} }

func (s style) String() string {
	name := ""
	if s.protoNames {
		name += "-proto-names"
	}
	if s.enumNumbers {
		name += "-enum-numbers"
	}
	if s.nulls {
		name += "-nulls"
	}
	return name
}

func (s style) name(fd protoreflect.FieldDescriptor) string {
	if s.protoNames {
		return fd.TextName()
	}
	return fd.JSONName()
}

// schemas collects the component schemas that a document refers to: one for each message and enum, and where services
// differ in their JSON options one for each form.
type schemas struct {
	found map[string]*object
	mixed bool // forms are told apart by their names
}

func newSchemas(faces []numbered) *schemas {
	s := &schemas{found: map[string]*object{}}
	for _, f := range faces {
		s.mixed = s.mixed || styleOf(f.JSON) != styleOf(faces[0].JSON)
	}
	return s
}

// refer returns a reference to a component, which write makes when it is the first.
func (s *schemas) refer(d protoreflect.Descriptor, st style, write func() *object) *object {
	name := string(d.FullName())
	if s.mixed {
		name += st.String()
	}
	if s.found[name] == nil {
		s.found[name] = newObject() // a type may hold itself
		*s.found[name] = *write()
	}
	return pairs("$ref", "#/components/schemas/"+name)
}

// sorted returns the components by name.
func (s *schemas) sorted() *object {
	names := make([]string, 0, len(s.found))
	for name := range s.found {
		names = append(names, name)
	}
	slices.Sort(names)
	sorted := newObject()
	for _, name := range names {
		sorted.set(name, s.found[name])
	}
	return sorted
}

// message returns the schema of a message wherever it stands as a value.
func (s *schemas) message(md protoreflect.MessageDescriptor, st style) *object {
	if known := wellKnown(md); known != nil {
		return known()
	}
	return s.refer(md, st, func() *object { return s.object(md, st, nil) })
}

// object writes the schema of an ordinary message, without the fields that are set elsewhere: dotted paths by the names of
// the .proto.
func (s *schemas) object(md protoreflect.MessageDescriptor, st style, without []string) *object {
	schema := pairs("type", "object")
	schema.setText("description", paragraphs(comment(md), messageRules(md)))
	if deprecated(md) {
		schema.set("deprecated", true)
	}
	properties := newObject()
	var required []string
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		below, skip := narrow(without, string(fd.Name()))
		if skip {
			continue
		}
		if len(below) > 0 && fd.Message() != nil {
			inner := s.object(fd.Message(), st, below)
			inner.setText("description", comment(fd))
			properties.set(st.name(fd), inner)
		} else {
			properties.set(st.name(fd), orNull(s.field(fd, st), fd, st))
		}
		if must(fd) {
			required = append(required, st.name(fd))
		}
	}
	schema.set("properties", properties)
	if len(required) > 0 {
		schema.set("required", required)
	}
	if choices := exclusive(md, st, without); len(choices) > 0 {
		schema.set("allOf", choices)
	}
	return schema
}

// orNull lets null pass where it is written for a field that is not set.
func orNull(schema *object, fd protoreflect.FieldDescriptor, st style) *object {
	if !st.nulls || !fd.HasPresence() || fd.ContainingOneof() != nil || fd.Cardinality() == protoreflect.Required {
		return schema
	}
	said := text(schema.take("description"))
	schema = pairs("anyOf", []any{schema, pairs("type", "null")})
	schema.setText("description", said)
	return schema
}

// narrow returns the paths below a field, and whether one of them is the field itself.
func narrow(paths []string, name string) (below []string, whole bool) {
	for _, p := range paths {
		if p == name {
			return nil, true
		}
		if rest, ok := strings.CutPrefix(p, name+"."); ok {
			below = append(below, rest)
		}
	}
	return below, false
}

// exclusive says of each oneof that at most one of its fields is there; or exactly one.
func exclusive(md protoreflect.MessageDescriptor, st style, without []string) []any {
	var all []any
	add := func(fields []protoreflect.FieldDescriptor, required bool) {
		var names []string
		for _, fd := range fields {
			if slices.ContainsFunc(without, func(p string) bool { return p == string(fd.Name()) || strings.HasPrefix(p, string(fd.Name())+".") }) {
				return // what is set elsewhere decides, and the gateway says so
			}
			names = append(names, st.name(fd))
		}
		var one []any
		for _, name := range names {
			one = append(one, pairs("required", []string{name}))
		}
		if !required {
			one = append(one, pairs("not", pairs("anyOf", slices.Clone(one))))
		}
		all = append(all, pairs("oneOf", one))
	}
	for i := range md.Oneofs().Len() {
		od := md.Oneofs().Get(i)
		if od.IsSynthetic() {
			continue
		}
		rules, _ := protovalidate.ResolveOneofRules(od) // judged when it was published
		add(fieldsOf(od.Fields()), rules.GetRequired())
	}
	rules, _ := protovalidate.ResolveMessageRules(md)
	for _, o := range rules.GetOneof() {
		var fields []protoreflect.FieldDescriptor
		for _, name := range o.GetFields() {
			if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
				fields = append(fields, fd)
			}
		}
		add(fields, o.GetRequired())
	}
	return all
}

func fieldsOf(list protoreflect.FieldDescriptors) (fields []protoreflect.FieldDescriptor) {
	for i := range list.Len() {
		fields = append(fields, list.Get(i))
	}
	return fields
}

// field returns the schema of a field, with what its comment and its rules say.
func (s *schemas) field(fd protoreflect.FieldDescriptor, st style) *object {
	rules := rulesOf(fd)
	schema := s.bare(fd, st, rules)
	var scopes []string
	if p := extension[*policyv1.FieldPolicy](fd, policyv1.E_Field); p != nil {
		scopes = p.GetScopes()
	}
	needs := ""
	if len(scopes) > 0 {
		needs = "Setting it needs the scopes " + strings.Join(scopes, ", ") + "."
		schema.set("x-gatehouse-scopes", scopes)
	}
	hint(schema, fd, st)
	schema.setText("description", paragraphs(comment(fd), behaviorText(fd), needs, ruleText(fd, rules)))
	if deprecated(fd) {
		schema.set("deprecated", true)
	}
	return schema
}

// bare is field without words.
func (s *schemas) bare(fd protoreflect.FieldDescriptor, st style, rules *validate.FieldRules) *object {
	switch {
	case fd.IsMap():
		return s.entries(fd, st, rules)
	case fd.IsList():
		items := s.value(fd, st)
		constrain(items, fd, rules.GetRepeated().GetItems(), s, st)
		schema := pairs("type", "array", "items", items)
		constrainList(schema, rules)
		return schema
	default:
		schema := s.value(fd, st)
		constrain(schema, fd, rules, s, st)
		return schema
	}
}

// entries is the schema of a map. JSON has strings for keys.
func (s *schemas) entries(fd protoreflect.FieldDescriptor, st style, rules *validate.FieldRules) *object {
	value := s.value(fd.MapValue(), st)
	constrain(value, fd.MapValue(), rules.GetMap().GetValues(), s, st)
	schema := pairs("type", "object", "additionalProperties", value)
	names := newObject()
	switch kind := fd.MapKey().Kind(); kind {
	case protoreflect.StringKind:
		constrain(names, fd.MapKey(), rules.GetMap().GetKeys(), s, st)
	case protoreflect.BoolKind:
		names.set("enum", []string{"true", "false"})
	default:
		names.set("pattern", integerPattern(kind))
	}
	if len(names.keys) > 0 {
		schema.set("propertyNames", names)
	}
	constrainMap(schema, rules)
	return schema
}

// value is the schema of one value of a field: of a list's element, too.
func (s *schemas) value(fd protoreflect.FieldDescriptor, st style) *object {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return s.message(fd.Message(), st)
	case protoreflect.EnumKind:
		return s.enum(fd.Enum(), st)
	default:
		return scalar(fd.Kind())
	}
}

// enum is the schema of an enum: the names of its values, and, as it is open unless it says that it is closed, any number.
func (s *schemas) enum(ed protoreflect.EnumDescriptor, st style) *object {
	if ed.FullName() == "google.protobuf.NullValue" {
		return pairs("type", "null")
	}
	return s.refer(ed, st, func() *object {
		names, numbers := pairs("type", "string", "enum", enumNames(ed)), pairs("type", "integer", "format", "int32")
		choices := []any{names, numbers}
		switch {
		case ed.IsClosed() && st.enumNumbers:
			choices = []any{pairs("type", "integer", "enum", enumNumbers(ed)), names}
		case st.enumNumbers:
			choices = []any{numbers, names}
		case ed.IsClosed():
			choices = choices[:1]
		}
		schema := pairs("anyOf", choices)
		if len(choices) == 1 {
			schema = names
		}
		schema.setText("description", paragraphs(comment(ed), enumText(ed)))
		if deprecated(ed) {
			schema.set("deprecated", true)
		}
		return schema
	})
}

func enumNames(ed protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range ed.Values().Len() {
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	return names
}

func enumNumbers(ed protoreflect.EnumDescriptor) []int32 {
	var numbers []int32
	for i := range ed.Values().Len() {
		if n := int32(ed.Values().Get(i).Number()); !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// enumText has a line for each value, with its number.
func enumText(ed protoreflect.EnumDescriptor) string {
	var lines []string
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		line := fmt.Sprintf("- %s (%d)", v.Name(), v.Number())
		if text := strings.Join(strings.Fields(comment(v)), " "); text != "" {
			line += ": " + text
		}
		if deprecated(v) {
			line += " Deprecated."
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// scalar is the ProtoJSON form of a scalar type.
func scalar(kind protoreflect.Kind) *object {
	switch kind {
	case protoreflect.BoolKind:
		return pairs("type", "boolean")
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return pairs("type", "integer", "format", "int32")
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return pairs("type", "integer", "format", "uint32", "minimum", 0, "maximum", uint32(1<<32-1))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return pairs("type", "string", "format", "int64", "pattern", integerPattern(kind))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return pairs("type", "string", "format", "uint64", "pattern", integerPattern(kind))
	case protoreflect.FloatKind:
		return float("float")
	case protoreflect.DoubleKind:
		return float("double")
	case protoreflect.BytesKind:
		return pairs("type", "string", "contentEncoding", "base64")
	default:
		return pairs("type", "string")
	}
}

// float is a number, or one of those that JSON has no number for.
func float(format string) *object {
	return pairs("anyOf", []any{
		pairs("type", "number", "format", format),
		pairs("type", "string", "enum", unnumbered),
	})
}

func integerPattern(kind protoreflect.Kind) string {
	switch kind {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "^[0-9]+$"
	}
	return "^-?[0-9]+$"
}
