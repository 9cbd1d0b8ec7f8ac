package authz

import (
	"fmt"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// keyRunesMax bounds how much of a map key a refusal repeats.
const keyRunesMax = 64

// Fields is the interceptor for fields that need scopes: option (gatehouse.policy.v1.field). The zero value is ready
// and safe for concurrent use.
//
// A field counts as set when protobuf says so: a field without presence that holds its zero value is not. Messages
// packed in google.protobuf.Any are not opened.
type Fields struct {
	// Open lets every caller set every field: then there is nothing to check.
	Open bool
}

// Check returns nothing for a method whose request type, through all its fields, names no scopes.
func (f Fields) Check(m *rpc.Method) rpc.Check {
	if f.Open {
		return rpc.Check{}
	}
	guarded := newGraph(m.Input.Descriptor).guarded(m.Input.Descriptor)
	if guarded == nil {
		return rpc.Check{}
	}
	return rpc.Check{Request: func(c *rpc.Call, f *rpc.Frame) error {
		view, err := f.Message()
		if err != nil {
			return err
		}
		return guarded.judge(c, view.ProtoReflect(), "")
	}}
}

// message is what is to be judged in messages of one type.
type message struct {
	scoped []scoped
	deeper []deeper
}

// scoped is a field that needs scopes.
type scoped struct {
	field  protoreflect.FieldDescriptor
	scopes []string
}

// deeper is a field whose messages hold fields that need scopes.
type deeper struct {
	field protoreflect.FieldDescriptor
	in    *message
}

// judge refuses the first set field whose scopes the caller does not hold. Messages nest no deeper than they decode.
func (g *message) judge(c *rpc.Call, m protoreflect.Message, path string) error {
	for _, s := range g.scoped {
		if !m.Has(s.field) {
			continue
		}
		if missing := c.Principal.Missing(s.scopes); missing != "" {
			return refuse(c, path+string(s.field.Name()), missing)
		}
	}
	for _, d := range g.deeper {
		if !m.Has(d.field) {
			continue
		}
		if err := d.judge(c, m.Get(d.field), path+string(d.field.Name())); err != nil {
			return err
		}
	}
	return nil
}

// judge looks into one field: a message, a list or a map of them.
func (d deeper) judge(c *rpc.Call, v protoreflect.Value, path string) (err error) {
	switch {
	case d.field.IsMap():
		v.Map().Range(func(k protoreflect.MapKey, item protoreflect.Value) bool {
			err = d.in.judge(c, item.Message(), fmt.Sprintf("%s[%s].", path, quoted(k)))
			return err == nil
		})
		return err
	case d.field.IsList():
		for i := range v.List().Len() {
			if err := d.in.judge(c, v.List().Get(i).Message(), fmt.Sprintf("%s[%d].", path, i)); err != nil {
				return err
			}
		}
		return nil
	}
	return d.in.judge(c, v.Message(), path+".")
}

// quoted writes a map key as protovalidate does, but never more than a bound.
func quoted(k protoreflect.MapKey) string {
	if s, ok := k.Interface().(string); ok {
		if r := []rune(s); len(r) > keyRunesMax {
			s = string(r[:keyRunesMax]) + "…"
		}
		return strconv.Quote(s)
	}
	return k.String()
}

func refuse(c *rpc.Call, path, scope string) error {
	return rpc.Errorf(codes.PermissionDenied, "FIELD_SCOPE_MISSING",
		"setting %s in a call of %s needs the scope %q, which this caller does not hold; leave the field out, or use a credential that holds it",
		path, c.Method.Name(), scope).
		Meta("method", c.Method.Name()).Meta("field", path).Meta("scope", scope)
}

// graph is the message types that a type reaches through its fields.
type graph struct {
	nodes map[protoreflect.FullName]*message
	// marked are the types that hold or reach a field with scopes.
	marked map[protoreflect.FullName]bool
}

// newGraph walks all types reachable from md, each once, so recursive types end and the schema is the bound.
func newGraph(md protoreflect.MessageDescriptor) *graph {
	g := &graph{nodes: map[protoreflect.FullName]*message{}, marked: map[protoreflect.FullName]bool{}}
	parents := map[protoreflect.FullName][]protoreflect.FullName{}
	queue := []protoreflect.MessageDescriptor{md}
	g.nodes[md.FullName()] = &message{}
	for len(queue) > 0 {
		md, queue = queue[0], queue[1:]
		fields := md.Fields()
		for i := range fields.Len() {
			fd := fields.Get(i)
			if scopes := scopesOf(fd); len(scopes) > 0 {
				node := g.nodes[md.FullName()]
				node.scoped = append(node.scoped, scoped{fd, scopes})
			}
			next := target(fd)
			if next == nil {
				continue
			}
			parents[next.FullName()] = append(parents[next.FullName()], md.FullName())
			if g.nodes[next.FullName()] == nil {
				g.nodes[next.FullName()] = &message{}
				queue = append(queue, next)
			}
		}
	}
	g.mark(parents)
	return g
}

// mark spreads from the types with scoped fields to all that reach them.
func (g *graph) mark(parents map[protoreflect.FullName][]protoreflect.FullName) {
	var queue []protoreflect.FullName
	for name, node := range g.nodes {
		if len(node.scoped) > 0 {
			queue = append(queue, name)
		}
	}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if !g.marked[name] {
			g.marked[name] = true
			queue = append(queue, parents[name]...)
		}
	}
}

// guarded returns what is to be judged in messages of type md, nil if nothing; edges that lead nowhere are left out.
func (g *graph) guarded(md protoreflect.MessageDescriptor) *message {
	if !g.marked[md.FullName()] {
		return nil
	}
	done := map[protoreflect.FullName]bool{md.FullName(): true}
	queue := []protoreflect.MessageDescriptor{md}
	for len(queue) > 0 {
		current := queue[0]
		queue = queue[1:]
		node := g.nodes[current.FullName()]
		fields := current.Fields()
		for i := range fields.Len() {
			next := target(fields.Get(i))
			if next == nil || !g.marked[next.FullName()] {
				continue
			}
			node.deeper = append(node.deeper, deeper{fields.Get(i), g.nodes[next.FullName()]})
			if !done[next.FullName()] {
				done[next.FullName()] = true
				queue = append(queue, next)
			}
		}
	}
	return g.nodes[md.FullName()]
}

// target returns the message type that a field leads to, nil for scalars.
func target(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if fd.IsMap() {
		fd = fd.MapValue()
	}
	return fd.Message()
}

// scopesOf returns the scopes that a field's option names.
func scopesOf(fd protoreflect.FieldDescriptor) []string {
	policy, _ := proto.GetExtension(fd.Options(), policyv1.E_Field).(*policyv1.FieldPolicy)
	return policy.GetScopes()
}
