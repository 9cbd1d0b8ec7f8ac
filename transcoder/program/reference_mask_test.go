package program

import (
	"math/rand/v2"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maskReference does to a message what a mask does to its wire.
type maskReference struct {
	types Resolver
	keep  bool
	hide  []protoreflect.FullName
}

// refPath is a path as the fields that it leads through; value is what replaces the last.
type refPath struct {
	fields []protoreflect.FieldDescriptor
	text   string
	value  []byte
}

// appendWire is what Mask.AppendWire appends, in some order.
func (m *maskReference) appendWire(md protoreflect.MessageDescriptor, paths, values []refPath, wire []byte) (msg proto.Message, err error) {
	defer func() {
		if recover() != nil { // see errPanic
			msg, err = nil, errPanic
		}
	}()
	into := dynamicpb.NewMessage(md)
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: m.types}).Unmarshal(wire, into); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(paths, func(p refPath) bool { return len(p.fields) == 0 }) {
		if m.keep {
			paths = nil
			m.keep = false
		} else {
			return dynamicpb.NewMessage(md), nil
		}
	}
	m.message(into, !m.keep, paths, values)
	return into, nil
}

func (m *maskReference) message(msg protoreflect.Message, all bool, paths, values []refPath) {
	if formOf(msg.Descriptor()) != formObject {
		return
	}
	if !all {
		msg.SetUnknown(nil)
	}
	var set []protoreflect.FieldDescriptor
	msg.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		set = append(set, fd)
		return true
	})
	for _, fd := range set {
		named, whole := below(paths, fd)
		replaced, value := below(values, fd)
		below := all
		switch {
		case slices.Contains(m.hide, fd.FullName()), !m.keep && whole != nil, !all && whole == nil && len(named) == 0:
			msg.Clear(fd)
			continue
		case !all && whole != nil:
			below, named = true, nil
		case fd.IsExtension() && len(named)+len(replaced) == 0 && value == nil: // not looked into
			continue
		}
		switch v := msg.Get(fd); {
		case fd.IsMap():
			for k, element := range v.Map().Range {
				if value != nil {
					v.Map().Set(k, m.value(fd.MapValue(), value.value))
				} else if fd.MapValue().Message() != nil {
					m.message(element.Message(), below, named, replaced)
				}
			}
		case fd.IsList():
			for i := range v.List().Len() {
				if value != nil {
					v.List().Set(i, m.value(fd, value.value))
				} else if fd.Message() != nil {
					m.message(v.List().Get(i).Message(), below, named, replaced)
				}
			}
		case value != nil:
			msg.Set(fd, m.value(fd, value.value))
		case fd.Message() != nil:
			m.message(v.Message(), below, named, replaced)
		}
	}
}

// below returns how paths go on behind fd, and the one that ends with it.
func below(paths []refPath, fd protoreflect.FieldDescriptor) (rest []refPath, ends *refPath) {
	for _, p := range paths {
		switch {
		case len(p.fields) == 0 || p.fields[0].FullName() != fd.FullName():
		case len(p.fields) == 1:
			ends = &p
		default:
			rest = append(rest, refPath{p.fields[1:], p.text, p.value})
		}
	}
	return rest, ends
}

// value decodes the value of a replacement.
func (m *maskReference) value(fd protoreflect.FieldDescriptor, content []byte) protoreflect.Value {
	if fd.Message() != nil {
		msg := dynamicpb.NewMessage(fd.Message())
		if err := (proto.UnmarshalOptions{Resolver: m.types}).Unmarshal(content, msg); err != nil {
			panic(err)
		}
		return protoreflect.ValueOfMessage(msg)
	}
	if fd.Kind() == protoreflect.StringKind {
		return protoreflect.ValueOfString(string(content))
	}
	if fd.Kind() == protoreflect.BytesKind {
		return protoreflect.ValueOfBytes(content)
	}
	_, wire := opOf(fd)
	holder := dynamicpb.NewMessage(fd.ContainingMessage())
	wires := append(protowire.AppendTag(nil, fd.Number(), wire), content...)
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: m.types}).Unmarshal(wires, holder); err != nil {
		panic(err)
	}
	if fd.IsList() {
		return holder.Get(fd).List().Get(0)
	}
	return holder.Get(fd)
}

