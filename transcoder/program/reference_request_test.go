package program

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// refRequest is what Request was before it was a program: the body is decoded into dynamicpb by protojson, path and query
// are set in that message, and it is encoded. It is slow and says what is right; the fuzz targets compare Request with it.
type refRequest struct {
	types   Resolver
	options Options
	md      protoreflect.MessageDescriptor
	vars    []refVariable
	body    refBody
	mask    protoreflect.FieldDescriptor // the field mask of a PATCH, inferred when unset; nil if there is none
}

// refRequest makes the program of one binding of a method whose input is md. The error says, for whoever publishes the
// schema, why the binding can never work.
func newRefRequest(c *Compiler, md protoreflect.MessageDescriptor, rule RequestRule, o Options) (*refRequest, error) {
	r := &refRequest{types: c.types, options: o.withDefaults(), md: md}
	if err := r.compileVars(rule.Vars); err != nil {
		return nil, err
	}
	if err := r.compileBody(rule.Body); err != nil {
		return nil, err
	}
	if rule.HTTPMethod == "PATCH" {
		r.mask = r.updateMask()
	}
	return r, nil
}

// AppendWire appends the message's wire bytes to dst, which it returns unchanged on error. ignored counts what was left
// out because Options.Unknown is Ignore; it is 0 otherwise. Errors are *rpc.Error with one of this package's reasons.
//
// The cheap parts are judged first: path, then query, then body.
func (r *refRequest) appendWire(dst []byte, in Input) (wire []byte, ignored int, err error) {
	fromPath, err := r.bindPath(in.Path)
	if err != nil {
		return dst, 0, err
	}
	fromQuery, ignored, err := r.bindQuery(in.Query)
	if err != nil {
		return dst, 0, err
	}
	m := dynamicpb.NewMessage(r.md)
	present, n, err := r.decodeBody(m, in.Body)
	if err != nil {
		return dst, 0, err
	}
	ignored += n
	// The body is in the message already, so that the path can overwrite it: the path always wins.
	for _, b := range append(fromPath, fromQuery...) {
		n, err := b.apply(m, r.options.lenient())
		if err != nil {
			return dst, 0, err
		}
		ignored += n
	}
	r.inferMask(m, present)
	wire, err = proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m)
	if err != nil {
		return dst, 0, unfinished(m, err)
	}
	return wire, ignored, nil
}

// unfinished explains why m has no wire form: a required field is missing.
func unfinished(m proto.Message, err error) error {
	if missing := proto.CheckInitialized(m); missing != nil {
		return invalid(ReasonMissingField, "", protoText(missing))
	}
	return rpc.Errorf(codes.Internal, "INTERNAL", "the request could not be encoded").Because(err)
}

// compileVars resolves the template's variables.
func (r *refRequest) compileVars(names []string) error {
	for _, name := range names {
		p, err := resolve(r.md, name, byProtoName)
		if err != nil {
			return fmt.Errorf("path variable {%s}: %w", name, err)
		}
		leaf := p.leaf()
		csv := leaf.IsList() && isText(leaf) && r.options.RepeatedCSV
		if leaf.Cardinality() == protoreflect.Repeated && !csv || !isText(leaf) {
			return fmt.Errorf("path variable {%s} is %s; a variable must be a singular scalar", name, describe(leaf))
		}
		for _, other := range r.vars {
			if other.path.name == p.name {
				return fmt.Errorf("path variable {%s} is bound twice", name)
			}
			if od := sharedOneof(&other.path, p); od != nil {
				return fmt.Errorf("path variables {%s} and {%s} are members of one oneof, %s", other.path.name, name, od.FullName())
			}
		}
		r.vars = append(r.vars, refVariable{path: *p, csv: csv})
	}
	return nil
}

// compileBody resolves the rule's body.
func (r *refRequest) compileBody(rule string) error {
	switch rule {
	case "":
		return nil
	case "*":
		r.body.whole = true
		return nil
	}
	p, err := resolve(r.md, rule, byProtoName)
	if err != nil {
		return fmt.Errorf("body %q: %w", rule, err)
	}
	if formOf(r.md) != formObject {
		return fmt.Errorf("body %q: %s has a JSON form of its own, so its fields cannot be a body; use \"*\"", rule, r.md.FullName())
	}
	r.body.field = p
	return nil
}

