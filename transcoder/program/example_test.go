package program_test

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/apipb"

	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// A binding like post: "/v1/apis/{name}" body: "source_context", and a reply that is the same message.
func Example() {
	compiler := program.NewCompiler(protoregistry.GlobalTypes)
	md := (&apipb.Api{}).ProtoReflect().Descriptor()

	request, err := compiler.Request(md, program.RequestRule{
		HTTPMethod: "POST", Vars: []string{"name"}, Body: "source_context",
	}, program.Options{})
	if err != nil {
		fmt.Println(err) // whoever published the schema reads this
		return
	}
	response, err := compiler.Response(md, "", program.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}

	wire, _, err := request.AppendWire(nil, program.Input{
		Path:  []string{"library"},
		Query: "syntax=SYNTAX_PROTO3&version=v1",
		Body:  []byte(`{"fileName": "library.proto"}`),
	})
	if err != nil {
		fmt.Println(err) // an *rpc.Error for the client
		return
	}
	text, err := response.AppendJSON(nil, wire)
	fmt.Println(string(text), err)

	_, _, err = request.AppendWire(nil, program.Input{Path: []string{"library"}, Query: "versoin=v1"})
	fmt.Println(err)
	// Output:
	// {"name":"library","version":"v1","sourceContext":{"fileName":"library.proto"},"syntax":"SYNTAX_PROTO3"} <nil>
	// versoin: google.protobuf.Api has no field "versoin"; did you mean version?
}

// Replies without what a caller may not see, and without what it did not ask for.
func ExampleCompiler_Mask() {
	api := &apipb.Api{Name: "library", Version: "v1", Methods: []*apipb.Method{{Name: "Get", RequestTypeUrl: "x/Request"}}}
	wire, err := proto.Marshal(api)
	if err != nil {
		fmt.Println(err)
		return
	}
	mask, err := program.NewCompiler(nil).Mask(api.ProtoReflect().Descriptor(), program.MaskRule{
		Mode:    program.MaskKeep,
		Paths:   []string{"name", "methods"},
		Replace: []program.Replacement{{Path: "name", Value: []byte("***")}},
		Hide:    []protoreflect.FullName{"google.protobuf.Method.request_type_url"},
	}, program.Options{})
	if err != nil {
		fmt.Println(err) // whoever wrote the rule reads this
		return
	}
	wire, err = mask.AppendWire(nil, wire)
	if err != nil {
		fmt.Println(err)
		return
	}
	left := &apipb.Api{}
	err = proto.Unmarshal(wire, left)
	fmt.Println(left.Name, left.Version == "", left.Methods[0].Name, left.Methods[0].RequestTypeUrl == "", err)
	// Output: *** true Get true <nil>
}
