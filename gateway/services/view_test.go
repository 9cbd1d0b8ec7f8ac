package services

import (
	"slices"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// published links a service that uses a copy of health.proto under a path of its own, as people vendor it.
func published(t *testing.T) protoreflect.ServiceDescriptor {
	copied := protodesc.ToFileDescriptorProto(healthv1.File_grpc_health_v1_health_proto)
	copied.Name = proto.String("third_party/health.proto")
	method := func(name string) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{Name: &name,
			InputType: proto.String(".grpc.health.v1.HealthCheckRequest"), OutputType: proto.String(".grpc.health.v1.HealthCheckResponse")}
	}
	files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{copied, {
		Name: proto.String("acme/pinger.proto"), Package: proto.String("acme"), Syntax: proto.String("proto3"),
		Dependency: []string{"third_party/health.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Pinger"),
			Method: []*descriptorpb.MethodDescriptorProto{method("Ping"), method("Hidden")}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	found, err := files.FindDescriptorByName("acme.Pinger")
	if err != nil {
		t.Fatal(err)
	}
	return found.(protoreflect.ServiceDescriptor)
}

func TestView(t *testing.T) {
	health := healthv1.File_grpc_health_v1_health_proto.Services().Get(0)
	ping := published(t).Methods().ByName("Ping")
	pointer := &viewPointer{}
	if len(pointer.GetServiceInfo()) != 0 {
		t.Error("there are services before there is a view")
	}
	pointer.Store(NewView(slices.Values([]protoreflect.MethodDescriptor{health.Methods().Get(0), ping})))

	t.Run("NamesBothServices", func(t *testing.T) {
		infos := pointer.GetServiceInfo()
		for _, name := range []string{"grpc.health.v1.Health", "acme.Pinger"} {
			if _, ok := infos[name]; !ok {
				t.Errorf("%s is not listed", name)
			}
			if _, err := pointer.FindDescriptorByName(protoreflect.FullName(name)); err != nil {
				t.Errorf("%s, whose types two files declare: %v", name, err)
			}
		}
	})
	t.Run("HidesMethods", func(t *testing.T) {
		if _, err := pointer.FindDescriptorByName("acme.Pinger.Ping"); err != nil {
			t.Error(err)
		}
		if _, err := pointer.FindDescriptorByName("acme.Pinger.Hidden"); err != protoregistry.NotFound {
			t.Errorf("a method that is not in the view: %v", err)
		}
	})
	t.Run("OwnAlone", func(t *testing.T) {
		pointer.Store(NewView(slices.Values([]protoreflect.MethodDescriptor{health.Methods().Get(0)})))
		if _, err := pointer.FindFileByPath("grpc/health/v1/health.proto"); err != nil {
			t.Error(err)
		}
	})
}
