package program

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	// What random schemas import.
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

// randomSchema is a schema made from a seed: a file in proto2, proto3 or edition 2023, whose messages have fields of
// every kind in every arrangement.
type randomSchema struct {
	messages []protoreflect.MessageDescriptor
	types    Resolver
	compiler *Compiler
}

// randomSchemas keeps the schemas of all seeds below randomSchemasMax.
type randomSchemas struct {
	mu   sync.Mutex
	made map[uint64]*randomSchema
}

const randomSchemasMax = 1 << 10

func (s *randomSchemas) get(t testing.TB, seed uint64) *randomSchema {
	s.mu.Lock()
	defer s.mu.Unlock()
	seed %= randomSchemasMax
	if s.made[seed] == nil {
		if s.made == nil {
			s.made = map[uint64]*randomSchema{}
		}
		s.made[seed] = newRandomSchema(t, seed)
	}
	return s.made[seed]
}

func newRandomSchema(t testing.TB, seed uint64) *randomSchema {
	t.Helper()
	g := &schemaMaker{rand: rand.New(rand.NewPCG(seed, 1))}
	file, err := protodesc.NewFile(g.file(seed), protoregistry.GlobalFiles)
	if err != nil {
		t.Fatalf("schema %d: %v", seed, err)
	}
	files := &protoregistry.Files{}
	if err := files.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	for _, path := range wellKnownFiles {
		known, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := files.RegisterFile(known); err != nil {
			t.Fatal(err)
		}
	}
	s := &randomSchema{types: dynamicpb.NewTypes(files)}
	s.compiler = NewCompiler(s.types)
	for i := range file.Messages().Len() {
		s.messages = append(s.messages, file.Messages().Get(i))
	}
	return s
}

var wellKnownFiles = []string{
	"google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/empty.proto", "google/protobuf/field_mask.proto",
	"google/protobuf/struct.proto", "google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto",
}

var wellKnownTypes = []string{
	"Any", "Any", "Duration", "Empty", "FieldMask", "Struct", "Value", "ListValue", "Timestamp", "BoolValue", "Int32Value", "Int64Value",
	"UInt32Value", "UInt64Value", "FloatValue", "DoubleValue", "StringValue", "BytesValue",
}

// schemaMaker makes one file.
type schemaMaker struct {
	rand   *rand.Rand
	syntax string
	names  int
	out    *descriptorpb.FileDescriptorProto
}

const randomMessages, randomEnums = 4, 2

func (g *schemaMaker) one(in int) bool { return g.rand.IntN(in) == 0 }

func (g *schemaMaker) file(seed uint64) *descriptorpb.FileDescriptorProto {
	g.syntax = []string{"proto2", "proto3", "editions"}[g.rand.IntN(3)]
	g.out = &descriptorpb.FileDescriptorProto{
		Name: proto.String(fmt.Sprintf("random%d.proto", seed)), Package: proto.String("r"), Syntax: proto.String(g.syntax),
		Dependency: wellKnownFiles,
	}
	if g.syntax == "editions" {
		g.out.Edition = descriptorpb.Edition_EDITION_2023.Enum()
	}
	for i := range randomEnums {
		g.out.EnumType = append(g.out.EnumType, g.enum(i))
	}
	for i := range randomMessages {
		g.out.MessageType = append(g.out.MessageType, &descriptorpb.DescriptorProto{Name: proto.String(fmt.Sprintf("M%d", i))})
	}
	for _, m := range g.out.MessageType {
		g.message(m)
	}
	if g.syntax != "proto3" {
		for i := range g.rand.IntN(6) {
			x := g.field(int32(1000+i), nil)
			x.Name, x.JsonName = proto.String(fmt.Sprintf("x%c%d", 'z'-rune(g.rand.IntN(20)), i)), nil
			x.Extendee = proto.String(fmt.Sprintf(".r.M%d", g.rand.IntN(randomMessages)))
			if x.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED {
				x.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
			}
			if x.Options != nil && x.Options.Features != nil {
				x.Options.Features.FieldPresence = nil
			}
			g.out.Extension = append(g.out.Extension, x)
		}
	}
	return g.out
}

