package compile

import (
	"cmp"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Files is a linked schema: every type resolved, every option of a built-in file readable with its generated
// Go type (proto.GetExtension(method.Options(), annotations.E_Http), say). It is complete in itself, is never
// changed, and is safe for concurrent use.
type Files struct {
	set      *descriptorpb.FileDescriptorSet
	registry *protoregistry.Files
	types    *Types
	own      []protoreflect.FileDescriptor
	services []protoreflect.ServiceDescriptor
}

func newFiles(l *linking) *Files {
	f := &Files{
		set:      l.set,
		registry: l.registry,
		types:    &Types{schema: dynamicpb.NewTypes(l.registry), builtin: l.builtin.types},
		own:      l.own,
	}
	for _, file := range l.own {
		for i := range file.Services().Len() {
			f.services = append(f.services, file.Services().Get(i))
		}
	}
	slices.SortFunc(f.services, func(a, b protoreflect.ServiceDescriptor) int {
		return cmp.Compare(a.FullName(), b.FullName())
	})
	return f
}

// Services returns the services that the schema's own files declare, by name. The slice is the caller's.
func (f *Files) Services() []protoreflect.ServiceDescriptor { return slices.Clone(f.services) }

// Own returns the files that are not built in, each after those it imports. The slice is the caller's.
func (f *Files) Own() []protoreflect.FileDescriptor { return slices.Clone(f.own) }

// Registry returns all files, own and built-in, by path and by what they declare. It must not be changed.
func (f *Files) Registry() *protoregistry.Files { return f.registry }

// Types returns the Go types of the schema's messages and extensions.
func (f *Files) Types() *Types { return f.types }

// Set returns all files, each after those it imports, with where things were written and the comments there. It
// must not be changed.
func (f *Files) Set() *descriptorpb.FileDescriptorSet { return f.set }

// Encode returns Set as bytes that Link and LinkBytes read, the same each time.
func (f *Files) Encode() ([]byte, error) { return encode(f.set) }

// EncodeBare is Encode without places and comments, which are most of the bytes.
func (f *Files) EncodeBare() ([]byte, error) {
	bare := &descriptorpb.FileDescriptorSet{File: make([]*descriptorpb.FileDescriptorProto, len(f.set.GetFile()))}
	for i, file := range f.set.GetFile() {
		bare.File[i] = proto.CloneOf(file)
		bare.File[i].SourceCodeInfo = nil
	}
	return encode(bare)
}

func encode(set *descriptorpb.FileDescriptorSet) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(set)
}

// Types finds the Go types of a schema: the generated one of a built-in file, a dynamic one of any other. It
// serves wherever protobuf libraries take a resolver, for Any and for extensions, and is safe for
// concurrent use. The details of errors (google/rpc) are found even when the schema does not import them.
type Types struct {
	schema  *dynamicpb.Types
	builtin *protoregistry.Types
}

// FindMessageByName returns the type of a message, or protoregistry.NotFound.
func (t *Types) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if found, err := t.builtin.FindMessageByName(name); err == nil {
		return found, nil
	}
	return t.schema.FindMessageByName(name)
}

// FindMessageByURL returns the type that an Any's type_url means, or protoregistry.NotFound.
func (t *Types) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if found, err := t.builtin.FindMessageByURL(url); err == nil {
		return found, nil
	}
	return t.schema.FindMessageByURL(url)
}

// FindExtensionByName returns the type of an extension, or protoregistry.NotFound.
func (t *Types) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if found, err := t.builtin.FindExtensionByName(name); err == nil {
		return found, nil
	}
	return t.schema.FindExtensionByName(name)
}

// FindExtensionByNumber returns the type of the extension of message that has a number, or protoregistry.NotFound.
func (t *Types) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if found, err := t.builtin.FindExtensionByNumber(message, number); err == nil {
		return found, nil
	}
	return t.schema.FindExtensionByNumber(message, number)
}
