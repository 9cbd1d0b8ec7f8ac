package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
)

const mebibyte = 1 << 20

// Wire is the message as the backend and the floor send it.
func Wire(m proto.Message) []byte {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("a message made here: %v", err)) // the messages are constants
	}
	return data
}

// asJSON is the message without the spaces that protojson varies from build to build.
func asJSON(m proto.Message) []byte {
	data, err := protojson.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("a message made here: %v", err))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		panic(fmt.Sprintf("protojson's own output: %v", err))
	}
	return compact.Bytes()
}

func shortBook() *libraryv1.Book {
	return &libraryv1.Book{
		Name: "shelves/science/books/elements", Title: "The Elements", Authors: []string{"Euclid"}, Pages: 465,
		Genre: libraryv1.Genre_GENRE_SCIENCE, PublishTime: &timestamppb.Timestamp{Seconds: 1_767_225_600},
	}
}

// book is a book with every kind of field, 400 bytes as JSON. Some titles need escapes, some are not ASCII.
func book(i int) *libraryv1.Book {
	titles := []string{"The Elements, with a commentary", `Of "motion", and other dialogues`, "Théorie analytique de la chaleur"}
	b := &libraryv1.Book{
		Name: fmt.Sprintf("shelves/science/books/elements-%d", i), Title: titles[i%len(titles)],
		Authors: []string{"Euclid of Alexandria", "Thomas Little Heath"}, Isbn: fmt.Sprintf("97804866%05d", i),
		Pages: int32(100 + i%900), Genre: libraryv1.Genre(1 + i%3),
		PublishTime: &timestamppb.Timestamp{Seconds: 1_700_000_000 + int64(i)*86_400, Nanos: 250_000_000},
		ReadingTime: durationpb.New(37_800_000_000_000),
		Labels:      map[string]string{"room": "reading", "signature": fmt.Sprintf("QA31 .E%d", i)},
		Archived:    i%5 == 0, PurchasePriceCents: 1_995 + int64(i),
	}
	if i%2 == 0 {
		b.Format = &libraryv1.Book_Electronic_{Electronic: &libraryv1.Book_Electronic{SizeBytes: 18_446_744 + int64(i), MediaType: "application/pdf"}}
	} else {
		b.Format = &libraryv1.Book_Paper_{Paper: &libraryv1.Book_Paper{Hardcover: true}}
	}
	return b
}

// booksOf is as many books as make so many bytes of JSON.
func booksOf(size int) (books []*libraryv1.Book) {
	for sum := 0; sum < size; {
		b := book(len(books))
		books = append(books, b)
		sum += len(asJSON(b)) + 1
	}
	return books
}

// itemsOf is as many items of an order as make so many bytes of JSON.
func itemsOf(size int) (items []*ordersv1.Item) {
	for sum := 0; sum < size; {
		item := &ordersv1.Item{Book: fmt.Sprintf("shelves/science/books/elements-%d", len(items)), Quantity: int32(1 + len(items)%9)}
		items = append(items, item)
		sum += len(asJSON(item)) + 1
	}
	return items
}

func events(n int) (all []proto.Message) {
	for range n {
		all = append(all, &libraryv1.ShelfEvent{Kind: libraryv1.ShelfEvent_KIND_PRESENT, Book: shortBook()})
	}
	return all
}
