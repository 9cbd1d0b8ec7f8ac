package compile_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// textSet reads a FileDescriptorSet in text form.
func textSet(t testing.TB, text string) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	if err := prototext.Unmarshal([]byte(text), set); err != nil {
		t.Fatal(err)
	}
	return set
}

// names returns the names of the files of a set.
func names(set *descriptorpb.FileDescriptorSet) []string {
	var names []string
	for _, f := range set.GetFile() {
		names = append(names, f.GetName())
	}
	return names
}

func TestLink_TakesFilesInAnyOrderAndFillsInBuiltinOnes(t *testing.T) {
	set := textSet(t, `
		file: {name: "b.proto" package: "acme" dependency: "a.proto" dependency: "google/api/annotations.proto"
			syntax: "proto3" message_type: {name: "B" field: {name: "a" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".acme.A"}}}
		file: {name: "a.proto" package: "acme" syntax: "proto3" message_type: {name: "A"}}`)
	before := proto.CloneOf(set)
	files, err := compile.Link(set)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.proto", "google/api/http.proto", "google/protobuf/descriptor.proto", "google/api/annotations.proto", "b.proto"}
	if got := names(files.Set()); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	var own []string
	for _, f := range files.Own() {
		own = append(own, f.Path())
	}
	if want := []string{"a.proto", "b.proto"}; !slices.Equal(own, want) {
		t.Errorf("own files %v, want %v", own, want)
	}
	if !proto.Equal(set, before) {
		t.Error("Link changed the set it was given")
	}
}

// An image is a FileDescriptorSet whose files have one more field each.
func TestLink_TakesImages(t *testing.T) {
	files := compileLibrary(t)
	var image []byte
	for _, file := range files.Set().GetFile() {
		data, err := proto.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		const bufExtension = 8042 // buf.alpha.image.v1.ImageFile.buf_extension
		data = protowire.AppendTag(data, bufExtension, protowire.BytesType)
		data = protowire.AppendBytes(data, []byte{8, 1})
		image = protowire.AppendTag(image, 1, protowire.BytesType)
		image = protowire.AppendBytes(image, data)
	}
	again, err := compile.LinkBytes(image)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(files.Set(), again.Set()) {
		t.Error("the image did not link to the same files")
	}
}

func TestLink_BuiltinFilesWinOverCopies(t *testing.T) {
	set := textSet(t, `
		file: {name: "google/api/annotations.proto" package: "google.api" message_type: {name: "Strange"}}
		file: {name: "a.proto" dependency: "google/api/annotations.proto"}`)
	files, err := compile.Link(set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := files.Registry().FindDescriptorByName("google.api.Strange"); err == nil {
		t.Error("the copy of google/api/annotations.proto was linked")
	}
	if _, err := files.Registry().FindDescriptorByName("google.api.http"); err != nil {
		t.Errorf("google.api.http: %v", err)
	}
}

// Servers and other compilers hand over options as dynamic extensions or unknown fields.
func TestLink_MakesDynamicOptionsReadable(t *testing.T) {
	set := proto.CloneOf(compileLibrary(t).Set())
	method := set.File[len(set.File)-1].Service[0].Method[0]
	dynamic := dynamicpb.NewExtensionType(annotations.E_Http.TypeDescriptor())
	rule := dynamicpb.NewMessage(dynamic.TypeDescriptor().Message())
	rule.Set(rule.Descriptor().Fields().ByName("put"), protoreflect.ValueOfString("/v2/x"))
	method.Options = new(descriptorpb.MethodOptions)
	proto.SetExtension(method.Options, dynamic, rule)

	files, err := compile.Link(set)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := proto.GetExtension(files.Services()[0].Methods().Get(0).Options(), annotations.E_Http).(*annotations.HttpRule)
	if got.GetPut() != "/v2/x" {
		t.Errorf("google.api.http: %v", got)
	}
}

func TestLink_Refuses(t *testing.T) {
	fields := strings.Repeat(`field: {name: "f" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL} `, 10_001)
	for _, tc := range []struct{ name, set, want string }{
		{"MissingImport", `file: {name: "a.proto" dependency: "x/y.proto"}`,
			`a.proto: imports "x/y.proto", which is neither in the set nor built in; protoc needs --include_imports`},
		{"MissingImportWithItsPlace", `file: {name: "a.proto" dependency: "x/y.proto" source_code_info: {location: {path: [3, 0] span: [4, 0, 9]}}}`,
			`a.proto:5:1: imports "x/y.proto"`},
		{"Cycle", `file: {name: "z.proto" dependency: "a.proto"} file: {name: "a.proto" dependency: "b.proto"} file: {name: "b.proto" dependency: "a.proto"}`,
			"b.proto: import cycle: a.proto → b.proto → a.proto"},
		{"Itself", `file: {name: "a.proto" dependency: "a.proto"}`, "import cycle: a.proto → a.proto"},
		{"NoName", `file: {}`, "bad name: it is empty"},
		{"ControlInName", `file: {name: "a\n.proto"}`, `bad name: "a\n.proto"`},
		{"LongName", `file: {name: "` + strings.Repeat("a", 1025) + `"}`, "longer than 1024 bytes"},
		{"TwoFilesOfOneName", `file: {name: "a.proto"} file: {name: "a.proto" package: "x"}`, "a.proto: the set has two different files"},
		{"UnresolvedType", `file: {name: "a.proto" message_type: {name: "M" field: {name: "x" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".Gone"}}}`,
			`a.proto: message field "M.x" cannot resolve type: "Gone" not found`},
		{"ConflictingSymbols", `file: {name: "a.proto" message_type: {name: "M"}} file: {name: "b.proto" message_type: {name: "M"}}`, `b.proto: file "b.proto" has a name conflict over M`},
		{"MessageSet", `file: {name: "a.proto" package: "acme" message_type: {name: "Old" options: {message_set_wire_format: true}}}`,
			`a.proto: message "acme.Old" is a MessageSet`},
		{"NestedMessageSet", `file: {name: "a.proto" message_type: {name: "M" nested_type: {name: "Old" options: {message_set_wire_format: true}}}}`,
			`a.proto: message "M.Old" is a MessageSet`},
		{"TooManyFields", `file: {name: "a.proto" message_type: {name: "Wide" ` + fields + `}}`, `message "Wide" has 10001 fields`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := compile.Link(textSet(t, tc.set))
			if failed := new(compile.Error); !errors.As(err, &failed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %.300v, want %q", err, tc.want)
			}
		})
	}
}

