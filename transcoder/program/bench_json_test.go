package program

import (
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// BenchmarkJSONToWire reads the JSON that BenchmarkWireToJSON writes. Each message is compared with the one that
// protojson reads before it is timed. The row tokenizer is no translation: it is encoding/json/jsontext, which cuts the
// text into tokens and keeps nothing. It is there when the test is built with GOEXPERIMENT=jsonv2, as make bench does.
func BenchmarkJSONToWire(b *testing.B) {
	for _, p := range payloads() {
		text := jsonBytes(b, p.m)
		for _, c := range readers(b, p.m) {
			b.Run(p.name+"/"+c.name, func(b *testing.B) {
				timed(b, c, len(text), func(wire []byte) { sameMessage(b, p.m, wire) })
			})
		}
		if tokens == nil {
			continue
		}
		b.Run(p.name+"/tokenizer", func(b *testing.B) {
			timed(b, codec{"tokenizer", func(dst []byte) ([]byte, error) { return dst, tokens(text) }}, len(text), func([]byte) {})
		})
	}
}

func readers(t testing.TB, m proto.Message) []codec {
	t.Helper()
	text, md := jsonBytes(t, m), m.ProtoReflect().Descriptor()
	request, err := NewCompiler(nil).Message(md, Options{})
	if err != nil {
		t.Fatal(err)
	}
	through := func(dst []byte, into proto.Message) ([]byte, error) {
		if err := protojson.Unmarshal(text, into); err != nil {
			return dst, err
		}
		return proto.MarshalOptions{}.MarshalAppend(dst, into)
	}
	return []codec{
		{"program", func(dst []byte) ([]byte, error) {
			dst, _, err := request.AppendWire(dst, Input{Body: text})
			return dst, err
		}},
		{"generated+protojson", func(dst []byte) ([]byte, error) { return through(dst, m.ProtoReflect().New().Interface()) }},
		{"dynamicpb+protojson", func(dst []byte) ([]byte, error) { return through(dst, dynamicpb.NewMessage(md)) }},
	}
}

// tokens reads a text token by token; nil without the library.
var tokens func(text []byte) error

// sameMessage ends the test unless wire is m.
func sameMessage(t testing.TB, m proto.Message, wire []byte) {
	t.Helper()
	got := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(wire, got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, m) {
		t.Fatalf("made another message: %.300v\nwant %.300v", got, m)
	}
}

// BenchmarkBind is an ordinary GET: variables and parameters, and no body.
func BenchmarkBind(b *testing.B) {
	request, err := compiler(b).Request(message(b, "Kinds"), RequestRule{HTTPMethod: "GET", Vars: []string{"s", "sub.a"}}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	in := Input{Path: []string{"shelves/1", "x"}, Query: "i=7&sub.bC=3&rs=a%20b&rs=c&ts=2020-01-02T03:04:05Z"}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, _, err = request.AppendWire(dst[:0], in); err != nil {
			b.Fatal(err)
		}
	}
}

func jsonBytes(t testing.TB, m proto.Message) []byte {
	t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return text[:compact(text)]
}
