package program

import (
	"math"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// wireMaker makes wires of messages as no encoder would: in any order, with fields repeated, of other wire types,
// packed or not, and now and then plainly wrong.
type wireMaker struct {
	rand  *rand.Rand
	types Resolver
	// wrong is in how many cases one is wrong; 0 is never.
	wrong int
	// tame keeps fields in the order of their numbers, each once.
	tame bool
	left int // fields to be made at most
}

func randomWire(s *randomSchema, md protoreflect.MessageDescriptor, seed uint64) []byte {
	g := &wireMaker{rand: rand.New(rand.NewPCG(seed, 2)), types: s.types, left: 200}
	g.tame = g.one(4)
	if g.one(3) {
		g.wrong = 50 << g.rand.IntN(5)
	}
	return g.message(md, 0)
}

func (g *wireMaker) one(in int) bool { return g.rand.IntN(in) == 0 }

func (g *wireMaker) mistake() bool { return g.wrong > 0 && g.one(g.wrong) }

func (g *wireMaker) message(md protoreflect.MessageDescriptor, depth int) []byte {
	var wire []byte
	switch {
	case md.FullName() == wellKnown.Append("Any"):
		return g.any(depth)
	case formOf(md) == formText && md.Name() != "FieldMask":
		if g.one(2) {
			wire = protowire.AppendVarint(protowire.AppendTag(wire, 1, protowire.VarintType), uint64(g.rand.IntN(1<<40)))
		}
		if g.one(2) {
			wire = protowire.AppendVarint(protowire.AppendTag(wire, 2, protowire.VarintType), uint64(g.rand.IntN(1<<30)/1e3*1e3))
		}
		if !g.one(5) {
			return wire
		}
	case md.FullName() == wellKnown.Append("Value") && !g.one(10):
		return g.field(nil, md.Fields().Get(g.rand.IntN(md.Fields().Len())), depth)
	}
	n := g.rand.IntN(2 + 2*md.Fields().Len())
	for i := range n {
		if g.left--; g.left < 0 || md.Fields().Len() == 0 && md.ExtensionRanges().Len() == 0 {
			break
		}
		switch {
		case g.tame:
			if i < md.Fields().Len() {
				wire = g.field(wire, md.Fields().Get(i), depth)
			}
		case g.one(12):
			wire = g.unknown(wire)
		case md.ExtensionRanges().Len() > 0 && (g.one(4) || md.Fields().Len() == 0):
			if xt, err := g.types.FindExtensionByNumber(md.FullName(), protowire.Number(1000+g.rand.IntN(7))); err == nil {
				wire = g.field(wire, xt.TypeDescriptor(), depth)
			}
		default:
			wire = g.field(wire, md.Fields().Get(g.rand.IntN(md.Fields().Len())), depth)
		}
	}
	for i := range md.RequiredNumbers().Len() {
		if !g.one(20) {
			wire = g.field(wire, md.Fields().ByNumber(md.RequiredNumbers().Get(i)), depth)
		}
	}
	if g.mistake() && len(wire) > 0 {
		wire = wire[:g.rand.IntN(len(wire))]
	}
	if g.mistake() && len(wire) > 0 {
		wire[g.rand.IntN(len(wire))] ^= 1 << g.rand.IntN(8)
	}
	return wire
}

func (g *wireMaker) any(depth int) []byte {
	names := []protoreflect.FullName{"r.M0", "r.M1", "r.M2", "r.M3", "google.protobuf.Duration", "google.protobuf.Empty", "google.protobuf.Any", "google.protobuf.Struct"}
	name := names[g.rand.IntN(len(names))]
	mt, err := g.types.FindMessageByName(name)
	if err != nil || depth > 5 || g.one(8) {
		return nil
	}
	if g.mistake() {
		name = "r.Nope"
	}
	wire := bytesField(1, []byte("x/"+name))
	if g.one(10) {
		return append(wire, g.unknown(nil)...)
	}
	value := bytesField(2, g.message(mt.Descriptor(), depth+1))
	if g.one(3) {
		return append(value, wire...)
	}
	return append(wire, value...)
}

// unknown is a field that no message has.
func (g *wireMaker) unknown(wire []byte) []byte {
	n := protowire.Number(5000 + g.rand.IntN(10))
	switch g.rand.IntN(5) {
	case 0:
		return protowire.AppendVarint(protowire.AppendTag(wire, n, protowire.VarintType), g.rand.Uint64())
	case 1:
		return protowire.AppendFixed32(protowire.AppendTag(wire, n, protowire.Fixed32Type), g.rand.Uint32())
	case 2:
		return protowire.AppendFixed64(protowire.AppendTag(wire, n, protowire.Fixed64Type), g.rand.Uint64())
	case 3:
		return append(wire, bytesField(n, []byte("unknown"))...)
	}
	wire = g.unknownGroup(protowire.AppendTag(wire, n, protowire.StartGroupType))
	return protowire.AppendTag(wire, n, protowire.EndGroupType)
}

func (g *wireMaker) unknownGroup(wire []byte) []byte {
	for g.one(2) {
		wire = g.unknown(wire)
	}
	return wire
}

// field appends a field: a value, several of a list, entries of a map.
func (g *wireMaker) field(wire []byte, fd protoreflect.FieldDescriptor, depth int) []byte {
	_, typ := opOf(fd)
	switch {
	case g.mistake():
		return protowire.AppendVarint(protowire.AppendTag(wire, fd.Number(), protowire.VarintType), g.rand.Uint64())
	case fd.IsMap():
		for range g.rand.IntN(5) {
			wire = append(wire, bytesField(fd.Number(), g.entry(fd, depth))...)
		}
		return wire
	case !fd.IsList():
		return g.value(protowire.AppendTag(wire, fd.Number(), typ), fd, depth)
	}
	packable := typ != protowire.BytesType && typ != protowire.StartGroupType
	if packable && g.one(2) {
		var run []byte
		for range g.rand.IntN(5) {
			run = g.value(run, fd, depth)
		}
		if g.mistake() && len(run) > 0 {
			run = run[:len(run)-1]
		}
		wire = append(wire, bytesField(fd.Number(), run)...)
		if !g.one(4) {
			return wire
		}
	}
	for range g.rand.IntN(5) {
		wire = g.value(protowire.AppendTag(wire, fd.Number(), typ), fd, depth)
	}
	return wire
}

func (g *wireMaker) entry(fd protoreflect.FieldDescriptor, depth int) []byte {
	var wire []byte
	for _, part := range []protoreflect.FieldDescriptor{fd.MapKey(), fd.MapValue()} {
		if !g.one(10) || g.tame {
			wire = g.field(wire, part, depth)
		}
	}
	if !g.tame && g.one(10) {
		wire = g.field(wire, fd.MapValue(), depth)
	}
	if !g.tame && g.one(10) {
		wire = g.unknown(g.field(wire, fd.MapKey(), depth))
	}
	return wire
}

// value appends a value without its tag, but with the last tag of a group.
func (g *wireMaker) value(wire []byte, fd protoreflect.FieldDescriptor, depth int) []byte {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protowire.AppendString(wire, g.text(fd))
	case protoreflect.BytesKind:
		return protowire.AppendString(wire, g.text(fd))
	case protoreflect.MessageKind, protoreflect.GroupKind:
		var inner []byte
		if depth < 6 {
			inner = g.message(fd.Message(), depth+1)
		}
		if fd.Kind() == protoreflect.MessageKind {
			return protowire.AppendBytes(wire, inner)
		}
		return protowire.AppendTag(append(wire, inner...), fd.Number(), protowire.EndGroupType)
	case protoreflect.EnumKind:
		return g.varint(wire, []uint64{0, 1, 2, 200, 300, 7, math.MaxUint64, 1 << 32}[g.rand.IntN(8)])
	case protoreflect.BoolKind:
		return g.varint(wire, uint64(g.rand.IntN(3)))
	}
	switch _, typ := opOf(fd); typ {
	case protowire.VarintType:
		return g.varint(wire, g.number())
	case protowire.Fixed32Type:
		if g.one(2) {
			return protowire.AppendFixed32(wire, math.Float32bits(float32(g.float())))
		}
		return protowire.AppendFixed32(wire, uint32(g.number()))
	}
	if g.one(2) {
		return protowire.AppendFixed64(wire, math.Float64bits(g.float()))
	}
	return protowire.AppendFixed64(wire, g.number())
}