// withoutMismatched takes those unknown fields away that have the number of a field: a mask may take them for the field.
func withoutMismatched(types Resolver, msg protoreflect.Message) {
	md := msg.Descriptor()
	var kept []byte
	for rest := msg.GetUnknown(); len(rest) > 0; {
		n, _, size := protowire.ConsumeField(rest)
		_, err := types.FindExtensionByNumber(md.FullName(), n)
		if md.Fields().ByNumber(n) == nil && err != nil {
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	msg.SetUnknown(kept)
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			for _, element := range v.Map().Range {
				withoutMismatched(types, element.Message())
			}
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				withoutMismatched(types, v.List().Get(i).Message())
			}
		default:
			withoutMismatched(types, v.Message())
		}
		return true
	})
}

// maskMaker makes rules.
type maskMaker struct {
	*rand.Rand
	types Resolver
	wires *wireMaker
}

func newMaskMaker(s *randomSchema, seed uint64) *maskMaker {
	g := rand.New(rand.NewPCG(seed, 7))
	return &maskMaker{g, s.types, &wireMaker{rand: g, types: s.types, tame: true, left: 20}}
}

// rule makes a rule for messages of type md, as text and as paths.
func (g *maskMaker) rule(md protoreflect.MessageDescriptor) (rule MaskRule, paths, values []refPath) {
	rule.Mode = MaskMode(g.IntN(2))
	for range g.IntN(5) {
		p := g.path(md)
		rule.Paths, paths = append(rule.Paths, p.text), append(paths, p)
	}
	for range g.IntN(3) {
		if p := g.path(md); g.canReplace(&p, values) {
			rule.Replace, values = append(rule.Replace, Replacement{p.text, p.value}), append(values, p)
		}
	}
	for range g.IntN(3) {
		if p := g.path(md); len(p.fields) > 0 {
			rule.Hide = append(rule.Hide, p.fields[len(p.fields)-1].FullName())
		}
	}
	return rule, paths, values
}

// path makes a path of some fields.
func (g *maskMaker) path(md protoreflect.MessageDescriptor) (p refPath) {
	for range 1 + g.IntN(4) {
		if md == nil || formOf(md) != formObject || md.Fields().Len() == 0 {
			break
		}
		if p.text != "" {
			p.text += "."
			if last := p.fields[len(p.fields)-1]; last.IsMap() || last.IsList() && g.IntN(3) == 0 {
				p.text += "*."
			}
		}
		fd := md.Fields().Get(g.IntN(md.Fields().Len()))
		name := fd.JSONName()
		if g.IntN(2) == 0 {
			name = fd.TextName()
		}
		if md.ExtensionRanges().Len() > 0 && g.IntN(3) == 0 {
			if xt, err := g.types.FindExtensionByNumber(md.FullName(), protowire.Number(1000+g.IntN(6))); err == nil {
				fd = xt.TypeDescriptor()
				name = "[" + string(fd.FullName()) + "]"
			}
		}
		p.text += name
		p.fields = append(p.fields, fd)
		if md = fd.Message(); fd.IsMap() {
			md = fd.MapValue().Message()
		}
	}
	if len(p.fields) == 0 || g.IntN(6) == 0 && md != nil && formOf(md) == formObject {
		if p.text != "" {
			p.text += "."
		}
		p.text += "*"
	}
	return p
}

// canReplace gives p a value, if there can be one besides those that there are.
func (g *maskMaker) canReplace(p *refPath, others []refPath) bool {
	if len(p.fields) == 0 {
		return false
	}
	fd := p.fields[len(p.fields)-1]
	switch {
	case fd.Cardinality() != protoreflect.Repeated && !fd.HasPresence():
		return false // the message does not tell whether a zero was on the wire
	case fd.IsMap():
		fd = fd.MapValue()
		if p.text[len(p.text)-1] != '*' {
			p.text += ".*"
		}
	}
	for _, o := range others { // neither within the other
		n := min(len(o.fields), len(p.fields))
		if slices.EqualFunc(o.fields[:n], p.fields[:n], func(a, b protoreflect.FieldDescriptor) bool { return a.FullName() == b.FullName() }) {
			return false
		}
	}
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if g.IntN(2) == 0 {
			p.value = g.wires.message(fd.Message(), 5)
		}
		_, err := replacement(g.types, fieldPath{fields: []protoreflect.FieldDescriptor{fd}}, p.value)
		return err == nil
	case protoreflect.StringKind, protoreflect.BytesKind:
		p.value = []byte(g.wires.text(fd))
	default:
		p.value = g.wires.value(nil, fd, 0)
	}
	return true
}
