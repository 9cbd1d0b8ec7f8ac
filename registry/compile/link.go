package compile

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// What a set of descriptors may be, as bytes, besides built-in files: an encoded Files has them too, and must link again.
const (
	setBytesMax = 32 << 20
	// builtinBytesMax is room for the built-in files, which take 0.3 MiB, or for longer copies of them.
	builtinBytesMax = 4 << 20
	// setDepthMax bounds messages within messages, as nestingMax does for text; options nest as well.
	setDepthMax = 100
)

// Link links compiled descriptors: from a server's reflection, from a file, from a store. The files may come in
// any order. A built-in file (see [Builtin]) that is missing is filled in, and one that is there is replaced by ours,
// so that its options can be read. Whatever else is imported must be in the set.
//
// Link does not keep set and does not change it. Errors in the descriptors come as *[Error], with a line and a
// column when the set says where things were written. It is safe for concurrent use.
func Link(set *descriptorpb.FileDescriptorSet) (files *Files, err error) {
	defer recovered(&err)
	builtin, err := NewBuiltin()
	if err != nil {
		return nil, err
	}
	return linkWith(builtin, set)
}

// LinkBytes is Link for an encoded FileDescriptorSet, as protoc writes it, or a buf image, which is the same
// on the wire. It does not keep data.
func LinkBytes(data []byte) (files *Files, err error) {
	defer recovered(&err)
	builtin, err := NewBuiltin()
	if err != nil {
		return nil, err
	}
	return linkBytes(builtin, data)
}

func linkWith(builtin *Builtin, set *descriptorpb.FileDescriptorSet) (*Files, error) {
	// Compilers leave options behind as dynamic extensions, and servers as unknown fields. Neither can be read
	// by generated code until it has been through bytes.
	data, err := proto.MarshalOptions{AllowPartial: true}.Marshal(set)
	if err != nil {
		return nil, fault("", "these descriptors cannot be encoded: %s", plain(err))
	}
	return linkBytes(builtin, data)
}

func linkBytes(builtin *Builtin, data []byte) (*Files, error) {
	if len(data) > setBytesMax+builtinBytesMax {
		return nil, tooManyBytes(len(data))
	}
	set := new(descriptorpb.FileDescriptorSet)
	decode := proto.UnmarshalOptions{Resolver: builtin.types, RecursionLimit: setDepthMax}
	if err := decode.Unmarshal(data, set); err != nil {
		return nil, fault("", "this is neither a FileDescriptorSet nor a buf image: %s", plain(err))
	}
	l := &linking{
		builtin:  builtin,
		given:    map[string]*descriptorpb.FileDescriptorProto{},
		state:    map[string]visit{},
		registry: new(protoregistry.Files),
		set:      new(descriptorpb.FileDescriptorSet),
	}
	if err := l.take(set.GetFile()); err != nil {
		return nil, err
	}
	return l.link()
}

// linking is one run of Link.
type linking struct {
	builtin  *Builtin
	given    map[string]*descriptorpb.FileDescriptorProto
	paths    []string // of given
	state    map[string]visit
	trail    []string
	registry *protoregistry.Files
	set      *descriptorpb.FileDescriptorSet
	own      []protoreflect.FileDescriptor
}

// take sorts out the files of the set: their names, copies, and what we cannot serve.
func (l *linking) take(files []*descriptorpb.FileDescriptorProto) error {
	elements, size := 0, 0
	var refused []Diagnostic
	for _, file := range files {
		path := file.GetName()
		if problem := checkName(path); problem != "" {
			return fault("", "a file of the set has a bad name: %s", problem)
		}
		file.ProtoReflect().SetUnknown(nil) // what buf images add
		if l.builtin.Has(path) {
			continue
		}
		if given := l.given[path]; given != nil {
			if !proto.Equal(given, file) {
				return fault(path, "the set has two different files of this name")
			}
			continue
		}
		if elements += countFile(file); elements > elementsMax {
			return tooManyElements(path)
		}
		if size += proto.Size(file); size > setBytesMax {
			return tooManyBytes(size)
		}
		if len(l.given) == FilesMax {
			return fault("", "%d files are more than the %d that one schema may have", len(files), FilesMax)
		}
		l.given[path] = file
		l.paths = append(l.paths, path)
		refused = append(refused, refusals(l.builtin, file)...)
	}
	if len(refused) > 0 {
		return newError(refused)
	}
	return nil
}

func tooManyBytes(n int) *Error {
	return fault("", "the descriptors take %d MB, more than the %d MB that one schema may have", (n+1<<20-1)>>20, setBytesMax>>20)
}

// checkName returns what is wrong with the name of a compiled file, or "". It is laxer than the rule for sources,
// because other compilers and servers have their own ideas of paths.
func checkName(path string) string {
	switch {
	case path == "":
		return "it is empty"
	case len(path) > pathBytesMax:
		return "it is longer than 1024 bytes"
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return quote(path)
	}
	return ""
}

func (l *linking) link() (*Files, error) {
	for _, path := range l.paths {
		if l.state[path] == unseen {
			if err := l.visit(path); err != nil {
				return nil, err
			}
		}
	}
	if err := checkExtensions(l.builtin, l.own); err != nil {
		return nil, err
	}
	return newFiles(l), nil
}

// visit links a file after what it imports.
func (l *linking) visit(path string) error {
	file := l.given[path]
	l.state[path] = open
	l.trail = append(l.trail, path)
	for i, name := range file.GetDependency() {
		if err := l.visitImport(file, i, name); err != nil {
			return err
		}
	}
	l.trail = l.trail[:len(l.trail)-1]
	l.state[path] = done
	return l.add(file)
}

func (l *linking) visitImport(file *descriptorpb.FileDescriptorProto, index int, name string) error {
	const dependency = 3 // FileDescriptorProto.dependency
	at := func(message string) error {
		return newError([]Diagnostic{place(file, []int32{dependency, int32(index)}, message)})
	}
	switch {
	case l.builtin.Has(name):
		desc, err := l.builtin.files.FindFileByPath(name)
		if err != nil {
			return err
		}
		return l.addBuiltin(desc)
	case l.given[name] == nil:
		return at(fmt.Sprintf("imports %s, which is neither in the set nor built in; protoc needs --include_imports", quote(name)))
	case l.state[name] == open:
		return at("import cycle: " + strings.Join(append(l.trail[slices.Index(l.trail, name):], name), " → "))
	case l.state[name] == unseen:
		return l.visit(name)
	}
	return nil
}

// addBuiltin adds a built-in file and what it imports, unless it is there.
func (l *linking) addBuiltin(file protoreflect.FileDescriptor) error {
	if l.state[file.Path()] == done {
		return nil
	}
	l.state[file.Path()] = done
	for i := range file.Imports().Len() {
		if err := l.addBuiltin(file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	l.set.File = append(l.set.File, protodesc.ToFileDescriptorProto(file))
	if err := l.registry.RegisterFile(file); err != nil {
		return fault(file.Path(), "this built-in file does not go together with the schema: %s", plain(err))
	}
	return nil
}

func (l *linking) add(file *descriptorpb.FileDescriptorProto) error {
	desc, err := protodesc.NewFile(file, l.registry)
	if err == nil {
		err = l.registry.RegisterFile(desc)
	}
	if err != nil {
		return fault(file.GetName(), "%s", plain(err))
	}
	l.set.File = append(l.set.File, file)
	l.own = append(l.own, desc)
	return nil
}

// plain returns the text of a protobuf library's error without its prefix, whose space varies on purpose.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimPrefix(text, "proto: ")
}
