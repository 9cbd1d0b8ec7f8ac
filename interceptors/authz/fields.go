package authz

import (
	"fmt"
	"strconv"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
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

	types *graph // nil makes one for each method
}

// NewFields returns the interceptor of one schema, whose types are looked at once for all of its methods.
func NewFields(open bool) Fields { return Fields{Open: open, types: newGraph()} }

// Check returns nothing for a method whose request type, through all its fields, names no scopes.
func (f Fields) Check(m *rpc.Method) rpc.Check {
	if f.Open {
		return rpc.Check{}
	}
	types := f.types
	if types == nil {
		types = newGraph()
	}
	guarded := types.guarded(m.Input.Descriptor)
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

// graph is what is to be judged in the message types of one schema, each type once.
type graph struct {
	scoped *reach.Types // that have fields with scopes, or can hold a message that has
	mu     sync.Mutex
	nodes  map[protoreflect.FullName]*message
}

func newGraph() *graph {
	return &graph{scoped: reach.Of(hasScopes), nodes: map[protoreflect.FullName]*message{}}
}

// guarded returns what is to be judged in messages of type md, nil if nothing; edges that lead nowhere are left out.
func (g *graph) guarded(md protoreflect.MessageDescriptor) *message {
	if !g.scoped.Has(md) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.node(md)
}

// node makes the node of a type that is in scoped. It is there before those that it leads to, so recursive types end.
func (g *graph) node(md protoreflect.MessageDescriptor) *message {
	if n := g.nodes[md.FullName()]; n != nil {
		return n
	}
	n := &message{}
	g.nodes[md.FullName()] = n
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if scopes := scopesOf(fd); len(scopes) > 0 {
			n.scoped = append(n.scoped, scoped{fd, scopes})
		}
		if next := reach.Message(fd); next != nil && g.scoped.Has(next) {
			n.deeper = append(n.deeper, deeper{fd, g.node(next)})
		}
	}
	return n
}

func hasScopes(md protoreflect.MessageDescriptor) bool {
	for i := range md.Fields().Len() {
		if len(scopesOf(md.Fields().Get(i))) > 0 {
			return true
		}
	}
	return false
}

// scopesOf returns the scopes that a field's option names.
func scopesOf(fd protoreflect.FieldDescriptor) []string {
	policy, _ := proto.GetExtension(fd.Options(), policyv1.E_Field).(*policyv1.FieldPolicy)
	return policy.GetScopes()
}
