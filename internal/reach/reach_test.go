package reach

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestHas compares with a walk from each type, on random schemas, whatever the order in which types are asked for.
func TestHas(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		messages := randomTypes(t, r)
		has := map[protoreflect.FullName]bool{}
		for i := range messages.Len() {
			has[messages.Get(i).FullName()] = r.IntN(6) == 0
		}
		asked := map[protoreflect.FullName]int{}
		types := Of(func(md protoreflect.MessageDescriptor) bool { asked[md.FullName()]++; return has[md.FullName()] })
		for _, i := range r.Perm(messages.Len()) {
			md := messages.Get(i)
			if got, want := types.Has(md), walk(md, has, map[protoreflect.FullName]bool{}); got != want {
				t.Errorf("seed %d: %s has it: %v, want %v", seed, md.FullName(), got, want)
			}
		}
		for name, n := range asked {
			if n != 1 {
				t.Errorf("seed %d: %s was looked at %d times", seed, name, n)
			}
		}
	}
}

func walk(md protoreflect.MessageDescriptor, has, seen map[protoreflect.FullName]bool) bool {
	if seen[md.FullName()] {
		return false
	}
	seen[md.FullName()] = true
	found := has[md.FullName()]
	for i := range md.Fields().Len() {
		if inner := Message(md.Fields().Get(i)); inner != nil && walk(inner, has, seen) {
			found = true
		}
	}
	return found
}

// randomTypes are message types that hold each other, some in maps.
func randomTypes(t *testing.T, r *rand.Rand) protoreflect.MessageDescriptors {
	t.Helper()
	const types = 12
	file := &descriptorpb.FileDescriptorProto{Name: proto.String("r.proto"), Syntax: proto.String("proto3")}
	for i := range types {
		m := &descriptorpb.DescriptorProto{Name: proto.String(fmt.Sprintf("M%d", i))}
		for n := range r.IntN(3) {
			f := &descriptorpb.FieldDescriptorProto{
				Name: proto.String(fmt.Sprintf("f%d", n)), Number: proto.Int32(int32(n + 1)), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
				Type: descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), TypeName: proto.String(fmt.Sprintf(".M%d", r.IntN(types))),
			}
			if r.IntN(3) == 0 {
				m.NestedType = append(m.NestedType, &descriptorpb.DescriptorProto{
					Name: proto.String(fmt.Sprintf("F%dEntry", n)), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
					Field: []*descriptorpb.FieldDescriptorProto{
						{Name: proto.String("key"), Number: proto.Int32(1), Label: f.Label, Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum()},
						{Name: proto.String("value"), Number: proto.Int32(2), Label: f.Label, Type: f.Type, TypeName: f.TypeName},
					},
				})
				f.Label, f.TypeName = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(), proto.String(fmt.Sprintf(".M%d.F%dEntry", i, n))
			}
			m.Field = append(m.Field, f)
		}
		file.MessageType = append(file.MessageType, m)
	}
	fd, err := protodesc.NewFile(file, &protoregistry.Files{})
	if err != nil {
		t.Fatal(err)
	}
	return fd.Messages()
}
