package compile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile/builtin"
)

// Builtin is the set of files that every schema may import without shipping them: the well-known types,
// google/api, google/rpc, google/type, buf/validate, protoc-gen-openapiv2/options and gatehouse/policy.
// They are the ones this program was built with. A Builtin is never changed: it is safe for concurrent use.
type Builtin struct {
	files *protoregistry.Files
	types *protoregistry.Types
}

// NewBuiltin returns the set. It fails only when the program was linked wrongly.
func NewBuiltin() (*Builtin, error) {
	b := &Builtin{files: new(protoregistry.Files), types: new(protoregistry.Types)}
	files := append(builtin.WellKnown(), builtin.Annotations()...)
	files = append(files, policyv1.File_gatehouse_policy_v1_policy_proto)
	features, err := languageFeatures()
	if err != nil {
		return nil, err
	}
	for _, file := range append(files, features...) {
		if err := b.files.RegisterFile(file); err != nil {
			return nil, fmt.Errorf("built-in file %s: %w", file.Path(), err)
		}
		if err := b.register(file); err != nil {
			return nil, fmt.Errorf("built-in file %s: %w", file.Path(), err)
		}
	}
	return b, nil
}

// Has reports whether a path is that of a built-in file.
func (b *Builtin) Has(path string) bool {
	_, err := b.files.FindFileByPath(path)
	return err == nil
}

// Paths returns the paths of the built-in files, in no order. The slice is the caller's.
func (b *Builtin) Paths() []string {
	paths := make([]string, 0, b.files.NumFiles())
	b.files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		paths = append(paths, file.Path())
		return true
	})
	return paths
}

// languageFeatures returns the files of editions features of languages that have no Go package.
// The compiler brings them.
func languageFeatures() ([]protoreflect.FileDescriptor, error) {
	nothing := protocompile.ResolverFunc(func(string) (protocompile.SearchResult, error) {
		return protocompile.SearchResult{}, protoregistry.NotFound
	})
	standard := protocompile.WithStandardImports(nothing)
	var files []protoreflect.FileDescriptor
	for _, path := range []string{"google/protobuf/cpp_features.proto", "google/protobuf/java_features.proto"} {
		found, err := standard.FindFileByPath(path)
		if err != nil {
			return nil, fmt.Errorf("built-in file %s: %w", path, err)
		}
		files = append(files, found.Desc)
	}
	return files, nil
}

// declares is what a file and a message have in common.
type declares interface {
	Messages() protoreflect.MessageDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

// register adds the generated Go types of what in declares. Map entries and language features have none.
func (b *Builtin) register(in declares) error {
	for i := range in.Extensions().Len() {
		name := in.Extensions().Get(i).FullName()
		extension, err := protoregistry.GlobalTypes.FindExtensionByName(name)
		if err == nil {
			err = b.types.RegisterExtension(extension)
		}
		if err != nil && !errors.Is(err, protoregistry.NotFound) {
			return err
		}
	}
	for i := range in.Messages().Len() {
		message := in.Messages().Get(i)
		generated, err := protoregistry.GlobalTypes.FindMessageByName(message.FullName())
		if err == nil {
			err = b.types.RegisterMessage(generated)
		}
		if err != nil && !errors.Is(err, protoregistry.NotFound) {
			return err
		}
		if err := b.register(message); err != nil {
			return err
		}
	}
	return nil
}

// hasSuffixOf reports whether path ends in the path of a built-in file, below some folder.
func (b *Builtin) hasSuffixOf(path string) bool {
	for {
		_, rest, ok := strings.Cut(path, "/")
		if !ok {
			return false
		}
		if b.Has(rest) {
			return true
		}
		path = rest
	}
}
