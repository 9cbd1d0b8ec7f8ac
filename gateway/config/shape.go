package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// shape holds a YAML document against a message: keys, kinds of values, names of enum values. It walks the message's
// fields, so its depth is bounded by the schema, not by the file.
type shape struct {
	file     string
	places   map[string]place // of settings, by path
	paths    map[place]string // of values, by place
	problems []problem
}

// message reads a group of settings.
func (s *shape) message(node *yaml.Node, desc protoreflect.MessageDescriptor, path string) {
	if node.Kind != yaml.MappingNode {
		s.report(node, path, "must be a group of settings, one a line: %s", list(fieldNames(desc)))
		return
	}
	seen := map[protoreflect.Name]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			s.report(key, path, "the name of a setting must stand here: %s", list(fieldNames(desc)))
			continue
		}
		field := fieldOf(desc, key.Value)
		if field == nil {
			s.report(key, path, "%s", unknown("key", key.Value, fieldNames(desc)))
			continue
		}
		if first := seen[field.Name()]; first != nil {
			s.report(key, join(path, field), "is already set in line %d", first.Line)
			s.paths[s.at(value)] = join(path, field)
			continue
		}
		seen[field.Name()] = key
		s.rival(value, field, path, seen)
		s.field(key, value, field, join(path, field))
	}
}

// rival reports a second field of a oneof.
func (s *shape) rival(value *yaml.Node, field protoreflect.FieldDescriptor, path string, seen map[protoreflect.Name]*yaml.Node) {
	oneof := field.ContainingOneof()
	if oneof == nil {
		return
	}
	for i := range oneof.Fields().Len() {
		other := oneof.Fields().Get(i)
		if first := seen[other.Name()]; first != nil && other != field {
			s.report(value, join(path, field), "excludes %s, which is set in line %d", other.Name(), first.Line)
		}
	}
}

func (s *shape) field(key, value *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	s.places[path], s.paths[s.at(value)] = s.at(value), path
	if value.Kind != yaml.ScalarNode {
		// The first item or the first key stands on a line of its own: the setting's name is the better place.
		s.places[path] = s.at(key)
	}
	// null would make an empty group, and an empty quota or tls is not the same as none.
	if value.Tag == "!!null" {
		s.report(value, path, "has no value; leave it out for its default")
		return
	}
	if !field.IsList() {
		s.value(value, field, path)
		return
	}
	if value.Kind != yaml.SequenceNode {
		s.report(value, path, `must be a list: lines that begin with "- ", or [a, b]`)
		return
	}
	for i, item := range value.Content {
		path := fmt.Sprintf("%s[%d]", path, i)
		s.places[path], s.paths[s.at(item)] = s.at(item), path
		s.value(item, field, path)
	}
}

// value reads one value. Numbers and durations are left to protoyaml, which says what is wrong with them.
func (s *shape) value(node *yaml.Node, field protoreflect.FieldDescriptor, path string) {
	if node.Kind == yaml.AliasNode {
		s.report(node, path, "aliases (*%s) are not read here; write the value out", node.Value)
		return
	}
	if m := field.Message(); m != nil && m.FullName() != "google.protobuf.Duration" {
		s.message(node, m, path)
		return
	}
	switch {
	case node.Kind != yaml.ScalarNode:
		s.report(node, path, "must be a single value")
	case node.Tag == "!!null":
		s.report(node, path, "has no value")
	case field.Kind() == protoreflect.BoolKind && node.Tag != "!!bool":
		s.report(node, path, "must be true or false; it is %q", node.Value)
	case field.Kind() == protoreflect.EnumKind:
		names := enumNames(field.Enum())
		if field.Enum().Values().ByName(protoreflect.Name(node.Value)) == nil {
			s.report(node, path, "%s", unknown("value", node.Value, names))
		}
	}
}

func (s *shape) at(node *yaml.Node) place {
	return place{s.file, node.Line, node.Column}
}

func (s *shape) report(node *yaml.Node, path, format string, args ...any) {
	s.problems = append(s.problems, problem{s.at(node), under(path, fmt.Sprintf(format, args...))})
}

func fieldOf(desc protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	if field := desc.Fields().ByName(protoreflect.Name(key)); field != nil {
		return field
	}
	return desc.Fields().ByJSONName(key)
}

func fieldNames(desc protoreflect.MessageDescriptor) []string {
	names := make([]string, desc.Fields().Len())
	for i := range names {
		names[i] = string(desc.Fields().Get(i).Name())
	}
	return names
}

// enumNames lists the values that say something: an UNSPECIFIED one is what leaving the setting out means.
func enumNames(desc protoreflect.EnumDescriptor) (names []string) {
	for i := range desc.Values().Len() {
		if name := string(desc.Values().Get(i).Name()); !strings.HasSuffix(name, "_UNSPECIFIED") {
			names = append(names, name)
		}
	}
	return names
}

func join(path string, field protoreflect.FieldDescriptor) string {
	if path == "" {
		return string(field.Name())
	}
	return path + "." + string(field.Name())
}

func list(names []string) string {
	return strings.Join(names, ", ")
}
