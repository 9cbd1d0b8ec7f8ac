package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// sources are the files of the npm package: the questions, and the messages that they are about.
var sources = []string{
	"conformance/conformance.proto",
	"google/protobuf/test_messages_proto2.proto",
	"google/protobuf/test_messages_proto3.proto",
	"google/protobuf/test_messages_proto2_editions.proto",
	"google/protobuf/test_messages_proto3_editions.proto",
	"google/protobuf/test_messages_edition2023.proto",
}

// compile returns the wire bytes of a FileDescriptorSet: sources and all that they import, imported before importing.
func compile(ctx context.Context, include string) ([]byte, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{include}}),
	}
	files, err := compiler.Compile(ctx, sources...)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	for _, file := range files {
		addFile(set, seen, file)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(set)
}

func addFile(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		addFile(set, seen, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

// schema is what compile returned, linked. It is safe for concurrent use.
type schema struct {
	types             linker.Resolver
	request, response protoreflect.MessageDescriptor
}

// link uses the compiler's linker: protodesc knows no message sets, and one of the messages holds one.
func link(ctx context.Context, descriptors []byte) (*schema, error) {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(descriptors, set); err != nil {
		return nil, err
	}
	known := map[string]*descriptorpb.FileDescriptorProto{}
	for _, file := range set.GetFile() {
		known[file.GetName()] = file
	}
	compiler := protocompile.Compiler{Resolver: protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		if file, ok := known[path]; ok {
			return protocompile.SearchResult{Proto: file}, nil
		}
		return protocompile.SearchResult{}, protoregistry.NotFound
	})}
	files, err := compiler.Compile(ctx, slices.Collect(maps.Keys(known))...)
	if err != nil {
		return nil, err
	}
	s := &schema{types: files.AsResolver()}
	if s.request, err = s.message("conformance.ConformanceRequest"); err != nil {
		return nil, err
	}
	s.response, err = s.message("conformance.ConformanceResponse")
	return s, err
}

func (s *schema) message(name protoreflect.FullName) (protoreflect.MessageDescriptor, error) {
	mt, err := s.types.FindMessageByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return mt.Descriptor(), nil
}