// varint writes v, sometimes with more bytes than it needs.
func (g *wireMaker) varint(wire []byte, v uint64) []byte {
	wire = protowire.AppendVarint(wire, v)
	if v < 1<<56 && g.one(20) {
		wire[len(wire)-1] |= 0x80
		wire = append(wire, 0)
	}
	return wire
}

func (g *wireMaker) number() uint64 { return g.rand.Uint64() >> g.rand.IntN(65) }

func (g *wireMaker) float() float64 {
	switch g.rand.IntN(4) {
	case 0:
		return float64(g.rand.IntN(1e9)-5e8) / []float64{1, 10, 100, 1e3, 1e6, 1e7, 1e9}[g.rand.IntN(7)]
	case 1:
		return math.Float64frombits(g.rand.Uint64())
	case 2:
		return float64(int64(g.number()))
	}
	return []float64{0, math.Copysign(0, -1), 1e-6, 9.99e-7, 1e21, 1e20, math.NaN(), math.Inf(1), math.Inf(-1), 0.1, 1 << 53, 1<<53 - 1, math.MaxFloat32}[g.rand.IntN(13)]
}

func (g *wireMaker) text(fd protoreflect.FieldDescriptor) string {
	if fd.FullName() == "google.protobuf.FieldMask.paths" {
		return []string{"a", "a_b.c", "a_b", "c.d_e", "_x"}[g.rand.IntN(5)]
	}
	if g.mistake() {
		return []string{"\xff", "a\xc0\x80", "\xed\xa0\x80", "abcdefgh\xf0\x9f"}[g.rand.IntN(4)]
	}
	pieces := []string{"", "a", "b", "plain text", `"`, `\`, "\n\t\b\f\r", "\x00\x1f\x7f", "é", "😀", "\u2028\ufffd", "<&>/", "0123456789abcdef"}
	text := ""
	for range g.rand.IntN(4) {
		text += pieces[g.rand.IntN(len(pieces))]
	}
	return text
}