func (g *schemaMaker) enum(i int) *descriptorpb.EnumDescriptorProto {
	e := &descriptorpb.EnumDescriptorProto{Name: proto.String(fmt.Sprintf("E%d", i))}
	numbers := []int32{0, 1, 1, 2, 200, 300, -1, -2147483648}[:1+g.rand.IntN(8)]
	for k, n := range numbers {
		e.Value = append(e.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(fmt.Sprintf("E%d_V%d", i, k)), Number: proto.Int32(n)})
	}
	if len(numbers) > 2 {
		e.Options = &descriptorpb.EnumOptions{AllowAlias: proto.Bool(true)}
	}
	if g.syntax == "editions" && i == 1 {
		if e.Options == nil {
			e.Options = &descriptorpb.EnumOptions{}
		}
		e.Options.Features = &descriptorpb.FeatureSet{EnumType: descriptorpb.FeatureSet_CLOSED.Enum()}
	}
	return e
}

func (g *schemaMaker) message(m *descriptorpb.DescriptorProto) {
	n := g.rand.IntN(14)
	if g.one(12) {
		n = 70 + g.rand.IntN(10)
	}
	numbers := g.rand.Perm(n + 3)
	if g.one(2) { // as people do it
		for i := range numbers {
			numbers[i] = i
		}
	}
	oneof := false
	for i := range n {
		number := int32(numbers[i] + 1)
		if g.one(15) {
			number += 400 + int32(i)*100
		}
		f := g.field(number, m)
		plain := f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL && f.Proto3Optional == nil
		if f.Options != nil && f.Options.Features != nil && f.Options.Features.FieldPresence != nil {
			plain = false
		}
		switch {
		case plain && oneof && g.one(2), plain && g.one(5):
			if !oneof || g.one(6) {
				m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(fmt.Sprintf("of%d", len(m.OneofDecl)))})
			}
			oneof = true
			f.OneofIndex = proto.Int32(int32(len(m.OneofDecl) - 1))
		default:
			oneof = false
		}
		m.Field = append(m.Field, f)
	}
	for _, f := range m.Field { // those of "optional" come last
		if f.Proto3Optional != nil {
			m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.GetName())})
			f.OneofIndex = proto.Int32(int32(len(m.OneofDecl) - 1))
		}
	}
	if g.syntax != "proto3" {
		m.ExtensionRange = append(m.ExtensionRange, &descriptorpb.DescriptorProto_ExtensionRange{Start: proto.Int32(1000), End: proto.Int32(1010)})
		for _, f := range m.Field {
			if f.GetNumber() >= 1000 {
				m.ExtensionRange[0].Start, m.ExtensionRange[0].End = proto.Int32(100000), proto.Int32(100001)
			}
		}
		if m.ExtensionRange[0].GetStart() != 1000 { // keep the numbers of extensions free
			for _, f := range m.Field {
				if f.GetNumber() >= 1000 {
					f.Number = proto.Int32(f.GetNumber() + 1010)
				}
			}
			m.ExtensionRange[0].Start, m.ExtensionRange[0].End = proto.Int32(1000), proto.Int32(1010)
		}
	}
}

// field makes one field; in is where a map's entry type goes, nil if there can be none.
func (g *schemaMaker) field(number int32, in *descriptorpb.DescriptorProto) *descriptorpb.FieldDescriptorProto {
	g.names++
	name := fmt.Sprintf("f_%d", g.names)
	if g.one(3) {
		name = fmt.Sprintf("some_%c_field%d", 'a'+rune(g.rand.IntN(26)), g.names)
	}
	f := &descriptorpb.FieldDescriptorProto{Name: proto.String(name), Number: proto.Int32(number)}
	if g.one(8) {
		f.JsonName = proto.String(fmt.Sprintf("j\"%c\\é%d", 'a'+rune(g.rand.IntN(26)), g.names))
	}
	f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	switch n := g.rand.IntN(10); {
	case n < 3:
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	case n < 5 && in != nil:
		g.mapField(f, in)
		return f
	case n == 5 && g.syntax == "proto2" && g.one(4):
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum()
	case n <= 6 && g.syntax == "proto3" && in != nil:
		f.Proto3Optional = proto.Bool(true)
	}
	if in != nil && g.syntax == "proto2" && g.one(8) {
		g.group(f, in)
		return f
	}
	g.kind(f)
	g.features(f)
	return f
}

