package program

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestResponse(t *testing.T) {
	for _, row := range []struct {
		name    string
		md      string
		field   string
		options Options
		message string // JSON of the reply
		wire    []byte // or its bytes
		want    string // "" if the reply is refused
	}{
		{name: "74/compact, in the order of the file", message: ` { "i" : 1, "s":"a b" , "rs":["x" ,"y, z"],"m":{"b":2,"a":1}}`, want: `{"s":"a b","i":1,"rs":["x","y, z"],"m":{"a":1,"b":2}}`},
		{name: "74/quotes and backslashes stay", message: `{"s":"\"\\ , \\\" : \\"}`, want: `{"s":"\"\\ , \\\" : \\"}`},
		{name: "proto names", options: Options{ProtoNames: true}, message: `{"snakeCaseName":"a","custom":"b"}`, want: `{"with_json":"b","snake_case_name":"a"}`},
		{name: "enum numbers", options: Options{EnumNumbers: true}, message: `{"e":"RED","re":["GREEN"]}`, want: `{"e":1,"re":[2]}`},
		{name: "defaults", md: "Author", options: Options{EmitDefaults: true}, message: `{}`, want: `{"givenName":"","familyName":""}`},
		{name: "93/empty is {}", md: "google.protobuf.Empty", message: `{}`, want: `{}`},
		{name: "whole well-known type", md: "google.protobuf.Struct", message: `{"b":[1,null],"a":{}}`, want: `{"a":{},"b":[1,null]}`},
		{name: "73/unknown fields are dropped", md: "Author", wire: protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1), want: `{}`},

		{name: "message field", md: "CreateBookRequest", field: "book", message: `{"book":{"title":"t"},"bookId":"x"}`, want: `{"title":"t"}`},
		{name: "message field, absent", md: "CreateBookRequest", field: "book", message: `{"bookId":"x"}`, want: `null`},
		{name: "repeated field", field: "rsub", message: `{"rsub":[{"a":"}, ]"},{}],"s":"x"}`, want: `[{"a":"}, ]"},{}]`},
		{name: "repeated field, absent", field: "rsub", message: `{"s":"x"}`, want: `[]`},
		{name: "map field", field: "m", message: `{"m":{"b":1,"a":2}}`, want: `{"a":2,"b":1}`},
		{name: "map field, absent", field: "m", message: `{}`, want: `{}`},
		{name: "string field", field: "s", message: `{"s":"a\"b"}`, want: `"a\"b"`},
		{name: "string field, absent", field: "s", message: `{}`, want: `""`},
		{name: "bytes field, absent", field: "by", message: `{}`, want: `""`},
		{name: "bool field, absent", field: "b", message: `{}`, want: `false`},
		{name: "int32 field, absent", field: "i", message: `{}`, want: `0`},
		{name: "uint64 field, absent", field: "ul", message: `{}`, want: `"0"`},
		{name: "double field, absent", field: "d", message: `{}`, want: `0`},
		{name: "enum field", field: "e", message: `{"e":"RED"}`, want: `"RED"`},
		{name: "enum field, absent", field: "e", message: `{}`, want: `"COLOR_UNSPECIFIED"`},
		{name: "enum field, absent, as a number", field: "e", options: Options{EnumNumbers: true}, message: `{}`, want: `0`},
		{name: "null field, absent", field: "nv", message: `{}`, want: `null`},
		{name: "optional field, absent", field: "os", message: `{}`, want: `null`},
		{name: "optional field, zero", field: "os", message: `{"os":""}`, want: `""`},
		{name: "oneof member, absent", field: "o1", message: `{"o2":1}`, want: `null`},
		{name: "wrapper field", field: "w", message: `{"w":0}`, want: `0`},
		{name: "value field", field: "v", message: `{"v":{"a":1}}`, want: `{"a":1}`},
		{name: "field by its proto name", field: "with_json", message: `{"custom":"c"}`, want: `"c"`},
		{name: "field beside defaults", field: "with_json", options: Options{EmitDefaults: true, ProtoNames: true}, message: `{"custom":"c","sub":{"a":"x"}}`, want: `"c"`},
		{name: "field with its own defaults", md: "CreateBookRequest", field: "parent", options: Options{EmitDefaults: true}, message: `{"parent":"p"}`, want: `"p"`},
		{name: "field beside a required one", md: "test.legacy.Legacy", field: "n", message: `{"id":"1","n":0}`, want: `0`},

		{name: "69/invalid UTF-8", wire: append(protowire.AppendTag(nil, 1, protowire.BytesType), 1, 0xff)},
		{name: "69/invalid UTF-8 in proto2", md: "test.legacy.Legacy", wire: append(protowire.AppendTag(nil, 1, protowire.BytesType), 1, 0xff)},
		{name: "68/required is missing", md: "test.legacy.Legacy", wire: []byte{}},
		{name: "62/mask that does not round trip", wire: bytesField(32, bytesField(1, []byte("a__b")))},
		{name: "66/unresolvable Any", wire: bytesField(39, bytesField(1, []byte("x/test.v1.Nope")))},
		{name: "66/malformed Any", wire: bytesField(39, append(bytesField(1, []byte("x/test.v1.Sub")), bytesField(2, []byte{0xff})...))},
		{name: "66/empty Any", wire: bytesField(39, nil), want: `{"any":{}}`},
		{name: "truncated", wire: []byte{0x0a, 0x05, 'x'}},
		{name: "71/messages as deep as a body can make them", wire: nested(40), options: Options{DepthMax: 40}, want: strings.Repeat(`{"rec":`, 40) + "{}" + strings.Repeat("}", 40)},
		{name: "71/messages that nest too deep", wire: nested(400)},
		{name: "71/messages without Any that nest too deep", md: "Sub", wire: nestedIn(3, 400)},
		{name: "71/Any in Any", wire: bytesField(39, nestedAny(3)), want: `{"any":` + strings.Repeat(`{"@type":"/google.protobuf.Any","value":`, 3) + `{}` + strings.Repeat("}", 4)},
		{name: "71/Any in Any too deep", wire: bytesField(39, nestedAny(400))},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.md == "" {
				row.md = "Kinds"
			}
			md := message(t, row.md)
			response, err := compiler(t).Response(md, row.field, row.options)
			if err != nil {
				t.Fatal(err)
			}
			if row.wire == nil {
				row.wire = wireOf(t, md, row.message)
			}
			got, err := response.AppendJSON([]byte("before"), row.wire)
			if row.want == "" {
				var refusal *rpc.Error
				if !errors.As(err, &refusal) || refusal.Code() != codes.Internal || refusal.Reason() != ReasonBadReply || refusal.Unwrap() == nil {
					t.Fatalf("got %s, %v; want INTERNAL %s with a cause", got, err, ReasonBadReply)
				}
				if string(got) != "before" {
					t.Errorf("dst became %s", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != "before"+row.want {
				t.Errorf("got  %s\nwant before%s", got, row.want)
			}
		})
	}
}

