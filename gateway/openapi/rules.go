package openapi

import (
	"regexp"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Rules of protovalidate become keywords of JSON Schema where it has them, and words where it has not. Their messages are
// read by reflection: those of all numbers have the same fields.

// rulesOf returns the rules of a field that hold; nil if there are none. They were judged when the schema was published.
func rulesOf(fd protoreflect.FieldDescriptor) *validate.FieldRules {
	rules, _ := protovalidate.ResolveFieldRules(fd)
	if rules.GetIgnore() == validate.Ignore_IGNORE_ALWAYS {
		return nil
	}
	return rules
}

// typed calls f with each rule that depends on the field's type.
func typed(rules *validate.FieldRules, f func(name string, value protoreflect.Value, fd protoreflect.FieldDescriptor)) {
	if rules == nil {
		return
	}
	r := rules.ProtoReflect()
	kind := r.WhichOneof(r.Descriptor().Oneofs().ByName("type"))
	if kind == nil {
		return
	}
	of := r.Get(kind).Message()
	for _, fd := range fieldsOf(of.Descriptor().Fields()) {
		if of.Has(fd) {
			f(string(fd.Name()), of.Get(fd), fd)
		}
	}
}

// must reports whether a message without the field is refused: it is required, or its absence means a zero that breaks a
// rule. What only field_behavior requires is the backend's to refuse.
func must(fd protoreflect.FieldDescriptor) bool {
	if fd.Cardinality() == protoreflect.Required || behaves(fd, annotations.FieldBehavior_REQUIRED) {
		return true
	}
	rules := rulesOf(fd)
	switch {
	case rules.GetRequired():
		return true
	case rules.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE, fd.HasPresence():
		return false
	case fd.IsMap():
		return rules.GetMap().GetMinPairs() > 0
	case fd.IsList():
		return rules.GetRepeated().GetMinItems() > 0
	}
	return zeroFails(rules)
}

// zeroFails reports whether the zero value breaks a rule.
func zeroFails(rules *validate.FieldRules) (fails bool) {
	either := outside(rules)
	typed(rules, func(name string, value protoreflect.Value, fd protoreflect.FieldDescriptor) {
		switch name {
		case "const":
			fails = fails || !isZero(value)
		case "in":
			fails = fails || !hasZero(value.List())
		case "not_in":
			fails = fails || hasZero(value.List())
		case "gt", "gte", "lt", "lte":
			if n, ok := number(value); ok && !either {
				fails = fails || name == "gt" && n >= 0 || name == "gte" && n > 0 || name == "lt" && n <= 0 || name == "lte" && n < 0
			}
		case "min_len", "len", "min_bytes", "len_bytes", "prefix", "suffix", "contains":
			fails = fails || !isZero(value)
		case "pattern":
			re, err := regexp.Compile(value.String())
			fails = fails || err == nil && !re.MatchString("")
		case "well_known_regex":
			fails = fails || !regexp.MustCompile(headerPattern(rules.GetString())).MatchString("")
		case "email", "hostname", "ip", "ipv4", "ipv6", "uri", "address", "uuid", "tuuid", "ulid", "host_and_port",
			"ip_with_prefixlen", "ipv4_with_prefixlen", "ipv6_with_prefixlen", "ip_prefix", "ipv4_prefix", "ipv6_prefix":
			fails = fails || fd.Kind() == protoreflect.BoolKind && value.Bool()
		}
	})
	return fails
}

// outside reports whether the bounds of a number are those of a gap: one of the two suffices.
func outside(rules *validate.FieldRules) bool {
	from, to := bounds(rules)
	return from != nil && to != nil && *from > *to
}

// bounds are the rules gt or gte, and lt or lte.
func bounds(rules *validate.FieldRules) (from, to *float64) {
	typed(rules, func(name string, value protoreflect.Value, _ protoreflect.FieldDescriptor) {
		n, ok := number(value)
		switch {
		case !ok:
		case name == "gt", name == "gte":
			from = &n
		case name == "lt", name == "lte":
			to = &n
		}
	})
	return from, to
}

// number is a rule's value as a number, near enough to compare with.
func number(v protoreflect.Value) (float64, bool) {
	switch n := v.Interface().(type) {
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case uint32:
		return float64(n), true
	case uint64:
		return float64(n), true
	case float32:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func isZero(v protoreflect.Value) bool {
	if n, ok := number(v); ok {
		return n == 0
	}
	switch x := v.Interface().(type) {
	case bool:
		return !x
	case string:
		return x == ""
	case []byte:
		return len(x) == 0
	}
	return false
}

func hasZero(list protoreflect.List) bool {
	for i := range list.Len() {
		if isZero(list.Get(i)) {
			return true
		}
	}
	return false
}
