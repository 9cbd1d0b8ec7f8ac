package openapi

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func messageRulesOf(md protoreflect.MessageDescriptor) *validate.MessageRules {
	rules, _ := protovalidate.ResolveMessageRules(md) // judged when it was published
	return rules
}

// words for rules, where a value of the field's type follows.
var words = map[string]string{
	"const": "is %s", "gt": "is more than %s", "gte": "is at least %s", "lt": "is less than %s", "lte": "is at most %s",
	"in": "is one of %s", "not_in": "is none of %s", "within": "is within %s of now",
	"len": "has %s characters", "min_len": "has at least %s characters", "max_len": "has at most %s characters",
	"min_bytes": "has at least %s bytes", "max_bytes": "has at most %s bytes", "len_bytes": "has %s bytes",
	"pattern": "matches %s (RE2)", "prefix": "begins with %s", "suffix": "ends with %s", "contains": "contains %s",
	"not_contains": "does not contain %s",
}

// flags are rules that are on or off.
var flags = map[string]string{
	"lt_now": "is in the past", "gt_now": "is in the future", "finite": "is finite",
	"ip": "is an IP address", "ipv4": "is an IPv4 address", "ipv6": "is an IPv6 address", "uuid": "is a UUID",
	"address": "is a host name or an IP address", "host_and_port": "is host:port",
	"ip_with_prefixlen": "is an IP address with a prefix length", "ipv4_with_prefixlen": "is an IPv4 address with a prefix length",
	"ipv6_with_prefixlen": "is an IPv6 address with a prefix length", "ip_prefix": "is an IP prefix",
	"ipv4_prefix": "is an IPv4 prefix", "ipv6_prefix": "is an IPv6 prefix", "protobuf_fqn": "is the full name of a protobuf declaration",
	"protobuf_dot_fqn": "is the full name of a protobuf declaration, with a dot before it",
}

// ruleText says the rules of a field that its schema does not.
func ruleText(fd protoreflect.FieldDescriptor, rules *validate.FieldRules) string {
	if rules == nil {
		return ""
	}
	text := valueText(fd, rules)
	if fd.IsMap() {
		text = join(prefixed("A key ", keyText(fd.MapKey(), rules.GetMap().GetKeys())), prefixed("A value ", valueText(fd.MapValue(), rules.GetMap().GetValues())))
	} else if fd.IsList() {
		text = prefixed("An element ", elementText(fd, rules.GetRepeated().GetItems()))
	} else {
		text = prefixed("It ", text)
	}
	return paragraphs(text, celText(rules.GetCel(), rules.GetCelExpression()))
}

func elementText(fd protoreflect.FieldDescriptor, rules *validate.FieldRules) string {
	return join(valueText(fd, rules), prefixed("fulfils ", strings.TrimPrefix(celText(rules.GetCel(), rules.GetCelExpression()), "Rules:\n- ")))
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + strings.TrimSuffix(text, ".") + "."
}

func join(texts ...string) string {
	return strings.TrimSpace(strings.Join(texts, " "))
}

// keyText is valueText for the keys of a map. Those that are no strings are none in the schema, either.
func keyText(fd protoreflect.FieldDescriptor, rules *validate.FieldRules) string {
	if fd.Kind() == protoreflect.StringKind {
		return valueText(fd, rules)
	}
	return listed(fd, rules, func(protoreflect.Kind, string, protoreflect.Value) bool { return true })
}

// valueText lists what is not in the schema, joined by commas.
func valueText(fd protoreflect.FieldDescriptor, rules *validate.FieldRules) string {
	return listed(fd, rules, inWords)
}

func listed(fd protoreflect.FieldDescriptor, rules *validate.FieldRules, inWords func(protoreflect.Kind, string, protoreflect.Value) bool) string {
	var said, sides []string
	kind := kindOf(fd)
	typed(rules, func(name string, v protoreflect.Value, of protoreflect.FieldDescriptor) {
		if !inWords(kind, name, v) {
			return
		}
		if keywords[name] != "" && outside(rules) {
			sides = append(sides, fmt.Sprintf(words[name], showRule(v, of)))
			return
		}
		if of.Kind() == protoreflect.BoolKind && !of.IsList() && flags[name] != "" {
			if v.Bool() {
				said = append(said, flags[name])
			}
			return
		}
		if format := words[name]; format != "" {
			if kind == protoreflect.BytesKind {
				format = strings.Replace(format, "characters", "bytes", 1)
			}
			said = append(said, fmt.Sprintf(format, showRule(v, of)))
		}
	})
	if len(sides) > 0 {
		said = append(said, strings.Join(sides, " or "))
	}
	return strings.Join(said, ", ")
}

// inWords reports whether no keyword says a rule for values of a kind.
func inWords(kind protoreflect.Kind, name string, v protoreflect.Value) bool {
	switch {
	case kind == protoreflect.StringKind:
		if name == "pattern" {
			_, ok := ecma(v.String())
			return !ok
		}
		return name == "not_contains" || strings.HasSuffix(name, "_bytes") || flags[name] != "" && formats[name] == "" && name != "ip"
	case kind == protoreflect.BoolKind, kind == protoreflect.EnumKind, inNumbers(kind):
		return false
	case asNumberText(kind):
		return keywords[name] != ""
	}
	return true
}

// showRule writes a rule's value as people and JSON have it.
func showRule(v protoreflect.Value, of protoreflect.FieldDescriptor) string {
	if of.IsList() {
		var all []string
		for i := range v.List().Len() {
			all = append(all, showOne(v.List().Get(i)))
		}
		return strings.Join(all, ", ")
	}
	return showOne(v)
}

func showOne(v protoreflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return "`" + x + "`"
	case []byte:
		return strconv.Quote(base64.StdEncoding.EncodeToString(x))
	case protoreflect.Message:
		text, _ := protojson.Marshal(x.Interface()) // of rules that were judged
		return strings.Trim(string(text), `"`)
	default:
		return fmt.Sprint(x)
	}
}