// What a body of the deepest nesting makes can be written again.
func TestResponseTakesTheDeepestBody(t *testing.T) {
	md := message(t, "google.protobuf.Struct")
	text := strings.Repeat(`{"a":`, 99) + `{}` + strings.Repeat(`}`, 99)
	if got := jsonOf(t, md, wireOf(t, md, text)); got != text {
		t.Errorf("got %s", got)
	}
}

func TestResponseRefusedAtCompile(t *testing.T) {
	for _, row := range []struct{ name, md, field, text string }{
		{"unknown", "Kinds", "zz", "has no such field"},
		{"nested", "Kinds", "sub.a", "nested"},
		{"JSON name", "Kinds", "custom", "has no such field"},
		{"field of a well-known type", "google.protobuf.Struct", "fields", "JSON form of its own"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := compiler(t).Response(message(t, row.md), row.field, Options{})
			if err == nil || !strings.Contains(err.Error(), row.text) {
				t.Errorf("got %v, want %q in it", err, row.text)
			}
		})
	}
}

func bytesField(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// nested is a Kinds with rec in rec, so many levels.
func nested(levels int) []byte { return nestedIn(60, levels) }

func nestedIn(field protowire.Number, levels int) []byte {
	var wire []byte
	for range levels {
		wire = bytesField(field, wire)
	}
	return wire
}

// nestedAny is an Any in so many others.
func nestedAny(levels int) []byte {
	var wire []byte
	for range levels {
		wire = bytes.Join([][]byte{bytesField(1, []byte("/google.protobuf.Any")), bytesField(2, wire)}, nil)
	}
	return wire
}