// group makes a field a group of proto2, whose type stands beside it.
func (g *schemaMaker) group(f *descriptorpb.FieldDescriptorProto, in *descriptorpb.DescriptorProto) {
	name := fmt.Sprintf("G%d", g.names)
	f.Name, f.JsonName = proto.String(fmt.Sprintf("g%d", g.names)), nil
	f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_GROUP.Enum(), proto.String(".r."+in.GetName()+"."+name)
	inner := &descriptorpb.DescriptorProto{Name: proto.String(name)}
	in.NestedType = append(in.NestedType, inner)
	for i := range 1 + g.rand.IntN(3) {
		inner.Field = append(inner.Field, g.field(int32(i+1), nil))
	}
}

// kind gives a field its type.
func (g *schemaMaker) kind(f *descriptorpb.FieldDescriptorProto) {
	switch n := g.rand.IntN(30); {
	case n < 4:
		f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), proto.String(fmt.Sprintf(".r.E%d", g.rand.IntN(randomEnums)))
		if g.one(5) {
			f.TypeName = proto.String(".google.protobuf.NullValue")
		}
	case n < 9:
		f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(fmt.Sprintf(".r.M%d", g.rand.IntN(randomMessages)))
	case n < 15:
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		f.TypeName = proto.String(".google.protobuf." + wellKnownTypes[g.rand.IntN(len(wellKnownTypes))])
	default:
		scalars := []descriptorpb.FieldDescriptorProto_Type{1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 15, 16, 17, 18}
		f.Type = scalars[g.rand.IntN(len(scalars))].Enum()
	}
}

// features sets what editions can set, and [packed] elsewhere.
func (g *schemaMaker) features(f *descriptorpb.FieldDescriptorProto) {
	repeated := f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	message := f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	scalar := !message && f.GetType() != descriptorpb.FieldDescriptorProto_TYPE_GROUP
	packable := repeated && scalar && f.GetType() != descriptorpb.FieldDescriptorProto_TYPE_STRING && f.GetType() != descriptorpb.FieldDescriptorProto_TYPE_BYTES
	if g.syntax != "editions" {
		if packable && g.one(2) {
			f.Options = &descriptorpb.FieldOptions{Packed: proto.Bool(g.one(2))}
		}
		return
	}
	features := &descriptorpb.FeatureSet{}
	switch {
	case packable && g.one(2):
		features.RepeatedFieldEncoding = descriptorpb.FeatureSet_EXPANDED.Enum()
	case message && g.one(3):
		features.MessageEncoding = descriptorpb.FeatureSet_DELIMITED.Enum()
	case !repeated && scalar && g.one(3) && f.GetType() != descriptorpb.FieldDescriptorProto_TYPE_ENUM:
		features.FieldPresence = descriptorpb.FeatureSet_IMPLICIT.Enum()
	case !repeated && scalar && g.one(12):
		features.FieldPresence = descriptorpb.FeatureSet_LEGACY_REQUIRED.Enum()
	}
	if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING && g.one(2) {
		features.Utf8Validation = descriptorpb.FeatureSet_NONE.Enum()
	}
	f.Options = &descriptorpb.FieldOptions{Features: features}
}

func (g *schemaMaker) mapField(f *descriptorpb.FieldDescriptorProto, in *descriptorpb.DescriptorProto) {
	keys := []descriptorpb.FieldDescriptorProto_Type{3, 4, 5, 6, 7, 8, 9, 9, 9, 13, 15, 16, 17, 18}
	key := &descriptorpb.FieldDescriptorProto{Name: proto.String("key"), Number: proto.Int32(1), Label: f.Label, Type: keys[g.rand.IntN(len(keys))].Enum()}
	value := &descriptorpb.FieldDescriptorProto{Name: proto.String("value"), Number: proto.Int32(2), Label: f.Label}
	g.kind(value)
	f.Name = proto.String(fmt.Sprintf("m%d", g.names))
	entry := fmt.Sprintf("M%dEntry", g.names)
	in.NestedType = append(in.NestedType, &descriptorpb.DescriptorProto{
		Name: proto.String(entry), Field: []*descriptorpb.FieldDescriptorProto{key, value}, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
	})
	f.Label, f.Type = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	f.TypeName = proto.String(".r." + in.GetName() + "." + entry)
}
