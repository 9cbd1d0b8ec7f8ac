package program

import (
	"testing"

	"buf.build/go/hyperpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// BenchmarkWireToWire takes books and leaves some of their fields. What decoding and encoding cost stands beside it,
// without a mask.
func BenchmarkWireToWire(b *testing.B) {
	prefix := map[string]string{"small": "", "large": "books."}
	for _, p := range payloads()[:2] {
		in := prefix[p.name]
		md := p.m.ProtoReflect().Descriptor()
		wire, err := proto.Marshal(p.m)
		if err != nil {
			b.Fatal(err)
		}
		for _, row := range []struct {
			name string
			rule MaskRule
		}{
			{"keep", MaskRule{Mode: MaskKeep, Paths: []string{in + "name", in + "authors", in + "labels"}}},
			{"drop", MaskRule{Paths: []string{in + "purchase_price_cents", in + "isbn"}}},
			{"hide", MaskRule{Hide: []protoreflect.FullName{"acme.library.v1.Book.purchase_price_cents", "acme.library.v1.Book.isbn"}}},
			{"replace", MaskRule{Replace: []Replacement{{in + "isbn", []byte("***")}}}},
		} {
			mask, err := NewCompiler(nil).Mask(md, row.rule, Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Run(p.name+"/"+row.name, func(b *testing.B) {
				run := func(dst []byte) ([]byte, error) { return mask.AppendWire(dst, wire) }
				timed(b, codec{row.name, run}, len(wire), func([]byte) {})
			})
		}
		through := func(dst []byte, into proto.Message) ([]byte, error) {
			if err := proto.Unmarshal(wire, into); err != nil {
				return dst, err
			}
			return proto.MarshalOptions{}.MarshalAppend(dst, into)
		}
		fast, shared := hyperpb.CompileMessageDescriptor(md), new(hyperpb.Shared)
		for _, c := range []codec{
			{"generated", func(dst []byte) ([]byte, error) { return through(dst, p.m.ProtoReflect().New().Interface()) }},
			{"dynamicpb", func(dst []byte) ([]byte, error) { return through(dst, dynamicpb.NewMessage(md)) }},
			{"hyperpb, decoding only", func(dst []byte) ([]byte, error) {
				defer shared.Free()
				return dst, shared.NewMessage(fast).Unmarshal(wire)
			}},
		} {
			b.Run(p.name+"/nothing/"+c.name, func(b *testing.B) { timed(b, c, len(wire), func([]byte) {}) })
		}
	}
}

// BenchmarkPartial writes two of the fields of a book as JSON, of those that BenchmarkWireToJSON writes, and looks the
// mask's program up each time.
func BenchmarkPartial(b *testing.B) {
	masks := map[string]string{"small": "name,title", "large": "books.name,books.title"}
	for _, p := range payloads()[:2] {
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(p.m)
		if err != nil {
			b.Fatal(err)
		}
		whole, err := NewCompiler(nil).Response(p.m.ProtoReflect().Descriptor(), "", Options{})
		if err != nil {
			b.Fatal(err)
		}
		run := func(dst []byte) ([]byte, error) {
			response, err := whole.Partial(masks[p.name], "$fields")
			if err != nil {
				return dst, err
			}
			return response.AppendJSON(dst, wire)
		}
		b.Run(p.name, func(b *testing.B) { timed(b, codec{p.name, run}, len(wire), func([]byte) {}) })
	}
}
