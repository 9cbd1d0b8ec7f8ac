package services

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// View is what one listener's reflection and health tell of one snapshot: its services, without the methods that do
// not exist there. It is immutable and safe for concurrent use.
type View struct {
	methods map[protoreflect.FullName]map[protoreflect.Name]bool
	load    func() (*schema, error)
}

// schema is the descriptors of a view. It is made on first use: most gateways are never asked.
type schema struct {
	files      *protoregistry.Files
	extensions *protoregistry.Types
}

// NewView returns the view of the given methods. Own descriptors come from the program itself.
func NewView(methods iter.Seq[protoreflect.MethodDescriptor]) *View {
	v := &View{methods: map[protoreflect.FullName]map[protoreflect.Name]bool{}}
	files := map[string]protoreflect.FileDescriptor{}
	for md := range methods {
		service := md.Parent().FullName()
		if v.methods[service] == nil {
			v.methods[service] = map[protoreflect.Name]bool{}
		}
		v.methods[service][md.Name()] = true
		files[md.ParentFile().Path()] = md.ParentFile()
	}
	// Refusals carry these, so clients that read schemas by reflection need them, whatever the methods import.
	if details := errdetails.File_google_rpc_error_details_proto; files[details.Path()] == nil {
		files[details.Path()] = details
	}
	v.load = sync.OnceValues(func() (*schema, error) { return v.schema(files) })
	return v
}

func (v *View) services() iter.Seq[string] {
	return func(yield func(string) bool) {
		if v == nil {
			return
		}
		for name := range v.methods {
			if !yield(string(name)) {
				return
			}
		}
	}
}

func (v *View) has(service string) bool { return v.methods[protoreflect.FullName(service)] != nil }

// schema links the view's files anew, with what is hidden taken out of them. The program's own files come last, and one
// whose names a published file has already stays out: people vendor health.proto under paths of their own, and that
// must not take reflection from everybody.
func (v *View) schema(roots map[string]protoreflect.FileDescriptor) (*schema, error) {
	files := new(protoregistry.Files)
	var own []protoreflect.FileDescriptor
	for _, path := range slices.Sorted(maps.Keys(roots)) {
		if linked, err := protoregistry.GlobalFiles.FindFileByPath(path); err == nil && linked == roots[path] {
			own = append(own, linked)
		} else if err := v.add(files, roots[path]); err != nil {
			return nil, err
		}
	}
	for _, fd := range own {
		_ = v.add(files, fd) // it fails on names that are taken
	}
	return &schema{files: files, extensions: extensionsOf(files)}, nil
}

// add links a file after what it imports.
func (v *View) add(files *protoregistry.Files, fd protoreflect.FileDescriptor) error {
	if _, err := files.FindFileByPath(fd.Path()); err == nil {
		return nil
	}
	for i := range fd.Imports().Len() {
		if err := v.add(files, fd.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	linked, err := protodesc.FileOptions{AllowUnresolvable: true}.New(v.pruned(fd), files)
	if err != nil {
		return err
	}
	return files.RegisterFile(linked)
}

// pruned returns a file without the services and methods that are not in the view.
func (v *View) pruned(fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	file := protodesc.ToFileDescriptorProto(fd)
	pkg := fd.Package()
	file.Service = slices.DeleteFunc(file.Service, func(s *descriptorpb.ServiceDescriptorProto) bool {
		return v.methods[pkg.Append(protoreflect.Name(s.GetName()))] == nil
	})
	for i, s := range file.Service {
		shown := v.methods[pkg.Append(protoreflect.Name(s.GetName()))]
		if len(shown) == len(s.Method) {
			continue
		}
		s = proto.CloneOf(s)
		s.Method = slices.DeleteFunc(s.Method, func(m *descriptorpb.MethodDescriptorProto) bool {
			return !shown[protoreflect.Name(m.GetName())]
		})
		file.Service[i] = s
	}
	return file
}

func extensionsOf(files *protoregistry.Files) *protoregistry.Types {
	types := new(protoregistry.Types)
	add := func(xs protoreflect.ExtensionDescriptors) {
		for i := range xs.Len() {
			_ = types.RegisterExtension(dynamicpb.NewExtensionType(xs.Get(i))) // linked files cannot conflict
		}
	}
	var nested func(ms protoreflect.MessageDescriptors)
	nested = func(ms protoreflect.MessageDescriptors) {
		for i := range ms.Len() {
			add(ms.Get(i).Extensions())
			nested(ms.Get(i).Messages())
		}
	}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		add(fd.Extensions())
		nested(fd.Messages())
		return true
	})
	return types
}

// viewPointer is the view of the moment in the shapes that grpc-go's reflection server asks for. Without a view
// it shows nothing.
type viewPointer struct{ atomic.Pointer[View] }

func (p *viewPointer) GetServiceInfo() map[string]grpc.ServiceInfo {
	infos := map[string]grpc.ServiceInfo{}
	for name := range p.Load().services() {
		infos[name] = grpc.ServiceInfo{}
	}
	return infos
}

func (p *viewPointer) current() (*schema, error) {
	v := p.Load()
	if v == nil {
		return nil, protoregistry.NotFound
	}
	return v.load()
}

func (p *viewPointer) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	s, err := p.current()
	if err != nil {
		return nil, err
	}
	return s.files.FindFileByPath(path)
}

func (p *viewPointer) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	s, err := p.current()
	if err != nil {
		return nil, err
	}
	return s.files.FindDescriptorByName(name)
}

func (p *viewPointer) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	s, err := p.current()
	if err != nil {
		return nil, err
	}
	return s.extensions.FindExtensionByName(name)
}

func (p *viewPointer) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	s, err := p.current()
	if err != nil {
		return nil, err
	}
	return s.extensions.FindExtensionByNumber(message, number)
}

func (p *viewPointer) RangeExtensionsByMessage(message protoreflect.FullName, yield func(protoreflect.ExtensionType) bool) {
	if s, err := p.current(); err == nil {
		s.extensions.RangeExtensionsByMessage(message, yield)
	}
}

// descriptorOf returns a service that is linked into the program.
func descriptorOf(service string) protoreflect.ServiceDescriptor {
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		panic("own service without a descriptor: " + service) // a mistake in the program, seen at its first start
	}
	return d.(protoreflect.ServiceDescriptor)
}