func TestLink_RefusesOptionsThatDoNotParse(t *testing.T) {
	const openapiv2Swagger = 1042 // an extension of FileOptions that is a message
	options := new(descriptorpb.FileOptions)
	options.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, openapiv2Swagger, protowire.BytesType), []byte{0xff}))
	_, err := compile.Link(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{Name: proto.String("a.proto"), Options: options}}})
	if failed := new(compile.Error); !errors.As(err, &failed) || !strings.Contains(err.Error(), "neither a FileDescriptorSet nor a buf image") {
		t.Errorf("error %v", err)
	}
}

func TestLink_RefusesTooMuch(t *testing.T) {
	many := new(descriptorpb.FileDescriptorSet)
	for i := range 10_001 {
		many.File = append(many.File, &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprint(i))})
	}
	crowd := &descriptorpb.FileDescriptorProto{Name: proto.String("a.proto")}
	for range 200_001 {
		crowd.EnumType = append(crowd.EnumType, &descriptorpb.EnumDescriptorProto{})
	}
	deep := new(descriptorpb.DescriptorProto)
	for range 200 {
		deep = &descriptorpb.DescriptorProto{NestedType: []*descriptorpb.DescriptorProto{deep}}
	}
	for _, tc := range []struct {
		name string
		set  *descriptorpb.FileDescriptorSet
		want string
	}{
		{"Files", many, "10001 files are more than the 10000"},
		{"Elements", &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{crowd}}, "more than 200000 messages"},
		{"Depth", &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
			{Name: proto.String("a.proto"), MessageType: []*descriptorpb.DescriptorProto{deep}}}}, "recursion depth"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := compile.Link(tc.set); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := compile.LinkBytes(make([]byte, 36<<20+1)); err == nil || !strings.Contains(err.Error(), "more than the 32 MB") {
		t.Errorf("error %v", err)
	}
}

// What is at the bound must be linked again from the store, to which the built-in files were added.
func TestLink_TakesWhatItEncoded(t *testing.T) {
	atBytes := textSet(t, `file: {name: "a.proto" dependency: "buf/validate/validate.proto" source_code_info: {location: {span: 0 span: 0 span: 1}}}`)
	location := atBytes.GetFile()[0].GetSourceCodeInfo().GetLocation()[0]
	location.LeadingComments = proto.String(strings.Repeat("x", 32<<20-200))
	atFiles := textSet(t, `file: {name: "a.proto" dependency: "buf/validate/validate.proto"}`)
	for i := range 9_999 {
		atFiles.File = append(atFiles.File, &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprint(i))})
	}
	for name, set := range map[string]*descriptorpb.FileDescriptorSet{"Bytes": atBytes, "Files": atFiles} {
		t.Run(name, func(t *testing.T) {
			files, err := compile.Link(set)
			if err != nil {
				t.Fatal(err)
			}
			data, err := files.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := compile.LinkBytes(data); err != nil {
				t.Error(err)
			}
		})
	}
	location.LeadingComments = proto.String(strings.Repeat("x", 32<<20))
	if _, err := compile.Link(atBytes); err == nil || !strings.Contains(err.Error(), "more than the 32 MB") {
		t.Errorf("error %v", err)
	}
}

