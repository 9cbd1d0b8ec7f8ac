package program

import (
	"testing"

	"buf.build/go/hyperpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// codec is one way to translate a payload. It appends to dst.
type codec struct {
	name string
	run  func(dst []byte) ([]byte, error)
}

// BenchmarkWireToJSON compares every output with protojson's before it is timed.
func BenchmarkWireToJSON(b *testing.B) {
	for _, p := range payloads() {
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.m)
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range writers(b, p.m, wire) {
			b.Run(p.name+"/"+c.name, func(b *testing.B) {
				timed(b, c, len(wire), func(text []byte) { sameAsProtojson(b, p.m, text) })
			})
		}
	}
}

// TestBenchmarkOutputs holds what the benchmarks compare before they time it, so that it does not wait for somebody to
// measure.
func TestBenchmarkOutputs(t *testing.T) {
	for _, p := range payloads() {
		t.Run(p.name, func(t *testing.T) {
			wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.m)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range writers(t, p.m, wire) {
				text, err := c.run(nil)
				if err != nil {
					t.Fatal(c.name, err)
				}
				sameAsProtojson(t, p.m, text)
			}
			for _, c := range readers(t, p.m) {
				if wire, err = c.run(nil); err != nil {
					t.Fatal(c.name, err)
				}
				sameMessage(t, p.m, wire)
			}
		})
	}
}

func writers(t testing.TB, m proto.Message, wire []byte) []codec {
	t.Helper()
	md := m.ProtoReflect().Descriptor()
	response, err := NewCompiler(nil).Response(md, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	through := func(dst []byte, into proto.Message) ([]byte, error) {
		if err := proto.Unmarshal(wire, into); err != nil {
			return dst, err
		}
		return protojson.MarshalOptions{}.MarshalAppend(dst, into)
	}
	fast, shared := hyperpb.CompileMessageDescriptor(md), new(hyperpb.Shared)
	return []codec{
		{"program", func(dst []byte) ([]byte, error) { return response.AppendJSON(dst, wire) }},
		{"generated+protojson", func(dst []byte) ([]byte, error) { return through(dst, m.ProtoReflect().New().Interface()) }},
		{"dynamicpb+protojson", func(dst []byte) ([]byte, error) { return through(dst, dynamicpb.NewMessage(md)) }},
		{"hyperpb+protojson", func(dst []byte) ([]byte, error) {
			into := shared.NewMessage(fast)
			defer shared.Free()
			if err := into.Unmarshal(wire); err != nil {
				return dst, err
			}
			return protojson.MarshalOptions{}.MarshalAppend(dst, into)
		}},
	}
}

// timed runs a codec once and has its output checked, and then as often as it takes.
func timed(b *testing.B, c codec, bytes int, check func(out []byte)) {
	b.Helper()
	dst, err := c.run(nil)
	if err != nil {
		b.Fatal(err)
	}
	check(dst)
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = c.run(dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
