package program

import (
	"fmt"
	"testing"

	"buf.build/go/hyperpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
)

// benchBook is an ordinary message; the large one is a list of them, of about 1 MiB.
func benchBook(i int) *libraryv1.Book {
	return &libraryv1.Book{
		Name: fmt.Sprintf("shelves/history/books/%d", i), Title: "The Decline and Fall of the Roman Empire, volume " + fmt.Sprint(i),
		Authors: []string{"Edward Gibbon"}, Isbn: "9780140437645", Pages: int32(300 + i%900), Genre: libraryv1.Genre_GENRE_HISTORY,
		PublishTime: &timestamppb.Timestamp{Seconds: 1700000000 + int64(i), Nanos: 250e6}, ReadingTime: durationpb.New(90e9), Labels: map[string]string{"language": "en"},
		PurchasePriceCents: 1299, Format: &libraryv1.Book_Paper_{Paper: &libraryv1.Book_Paper{Hardcover: true}},
	}
}

func benchMessages() map[string]proto.Message {
	list := &libraryv1.ListBooksResponse{NextPageToken: "next"}
	for i := range 5000 {
		list.Books = append(list.Books, benchBook(i))
	}
	return map[string]proto.Message{"small": benchBook(1), "large": list}
}

func BenchmarkWireToJSON(b *testing.B) {
	for size, m := range benchMessages() {
		wire, err := proto.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		md := m.ProtoReflect().Descriptor()
		response, err := NewCompiler(nil).Response(md, "", Options{})
		if err != nil {
			b.Fatal(err)
		}
		want, err := newReference(nil, md, "", Options{}).appendJSON(nil, wire)
		if err != nil {
			b.Fatal(err)
		}
		fast := hyperpb.CompileMessageDescriptor(md)
		shared := new(hyperpb.Shared)
		for _, row := range []struct {
			name string
			run  func(dst []byte) ([]byte, error)
		}{
			{"program", func(dst []byte) ([]byte, error) { return response.AppendJSON(dst, wire) }},
			{"generated+protojson", func(dst []byte) ([]byte, error) {
				into := m.ProtoReflect().New().Interface()
				if err := proto.Unmarshal(wire, into); err != nil {
					return dst, err
				}
				return protojson.MarshalOptions{}.MarshalAppend(dst, into)
			}},
			{"dynamicpb+protojson", func(dst []byte) ([]byte, error) {
				into := dynamicpb.NewMessage(md)
				if err := proto.Unmarshal(wire, into); err != nil {
					return dst, err
				}
				return protojson.MarshalOptions{}.MarshalAppend(dst, into)
			}},
			{"hyperpb+protojson", func(dst []byte) ([]byte, error) {
				into := shared.NewMessage(fast)
				defer shared.Free()
				if err := into.Unmarshal(wire); err != nil {
					return dst, err
				}
				return protojson.MarshalOptions{}.MarshalAppend(dst, into)
			}},
		} {
			b.Run(size+"/"+row.name, func(b *testing.B) {
				dst, err := row.run(nil)
				if err != nil {
					b.Fatal(err)
				}
				if got := dst[:compact(dst)]; string(got) != string(want) {
					b.Fatalf("got %.200s\nwant %.200s", got, want)
				}
				b.SetBytes(int64(len(wire)))
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
