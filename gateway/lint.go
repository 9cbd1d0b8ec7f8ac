package gateway

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// lint finds what AIP-127 advises against in the REST faces that a method's author wrote, and that no program sees:
// what concerns the method's kind, its templates, or several faces together.
func lint(md protoreflect.MethodDescriptor, rules []rule) []string {
	var warnings []string
	warn := func(format string, args ...any) {
		warnings = append(warnings, fmt.Sprintf("%s: ", md.FullName())+fmt.Sprintf(format, args...))
	}
	if len(rules) > 0 && md.IsStreamingClient() && md.IsStreamingServer() {
		warn("a bidi method has a REST face; many HTTP clients cannot read replies while they send (AIP-127)")
	}
	for i, r := range rules {
		if i > 0 && r.body != rules[0].body {
			warn("%s %s has the body %q and %s %s has %q; the bindings of a method should agree (AIP-127)",
				rules[0].verb, rules[0].path, rules[0].body, r.verb, r.path, r.body)
		}
		if t, err := route.Parse(r.path); err == nil && deepInside(t) {
			warn("%s %s has segments after **; other gateways may not serve it (AIP-127)", r.verb, r.path)
		}
	}
	return warnings
}

// lintNames finds the fields of a method's request that are named differently in JSON and in the query than the .proto
// suggests. Each field is told once, at the first method that takes it: told keeps those that were.
func lintNames(md protoreflect.MethodDescriptor, told map[protoreflect.FullName]bool) []string {
	var warnings []string
	for i := range md.Input().Fields().Len() {
		fd := md.Input().Fields().Get(i)
		if fd.JSONName() == defaultJSONName(fd) || told[fd.FullName()] {
			continue
		}
		told[fd.FullName()] = true
		warnings = append(warnings, fmt.Sprintf("%s: field %s sets json_name %q; its query parameter is that too (AIP-140)",
			md.FullName(), fd.FullName(), fd.JSONName()))
	}
	return warnings
}

// defaultJSONName is the lowerCamelCase name that protoc gives a field.
func defaultJSONName(fd protoreflect.FieldDescriptor) string {
	var name []byte
	up := false
	for _, c := range []byte(fd.Name()) {
		switch {
		case c == '_':
			up = true
			continue
		case up && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		name, up = append(name, c), false
	}
	return string(name)
}

// deepInside reports whether ** is followed by more than a verb.
func deepInside(t *route.Template) bool {
	segments := strings.TrimSuffix(t.Shape(), ":"+t.Verb)
	return strings.Contains(segments, "/**") && !strings.HasSuffix(segments, "/**")
}
