package program

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"

	"google.golang.org/genproto/googleapis/api/distribution"
	exprpb "google.golang.org/genproto/googleapis/api/expr/v1alpha1"
	logtype "google.golang.org/genproto/googleapis/logging/type"
	"google.golang.org/genproto/googleapis/rpc/context/attribute_context"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
)

// payload is a message that the codec benchmarks translate.
type payload struct {
	name string
	m    proto.Message
}

// payloads are an ordinary message, a list of about 1 MiB of them, and one for each kind of field that costs in a way of
// its own. Their types are published ones that have generated code. They never change, so that figures can be compared.
func payloads() []payload {
	list := &libraryv1.ListBooksResponse{NextPageToken: "next"}
	for i := range 5000 {
		list.Books = append(list.Books, benchBook(i))
	}
	return []payload{
		{"small", benchBook(1)},
		{"large", list},
		{"scalars", flatScalars()},
		{"nested", nestedLists(3)},
		{"maps", mapsOfNumbers()},
		{"escapes", escapes()},
		{"wellknown", withWellKnownTypes()},
		{"numbers", floatsAndInt64()},
	}
}

// benchBook has a bit of everything that real messages have.
func benchBook(i int) *libraryv1.Book {
	return &libraryv1.Book{
		Name: fmt.Sprintf("shelves/history/books/%d", i), Title: "The Decline and Fall of the Roman Empire, volume " + fmt.Sprint(i),
		Authors: []string{"Edward Gibbon"}, Isbn: "9780140437645", Pages: int32(300 + i%900), Genre: libraryv1.Genre_GENRE_HISTORY,
		PublishTime: &timestamppb.Timestamp{Seconds: 1700000000 + int64(i), Nanos: 250e6}, ReadingTime: durationpb.New(90e9), Labels: map[string]string{"language": "en"},
		PurchasePriceCents: 1299, Format: &libraryv1.Book_Paper_{Paper: &libraryv1.Book_Paper{Hardcover: true}},
	}
}

func flatScalars() proto.Message {
	return &logtype.HttpRequest{
		RequestMethod: "GET", RequestUrl: "https://library.example.com/v1/shelves/science/books", RequestSize: 412, Status: 200,
		ResponseSize: 18_231, UserAgent: "curl/8.5.0", RemoteIp: "192.0.2.17", ServerIp: "198.51.100.4", Referer: "https://example.com/",
		CacheLookup: true, CacheHit: true, CacheValidatedWithOriginServer: true, CacheFillBytes: 16_384, Protocol: "HTTP/2",
	}
}

// nestedLists are lists in lists, five to each, as the syntax tree of a list in a language.
func nestedLists(levels int) *exprpb.Expr {
	if levels == 0 {
		return &exprpb.Expr{Id: 7, ExprKind: &exprpb.Expr_IdentExpr{IdentExpr: &exprpb.Expr_Ident{Name: "shelf"}}}
	}
	list := &exprpb.Expr_CreateList{}
	for range 5 {
		list.Elements = append(list.Elements, nestedLists(levels-1))
	}
	return &exprpb.Expr{Id: int64(levels), ExprKind: &exprpb.Expr_ListExpr{ListExpr: list}}
}

func mapsOfNumbers() proto.Message {
	info := &exprpb.SourceInfo{Location: "rules.cel", Positions: map[int64]int32{}, MacroCalls: map[int64]*exprpb.Expr{}}
	for i := range 60 {
		info.Positions[int64(i)] = int32(i * 11)
	}
	for i := range 10 {
		info.MacroCalls[int64(i)] = nestedLists(0)
	}
	return info
}

func escapes() proto.Message {
	b := benchBook(1)
	b.Title = "\"Discorsi\"\te dimostrazioni\n\\ \u2028 <due nuove scienze> \u0001"
	b.Authors = []string{"Галилео Галилей", "伽利略·伽利莱", "गैलीलियो गैलिली", "\U0001f52d Galileo"}
	b.Labels = map[string]string{"schlüssel": "wert mit \"anführungszeichen\"", "путь": `C:\books\новые`}
	return b
}

func withWellKnownTypes() proto.Message {
	claims, err := structpb.NewStruct(map[string]any{
		"email": "reader@example.com", "verified": true, "level": 3, "groups": []any{"staff", "science"}, "manager": nil,
	})
	if err != nil {
		panic(err) // the value is a constant
	}
	c := &attribute_context.AttributeContext{Request: &attribute_context.AttributeContext_Request{
		Id: "8f2c", Time: &timestamppb.Timestamp{Seconds: 1_700_000_000, Nanos: 123_456_789},
		Auth: &attribute_context.AttributeContext_Auth{Principal: "reader", Claims: claims},
	}}
	for _, m := range []proto.Message{
		durationpb.New(1_500_000_000), wrapperspb.Int64(1 << 40), wrapperspb.String("wrapped"),
		&errdetails.ErrorInfo{Reason: "QUOTA_EXCEEDED", Domain: "example.com", Metadata: map[string]string{"limit": "100"}},
	} {
		packed, err := anypb.New(m)
		if err != nil {
			panic(err) // the messages are constants
		}
		c.Extensions = append(c.Extensions, packed)
	}
	return c
}

func floatsAndInt64() proto.Message {
	d := &distribution.Distribution{Count: 1 << 53, Mean: 17.25, SumOfSquaredDeviation: 1.0 / 3}
	var bounds []float64
	for i := range 60 {
		bounds = append(bounds, math.Pow(1.7, float64(i-20)))
		d.BucketCounts = append(d.BucketCounts, int64(i)*1_234_567_890_123)
	}
	d.BucketOptions = &distribution.Distribution_BucketOptions{Options: &distribution.Distribution_BucketOptions_ExplicitBuckets{
		ExplicitBuckets: &distribution.Distribution_BucketOptions_Explicit{Bounds: bounds},
	}}
	return d
}

// sameAsProtojson ends the test unless text is the JSON value that protojson writes for m. Space and the order of an
// object's members are free.
func sameAsProtojson(t testing.TB, m proto.Message, text []byte) {
	t.Helper()
	reference, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := jsonValue(t, text), jsonValue(t, reference); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %.300s\nwant %.300s", text, reference)
	}
}

func jsonValue(t testing.TB, text []byte) (v any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // as it is written: 1e3 is not 1000
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	return v
}
