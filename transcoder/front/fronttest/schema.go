package fronttest

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

const schema = `
name: "gatehouse/fronttest/v1/notes.proto" package: "gatehouse.fronttest.v1" syntax: "proto3"
message_type { name: "Note" field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "text" } }
service {
  name: "Notes"
  method { name: "Unary" input_type: ".gatehouse.fronttest.v1.Note" output_type: ".gatehouse.fronttest.v1.Note" }
  method { name: "ServerStreams" input_type: ".gatehouse.fronttest.v1.Note" output_type: ".gatehouse.fronttest.v1.Note"
           server_streaming: true }
  method { name: "ClientStreams" input_type: ".gatehouse.fronttest.v1.Note" output_type: ".gatehouse.fronttest.v1.Note"
           client_streaming: true }
  method { name: "BothStream" input_type: ".gatehouse.fronttest.v1.Note" output_type: ".gatehouse.fronttest.v1.Note"
           client_streaming: true server_streaming: true }
}`

// newTable makes a table of the schema whose endpoints run the suite's scripts.
func newTable(s *suite) (*front.Table, error) {
	var fdp descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(schema), &fdp); err != nil {
		return nil, err
	}
	fd, err := protodesc.NewFile(&fdp, nil)
	if err != nil {
		return nil, err
	}
	note := rpc.NewType(fd.Messages().Get(0), nil)
	t := &front.Table{Methods: map[string]*front.Endpoint{}}
	var rules []route.Rule[*front.Route]
	for i := range fd.Services().Get(0).Methods().Len() {
		m := rpc.NewMethod(fd.Services().Get(0).Methods().Get(i), note, note, rpc.Policy{Access: rpc.Public, Cost: 1})
		e := &front.Endpoint{Method: m, Serve: func(_ *rpc.Call, ss grpc.ServerStream) error { return s.serve(m.Path, ss) }}
		t.Methods[m.Path] = e
		if err := addPrograms(e); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		rule, err := newRule(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Path, err)
		}
		rules = append(rules, rule)
	}
	t.Routes, err = route.Build(rules, route.Options{})
	return t, err
}

func addPrograms(e *front.Endpoint) (err error) {
	compiler := program.NewCompiler(nil)
	if e.FromJSON, err = compiler.Message(e.Method.Input.Descriptor, program.Options{}); err != nil {
		return err
	}
	e.ToJSON, err = compiler.Response(e.Method.Output.Descriptor, "", program.Options{})
	return err
}

// newRule is POST /pkg.Service/Method with the whole message as body.
func newRule(e *front.Endpoint) (rule route.Rule[*front.Route], err error) {
	face := &front.Route{Endpoint: e, Request: e.FromJSON, Response: e.ToJSON, Body: "*", Elements: e.Method.ClientStreams}
	template, err := route.Parse(e.Method.Path)
	return route.Rule[*front.Route]{Method: "POST", Template: template, Owner: e.Method.Name(), Value: face}, err
}

// MarshalNote encodes a note.
func MarshalNote(text string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)
}

// UnmarshalNote returns the text of a note.
func UnmarshalNote(wire []byte) (string, error) {
	text := ""
	for len(wire) > 0 {
		n, kind, size := protowire.ConsumeTag(wire)
		if size < 0 || n != 1 || kind != protowire.BytesType {
			return "", fmt.Errorf("not a note: %q", wire)
		}
		value, more := protowire.ConsumeString(wire[size:])
		if more < 0 {
			return "", fmt.Errorf("not a note: %w", protowire.ParseError(more))
		}
		text, wire = value, wire[size+more:]
	}
	return text, nil
}

// noteType finds the type of a call's messages.
func noteType(ss grpc.ServerStream) *rpc.Type { return rpc.CallFrom(ss.Context()).Method.Input }

// recv receives one note.
func recv(ss grpc.ServerStream) (string, error) {
	f := rpc.NewFrame(noteType(ss))
	defer f.Free()
	if err := ss.RecvMsg(f); err != nil {
		return "", err
	}
	return UnmarshalNote(f.Bytes())
}

// send sends one note from a buffer that is spoilt once nobody holds it any more, as a pool would do.
func send(ss grpc.ServerStream, text string) error {
	wire := MarshalNote(text)
	data := mem.BufferSlice{mem.NewBuffer(&wire, spoiler{})}
	f := rpc.NewFrame(noteType(ss))
	defer f.Free()
	if err := (rpc.Codec{}).Unmarshal(data, f); err != nil {
		return err
	}
	data.Free()
	return ss.SendMsg(f)
}

// spoiler is a buffer pool that keeps nothing.
type spoiler struct{}

func (spoiler) Get(n int) *[]byte { b := make([]byte, n); return &b }
func (spoiler) Put(b *[]byte)     { clear(*b) }
