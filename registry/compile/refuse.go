package compile

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// refusals returns what a file declares that is good protobuf, but that a gateway cannot serve.
func refusals(builtin *Builtin, file *descriptorpb.FileDescriptorProto) []Diagnostic {
	// Fields of FileDescriptorProto.
	const messageType, enumType, service = 4, 5, 6
	r := refuser{file: file}
	for i, m := range file.GetMessageType() {
		r.ours(builtin, m.GetName(), []int32{messageType, int32(i)})
		r.message(file.GetPackage(), m, []int32{messageType, int32(i)})
	}
	for i, e := range file.GetEnumType() {
		r.ours(builtin, e.GetName(), []int32{enumType, int32(i)})
	}
	for i, s := range file.GetService() {
		r.ours(builtin, s.GetName(), []int32{service, int32(i)})
	}
	return r.found
}

// ours refuses a name that a built-in file has. Linked alone it would do no harm that a compiler sees, but JSON treats
// google.protobuf.Timestamp and its like by their names, and nobody else could import the true one any more.
func (r *refuser) ours(builtin *Builtin, name string, path []int32) {
	full := protoreflect.FullName(name)
	if scope := r.file.GetPackage(); scope != "" {
		full = protoreflect.FullName(scope + "." + name)
	}
	if d, err := builtin.files.FindDescriptorByName(full); err == nil {
		r.refuse(path, "%s is declared in %s, which is built in; import that file instead", quote(string(full)), d.ParentFile().Path())
	}
}

type refuser struct {
	file  *descriptorpb.FileDescriptorProto
	found []Diagnostic
}

// fieldsMax bounds the fields of one message, because tables are made per message and some are
// quadratic in its fields. The largest message that we know of in use has some 1,500.
const fieldsMax = 10_000

func (r *refuser) message(scope string, m *descriptorpb.DescriptorProto, path []int32) {
	const nestedType = 3 // DescriptorProto.nested_type
	name := m.GetName()
	if scope != "" {
		name = scope + "." + name
	}
	switch {
	case m.GetOptions().GetMessageSetWireFormat():
		r.refuse(path, "message %s is a MessageSet, a format from before protobuf was public that nothing can serve; "+
			"give it ordinary fields, or leave it out", quote(name))
	case len(m.GetField()) > fieldsMax:
		r.refuse(path, "message %s has %d fields, more than the %d that one message may have", quote(name), len(m.GetField()), fieldsMax)
	}
	for i, nested := range m.GetNestedType() {
		r.message(name, nested, append(slices.Clone(path), nestedType, int32(i)))
	}
}

func (r *refuser) refuse(path []int32, format string, args ...any) {
	r.found = append(r.found, place(r.file, path, fmt.Sprintf(format, args...)))
}

// place returns a Diagnostic about what is at path (in the sense of SourceCodeInfo) in file, with its line when the file says so.
func place(file *descriptorpb.FileDescriptorProto, path []int32, message string) Diagnostic {
	d := Diagnostic{File: file.GetName(), Message: message}
	for _, location := range file.GetSourceCodeInfo().GetLocation() {
		if slices.Equal(location.GetPath(), path) && len(location.GetSpan()) >= 3 {
			d.Line, d.Column = int(location.GetSpan()[0])+1, int(location.GetSpan()[1])+1
			break
		}
	}
	return d
}

// checkExtensions reports two extensions of one message that have one number: whoever reads such a field would
// get the one or the other by chance.
func checkExtensions(builtin *Builtin, files []protoreflect.FileDescriptor) error {
	type key struct {
		extended protoreflect.FullName
		number   protoreflect.FieldNumber
	}
	taken := map[key]protoreflect.FullName{}
	var faults []Diagnostic
	for _, file := range files {
		eachExtension(file, func(x protoreflect.ExtensionDescriptor) {
			k := key{x.ContainingMessage().FullName(), x.Number()}
			other := taken[k]
			if generated, err := builtin.types.FindExtensionByNumber(k.extended, k.number); err == nil {
				other = generated.TypeDescriptor().FullName()
			}
			if other != "" && other != x.FullName() {
				faults = append(faults, Describe(x, fmt.Sprintf("extension %s has number %d of %s, which belongs to %s", x.FullName(), x.Number(), k.extended, other)))
			}
			taken[k] = x.FullName()
		})
	}
	if len(faults) > 0 {
		return newError(faults)
	}
	return nil
}

func eachExtension(in declares, do func(protoreflect.ExtensionDescriptor)) {
	for i := range in.Extensions().Len() {
		do(in.Extensions().Get(i))
	}
	for i := range in.Messages().Len() {
		eachExtension(in.Messages().Get(i), do)
	}
}

// Describe returns a Fault about d, with the line and the column where d is declared when its file says so.
func Describe(d protoreflect.Descriptor, message string) Diagnostic {
	file := d.ParentFile()
	if file == nil {
		return Diagnostic{Message: message}
	}
	diagnostic := Diagnostic{File: file.Path(), Message: message}
	if at := file.SourceLocations().ByDescriptor(d); at.Path != nil {
		diagnostic.Line, diagnostic.Column = at.StartLine+1, at.StartColumn+1
	}
	return diagnostic
}