// variable is a path variable's field.
type refVariable struct {
	path path
	csv  bool // the values of a repeated field, separated by commas
}

// bindPath reads the variables' values.
func (r *refRequest) bindPath(values []string) ([]refBinding, error) {
	if len(values) != len(r.vars) {
		return nil, rpc.Errorf(codes.Internal, "INTERNAL", "the route does not fit its binding").
			Because(fmt.Errorf("%d path values for %d variables of %s", len(values), len(r.vars), r.md.FullName()))
	}
	bindings := make([]refBinding, len(values))
	for i := range values {
		v := &r.vars[i]
		bindings[i] = refBinding{path: &v.path, name: v.path.name, fromPath: true}
		texts := values[i : i+1]
		if v.csv {
			texts = splitCSV(values[i])
		}
		for _, text := range texts {
			value, err := r.options.parseText(v.path.leaf(), text)
			if err != nil {
				return nil, invalid(ReasonInvalidParameter, v.path.name, "the path has "+quote(text)+" where it takes "+expected(v.path.leaf()))
			}
			bindings[i].values = append(bindings[i].values, value)
		}
	}
	return bindings, nil
}

func splitCSV(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// binding is what path or query say about one field.
type refBinding struct {
	path     *path
	name     string // as the client, or the template, names it
	values   []protoreflect.Value
	fromPath bool
}

// apply sets the field in m. A field that is set already was set by the body: then the path wins, and a different value
// is an error, or ignored when lenient. A zero of a field without presence is no value. ignored is 0 or 1.
func (b *refBinding) apply(m protoreflect.Message, lenient bool) (ignored int, err error) {
	for i, fd := range b.path.fields {
		if od := fd.ContainingOneof(); od != nil {
			if set := m.WhichOneof(od); set != nil && set.Number() != fd.Number() {
				return 0, invalid(ReasonParameterConflict, b.name, fmt.Sprintf(
					"%s and %s are members of one oneof, %s; send only one of them", set.Name(), fd.Name(), od.Name()))
			}
		}
		if i < len(b.path.fields)-1 {
			m = m.Mutable(fd).Message()
		}
	}
	fd := b.path.leaf()
	value := b.value(m)
	if m.Has(fd) && !m.Get(fd).Equal(value) {
		if !lenient {
			return 0, invalid(ReasonParameterConflict, b.name, "the body has another value for this field than the path; leave it out of the body")
		}
		ignored = 1
	}
	m.Set(fd, value)
	return ignored, nil
}

// value returns what to set the leaf of m to.
func (b *refBinding) value(m protoreflect.Message) protoreflect.Value {
	fd := b.path.leaf()
	if !fd.IsList() {
		return b.values[0]
	}
	list := m.NewField(fd).List()
	for _, v := range b.values {
		list.Append(v)
	}
	return protoreflect.ValueOfList(list)
}

// bindQuery reads the query's parameters. ignored counts those left out because the program is lenient.
func (r *refRequest) bindQuery(raw string) (bindings []refBinding, ignored int, err error) {
	pairs, err := refParseQuery(raw)
	if err != nil {
		return nil, 0, err
	}
	seen := make(map[string]int, len(pairs)) // path name → its binding
	for _, p := range pairs {
		if names := 1 + strings.Count(p.key, "."); names > r.options.QueryDepthMax {
			return nil, 0, invalid(ReasonInvalidParameter, p.key, fmt.Sprintf(
				"the parameter names a field %d levels deep; at most %d are allowed", names, r.options.QueryDepthMax))
		}
		field, err := r.queryField(p.key)
		if err != nil {
			if r.options.lenient() {
				ignored++
				continue
			}
			return nil, 0, err
		}
		value, err := r.queryValue(field.leaf(), p)
		if err != nil {
			return nil, 0, err
		}
		i, again := seen[field.name]
		switch {
		case !again:
			seen[field.name] = len(bindings)
			bindings = append(bindings, refBinding{path: field, name: p.key, values: []protoreflect.Value{value}})
		case field.leaf().IsList():
			bindings[i].values = append(bindings[i].values, value)
		default:
			return nil, 0, invalid(ReasonDuplicateParam, p.key, fmt.Sprintf("%s takes one value and came more than once", field.name))
		}
	}
	return bindings, ignored, nil
}

// queryField finds the field that a parameter names, among those that neither path nor body set. A lenient program
// ignores the parameter on any of its errors.
func (r *refRequest) queryField(key string) (*path, error) {
	field, err := resolve(r.md, key, byAnyName)
	if err != nil {
		return nil, r.unknownParameter(key, err.(*pathError))
	}
	switch r.setter(field) {
	case setByPath:
		return nil, invalid(ReasonParameterConflict, key, "the path sets this field already; leave the parameter out")
	case setByBody:
		return nil, invalid(ReasonParameterConflict, key, "the body sets this field; send it there")
	}
	return field, nil
}

// setter tells which part of a request sets the field.
func (r *refRequest) setter(field *path) setter {
	for i := range r.vars {
		if field.within(r.vars[i].path.name) {
			return setByPath
		}
	}
	if r.body.whole || r.body.field != nil && field.within(r.body.field.name) {
		return setByBody
	}
	return setByQuery
}

// queryValue reads the value of a parameter for a field.
func (r *refRequest) queryValue(fd protoreflect.FieldDescriptor, p refPair) (protoreflect.Value, error) {
	if !isText(fd) {
		return protoreflect.Value{}, invalid(ReasonInvalidParameter, p.key, notText(fd))
	}
	if p.value == "" && !isString(fd) {
		if p.bare && r.options.BoolFlags && isBool(fd) {
			p.value = "true"
		} else {
			return protoreflect.Value{}, invalid(ReasonInvalidParameter, p.key, "the parameter is empty where it takes "+expected(fd))
		}
	}
	value, err := r.options.parseText(fd, p.value)
	if err != nil {
		return protoreflect.Value{}, invalid(ReasonInvalidParameter, p.key, "found "+quote(p.value)+" where the parameter takes "+expected(fd))
	}
	return value, nil
}

// unknownParameter says what is wrong with a parameter's name and which name was perhaps meant.
func (r *refRequest) unknownParameter(key string, e *pathError) error {
	text := e.Error()
	if e.leaf == nil {
		if meant := nearest(e.name, r.parameters(e)); meant != "" {
			text += fmt.Sprintf("; did you mean %s?", e.prefix+meant)
		}
	}
	return invalid(ReasonUnknownParameter, key, clip(text, bodyTextMax))
}

// parameters lists the names that could stand in the place of an unknown one. A name with an underscore is answered in
// the same style.
func (r *refRequest) parameters(e *pathError) []string {
	base, _ := resolve(r.md, strings.TrimSuffix(e.prefix, "."), byAnyName) // nil at the top
	var names []string
	for i := range e.in.Fields().Len() {
		fd := e.in.Fields().Get(i)
		p := &path{name: string(fd.Name())}
		if base != nil {
			p.name = base.name + "." + p.name
		}
		switch {
		case r.setter(p) != setByQuery:
		case strings.Contains(e.name, "_"):
			names = append(names, fd.TextName())
		default:
			names = append(names, fd.JSONName())
		}
	}
	return names
}

// isBool and isString look through wrappers: in path and query a BoolValue is written as a bool is.
func isBool(fd protoreflect.FieldDescriptor) bool {
	return fd.Kind() == protoreflect.BoolKind || isWellKnown(fd, "BoolValue")
}

func isString(fd protoreflect.FieldDescriptor) bool {
	return fd.Kind() == protoreflect.StringKind || isWellKnown(fd, "StringValue")
}

// parent returns the message that holds the leaf, making the messages on the way.
func (p *path) parent(m protoreflect.Message) protoreflect.Message {
	for _, fd := range p.fields[:len(p.fields)-1] {
		m = m.Mutable(fd).Message()
	}
	return m
}
