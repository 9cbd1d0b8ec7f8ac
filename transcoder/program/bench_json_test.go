package program

import (
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// BenchmarkJSONToWire reads the JSON that BenchmarkWireToJSON writes.
func BenchmarkJSONToWire(b *testing.B) {
	for size, m := range benchMessages() {
		md := m.ProtoReflect().Descriptor()
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		text := jsonBytes(b, m)
		request, err := NewCompiler(nil).Message(md, Options{})
		if err != nil {
			b.Fatal(err)
		}
		through := func(dst []byte, into proto.Message) ([]byte, error) {
			if err := protojson.Unmarshal(text, into); err != nil {
				return dst, err
			}
			return proto.MarshalOptions{}.MarshalAppend(dst, into)
		}
		for _, row := range []struct {
			name string
			run  func(dst []byte) ([]byte, error)
		}{
			{"program", func(dst []byte) ([]byte, error) {
				dst, _, err := request.AppendWire(dst, Input{Body: text})
				return dst, err
			}},
			{"generated+protojson", func(dst []byte) ([]byte, error) { return through(dst, m.ProtoReflect().New().Interface()) }},
			{"dynamicpb+protojson", func(dst []byte) ([]byte, error) { return through(dst, dynamicpb.NewMessage(md)) }},
		} {
			b.Run(size+"/"+row.name, func(b *testing.B) {
				dst, err := row.run(nil)
				if err != nil {
					b.Fatal(err)
				}
				if !equalWire(b, md, dst, want) {
					b.Fatal("made another message")
				}
				b.SetBytes(int64(len(text)))
				b.ReportAllocs()
				for b.Loop() {
					if dst, err = row.run(dst[:0]); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
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
