package program

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// schema compiles testdata once for all tests of the package.
var schema = sync.OnceValues(func() (linker.Resolver, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"testdata"}}),
	}
	files, err := compiler.Compile(context.Background(), "binding.proto", "legacy.proto", "editions.proto",
		"google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/empty.proto",
		"google/protobuf/struct.proto", "google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto")
	if err != nil {
		return nil, err
	}
	return files.AsResolver(), nil
})

func message(t testing.TB, name string) protoreflect.MessageDescriptor {
	t.Helper()
	types, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(name, ".") {
		name = "test.v1." + name
	}
	mt, err := types.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return mt.Descriptor()
}

func compiler(t testing.TB) *Compiler {
	t.Helper()
	types, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	return NewCompiler(types)
}

// row is one request and what becomes of it.
type row struct {
	name    string // the number of the rule in SEMANTICS and what it promises
	md      string // "" is Kinds
	method  string // "" is POST
	vars    []string
	body    string
	options Options
	in      Input

	want    string // the message as JSON, if it is accepted
	ignored int
	reason  string // why it is refused, if it is
	field   string // the violation's field, if it is refused
	text    string // part of the violation's text
	without string // what the text does not say
}

func (row *row) run(t *testing.T) {
	if row.md == "" {
		row.md = "Kinds"
	}
	if row.method == "" {
		row.method = "POST"
	}
	md := message(t, row.md)
	request, err := compiler(t).Request(md, RequestRule{HTTPMethod: row.method, Vars: row.vars, Body: row.body}, row.options)
	if err != nil {
		t.Fatalf("compile: %v", err)
	}
	dst := []byte("before")
	wire, ignored, err := request.AppendWire(dst, row.in)
	if !strings.HasPrefix(string(wire), "before") {
		t.Fatalf("AppendWire lost what was in dst: %q", wire)
	}
	if row.reason != "" {
		row.checkRefused(t, wire, err)
		return
	}
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if ignored != row.ignored {
		t.Errorf("ignored %d, want %d", ignored, row.ignored)
	}
	if got := jsonOf(t, md, wire[len(dst):]); got != row.want {
		t.Errorf("got  %s\nwant %s", got, row.want)
	}
}

func (row *row) checkRefused(t *testing.T, wire []byte, err error) {
	t.Helper()
	var refusal *rpc.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("error %v is no *rpc.Error; wire %x", err, wire)
	}
	if string(wire) != "before" {
		t.Errorf("wire %q returned with an error", wire)
	}
	if refusal.Code() != codes.InvalidArgument || refusal.Reason() != row.reason {
		t.Errorf("got %v %s (%v), want %s", refusal.Code(), refusal.Reason(), refusal, row.reason)
	}
	text := refusal.Message()
	if row.field != "" && !strings.HasPrefix(text, row.field+": ") {
		t.Errorf("%q is not about %q", text, row.field)
	}
	if !strings.Contains(text, row.text) {
		t.Errorf("%q does not have %q in it", text, row.text)
	}
	if row.without != "" && strings.Contains(text, row.without) {
		t.Errorf("%q has %q in it", text, row.without)
	}
}

// jsonOf shows a message for comparison.
func jsonOf(t testing.TB, md protoreflect.MessageDescriptor, wire []byte) string {
	t.Helper()
	response, err := compiler(t).Response(md, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := response.AppendJSON(nil, wire)
	if err != nil {
		t.Fatalf("wire %x: %v", wire, err)
	}
	return string(text)
}

func runRows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, r.run)
	}
}

// wireOf encodes JSON for tests of replies.
func wireOf(t testing.TB, md protoreflect.MessageDescriptor, text string) []byte {
	t.Helper()
	request, err := compiler(t).Message(md, Options{})
	if err != nil {
		t.Fatal(err)
	}
	wire, _, err := request.AppendWire(nil, Input{Body: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return wire
}
