package program_test

import (
	"fmt"

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