func TestLink_SameFileTwiceIsOneFile(t *testing.T) {
	files, err := compile.Link(textSet(t, `file: {name: "a.proto"} file: {name: "a.proto"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := names(files.Set()); !slices.Equal(got, []string{"a.proto"}) {
		t.Errorf("files %v", got)
	}
}

func TestFiles_EncodeReadsBackAndIsStable(t *testing.T) {
	files := compileLibrary(t)
	data, err := files.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := compile.LinkBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(files.Set(), again.Set()) {
		t.Error("what was read back differs")
	}
	if second, err := again.Encode(); err != nil || !bytes.Equal(data, second) {
		t.Errorf("encoding again gave other bytes (%v)", err)
	}
}

func TestFiles_EncodeBareLeavesOutPlacesOnly(t *testing.T) {
	files := compileLibrary(t)
	data, err := files.EncodeBare()
	if err != nil {
		t.Fatal(err)
	}
	bare, err := compile.LinkBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	want := proto.CloneOf(files.Set())
	for _, f := range want.GetFile() {
		f.SourceCodeInfo = nil
	}
	if !proto.Equal(bare.Set(), want) {
		t.Error("more than places is missing")
	}
	last := files.Set().GetFile()[len(files.Set().GetFile())-1]
	if last.GetSourceCodeInfo() == nil {
		t.Error("EncodeBare took the places out of the files")
	}
}

func TestTypes_ResolveAnyOfTheSchemaAndOfErrorDetails(t *testing.T) {
	types := compileLibrary(t).Types()
	for _, text := range []string{
		`{"@type":"type.googleapis.com/acme.library.v1.Book","name":"x"}`,
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"R"}`,
	} {
		if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal([]byte(text), new(anypb.Any)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal([]byte(`{"@type":"x/acme.Unknown"}`), new(anypb.Any)); err == nil {
		t.Error("a type that is not in the schema resolved")
	}
}

func TestTypes_ResolveExtensions(t *testing.T) {
	result, err := compile.Compile(t.Context(), compile.Sources{"a.proto": []byte(`syntax = "proto2";
		package acme;
		import "google/api/annotations.proto";
		message Base { extensions 100 to 200; }
		extend Base { optional string note = 100; }`)})
	if err != nil {
		t.Fatal(err)
	}
	types := result.Files.Types()
	if x, err := types.FindExtensionByNumber("acme.Base", 100); err != nil || x.TypeDescriptor().FullName() != "acme.note" {
		t.Errorf("acme.Base 100: %v, %v", x, err)
	}
	if x, err := types.FindExtensionByName("google.api.http"); err != nil || x != protoreflect.ExtensionType(annotations.E_Http) {
		t.Errorf("google.api.http is not the generated one: %v, %v", x, err)
	}
}

func TestBuiltin_EachFileAloneLinks(t *testing.T) {
	builtin, err := compile.NewBuiltin()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range builtin.Paths() {
		source := fmt.Sprintf("syntax = \"proto3\";\nimport public %q;\n", path)
		if _, err := compile.Compile(t.Context(), compile.Sources{"a.proto": []byte(source)}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// FuzzLink: whatever the bytes, linking gives files or an Error, and files read back.
func FuzzLink(f *testing.F) {
	library := compileLibrary(f)
	seed, err := library.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	for _, text := range []string{
		`file: {name: "a.proto" message_type: {name: "Old" options: {message_set_wire_format: true}}}`,
		`file: {name: "a.proto" dependency: "b.proto"} file: {name: "b.proto" dependency: "a.proto"}`,
		`file: {name: "a.proto" syntax: "editions" edition: EDITION_2023 message_type: {name: "M" oneof_decl: {name: "o"}
			field: {name: "f" number: 1 label: LABEL_OPTIONAL type: TYPE_GROUP type_name: ".M" oneof_index: 0}}}`,
		`file: {name: "a.proto" dependency: "google/protobuf/descriptor.proto" syntax: "proto3" enum_type: {name: "E" value: {name: "Z" number: 0}}
			extension: {name: "x" extendee: ".google.protobuf.MethodOptions" number: 50001 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".E"}}`,
		`file: {name: "a.proto" syntax: "proto3" message_type: {name: "M" nested_type: {name: "FEntry" options: {map_entry: true}
			field: {name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING} field: {name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_BOOL}}
			field: {name: "f" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".M.FEntry"}}}`,
	} {
		data, err := proto.Marshal(textSet(f, text))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := compile.LinkBytes(data)
		if err != nil {
			if failed := new(compile.Error); !errors.As(err, &failed) || strings.Contains(err.Error(), "panic") {
				t.Fatalf("error %v", err)
			}
			return
		}
		encoded, err := files.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := compile.LinkBytes(encoded); err != nil {
			t.Fatalf("what linked does not link again: %v", err)
		}
	})
}

func ExampleLink() {
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(annotations.File_google_api_http_proto),
		{
			Name:    proto.String("acme/v1/hello.proto"),
			Package: proto.String("acme.v1"),
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Hello")}},
		},
	}}
	files, err := compile.Link(set)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, service := range files.Services() {
		fmt.Println(service.FullName())
	}
	// Output: acme.v1.Hello
}
