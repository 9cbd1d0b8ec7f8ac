package program

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// queries are worth mutating.
var queries = []string{
	"s=x&i=7", "rs=1,2&rs=", "sub.bC=1&snake_case_name=n&%73=v", "o1=1&o2=2", "b", "b=", "e=77", "i=1e2", "by=-_8",
	"du=1.5s&ts=2020-01-02T03:04:05%2B01:00&fm=a,b_c&w=5&ws=x", "s=a;i=1", "&&", "s=%zz", "=1", "%ff=1", "rec.rec.s=x", "s=a+b%2Bc",
	"osub.a=1&osub.bC=2&o1=1", "rec.sub.left=a&rec.sub.right=b", "d=NaN&f=-0&ri=1&ri=2&re=RED&rts=2020-01-02T03:04:05Z&nv=NULL_VALUE",
}

// FuzzQuery: the parser of queries decodes what net/url decodes, and a program binds what the reference binds: the query
// that is given to the message Kinds, and one made from seed to a message of a random schema.
func FuzzQuery(f *testing.F) {
	for i, raw := range queries {
		f.Add(raw, byte(i), uint64(i))
	}
	md := message(f, "Kinds")
	var schemas randomSchemas
	f.Fuzz(func(t *testing.T, raw string, bits byte, seed uint64) {
		checkPairs(t, raw)
		options := Options{
			Unknown: Unknown(bits & 1), BoolFlags: bits&2 != 0, NumericBools: bits&4 != 0, EnumCaseInsensitive: bits&8 != 0, SnakeCaseMasks: bits&16 != 0,
		}
		rule, in := RequestRule{HTTPMethod: "GET"}, Input{Query: raw}
		switch bits >> 5 {
		case 1:
			rule.Vars, in.Path = []string{"s", "sub.b_c", "o1"}, []string{"x", "1", "2"}
		case 2:
			rule.Body, in.Body = "sub", []byte(`{"a":"x"}`)
		case 3:
			rule.Body = "*"
		}
		checkRequest(t, compiler(t), md, rule, options, in)
		checkRandomRequest(t, schemas.get(t, seed>>32), seed)
	})
}

// FuzzGRPCGateway: in grpc-gateway's ways, too, whatever path, query and body say becomes a message or is refused.
func FuzzGRPCGateway(f *testing.F) {
	md := message(f, "Kinds")
	fields := md.Fields()
	for i := range fields.Len() {
		for j, text := range []string{"", "1", "\xff", "a,\xff", "null"} {
			f.Add(byte(i), text, "rs=\xff&m[a]=1&msub[x].a=\xff&fm=a,\xff&e=\xff", []byte(text), byte(j))
		}
	}
	bodies := []string{"", "*", "sub", "m", "e", "ts", "rs", "rec"}
	options := Options{Unknown: Ignore, RepeatedCSV: true, GRPCGateway: true}
	f.Fuzz(func(t *testing.T, field byte, text, query string, body []byte, bits byte) {
		rule := RequestRule{HTTPMethod: "PATCH", Vars: []string{string(fields.Get(int(field) % fields.Len()).Name())}, Body: bodies[bits&7]}
		r, err := compiler(t).Request(md, rule, options)
		if err != nil {
			return // not every field can stand there
		}
		got, _, err := r.AppendWire(nil, Input{Path: []string{text}, Query: query, Body: body})
		if err != nil {
			if rpc.StatusOf(err).Code() == codes.Internal && !strings.Contains(err.Error(), "UTF-8") {
				t.Errorf("%+v %q ?%q %q: %v", rule, text, query, body, err)
			}
			return
		}
		decoded(t, compiler(t), md, got)
	})
}

// checkPairs compares the parser of queries with one that net/url does the work for.
func checkPairs(t *testing.T, raw string) {
	t.Helper()
	want, wantErr := refParseQuery(raw)
	got, err := parseQuery(nil, raw, []byte(raw))
	same := func(a pair, b refPair) bool {
		return string(a.key) == b.key && string(a.value) == b.value && a.bare == b.bare
	}
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && !slices.EqualFunc(got, want, same) {
		t.Errorf("%q: got %v, %v, want %v, %v", raw, got, err, want, wantErr)
	}
}

// texts are bodies of the message Kinds that are worth mutating.
var texts = []string{
	`{}`, `{"s":"a\nb","by":"-_8","rby":["YQ"]}`, `{"m":{"a":1},"msub":{"k":{"a":"x"}}}`, `{"by":"YW\nJj"}`,
	`{"ts":"2020-01-02T03:04:05,5Z"}`, `{"any":{"@type":"x/test.v1.Sub","a":"x"}}`, `{"any":{"value":"1s","@type":"x/google.protobuf.Duration"}}`,
	`{"st":{"a":[1,null,{"b":true}]},"v":null,"lv":[[]]}`, `{"l":"1e","i":1e}`, `{"o1":null,"o2":1}`, `{"rec":{"rec":{"e":"RED"}}}`,
	`{"s":"\u00e9\ud83d\ude00"}`, `{"w":1,"wb":true,"wby":"","em":{},"nv":null,"fm":"a,bC","du":"1.s"}`, `[[[[`, "\ufeff{}",
	`{"any":{"value":{"a":"x","@type":"x/test.v1.Sub"},"@type":"x/google.protobuf.Any"}}`, `{"i":15.0e-1,"l":"0.5e1","ul":1e19,"d":1e400,"f":3.5e38}`,
	`{"m":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"a":10}}`, " {\n\"rs\" : [ \"a\" , \"b\" ] , \"zz\" : { \"a\" : [ 1 , tru ] } } ",
}

// FuzzJSONToWire: a program takes what the reference takes and makes the same message of it: of the text that is given,
// for the message Kinds, and of a request made from seed, on a random schema.
func FuzzJSONToWire(f *testing.F) {
	for i, text := range texts {
		f.Add([]byte(text), byte(i), uint64(i))
	}
	md := message(f, "Kinds")
	var schemas randomSchemas
	f.Fuzz(func(t *testing.T, text []byte, bits byte, seed uint64) {
		rule, in := RequestRule{HTTPMethod: "PATCH", Body: "*"}, Input{Body: text}
		switch bits >> 1 & 7 {
		case 1:
			rule.Vars, in.Path = []string{"s", "rec.sub.b_c", "o1"}, []string{"x", "1", "2"}
		case 2, 3, 4, 5:
			rule.Body = []string{"v", "any", "rsub", "rec"}[bits>>1&7-2]
		}
		checkRequest(t, compiler(t), md, rule, Options{Unknown: Unknown(bits & 1)}, in)
		checkRandomRequest(t, schemas.get(t, seed>>32), seed)
	})
}

// FuzzRoundTrip: what a program reads is written as JSON that it reads as the same message again.
func FuzzRoundTrip(f *testing.F) {
	for i, text := range texts {
		f.Add([]byte(text), uint64(i))
	}
	md := message(f, "Kinds")
	var schemas randomSchemas
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		checkRoundTrip(t, compiler(t), md, text)
		s := schemas.get(t, seed>>32)
		g := newJSONMaker(s, seed)
		md := s.messages[g.IntN(len(s.messages))]
		checkRoundTrip(t, s.compiler, md, []byte(g.message(md, 0)))
	})
}

func checkRoundTrip(t *testing.T, c *Compiler, md protoreflect.MessageDescriptor, body []byte) {
	t.Helper()
	request, err := c.Message(md, Options{})
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.Response(md, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	wire, _, err := request.AppendWire(nil, Input{Body: body})
	if err != nil {
		checkReason(t, err)
		return
	}
	text, err := response.AppendJSON(nil, wire)
	if err != nil {
		if cause := fmt.Sprint(errors.Unwrap(err)); !strings.Contains(cause, "path") && !strings.Contains(cause, "required") {
			t.Fatalf("%s\nmade %x, which cannot be written: %s", body, wire, cause)
		}
		return // a mask that has no JSON
	}
	again, _, err := request.AppendWire(nil, Input{Body: text})
	if err != nil {
		t.Fatalf("%s\nis written as %s\nwhich is refused: %v", body, text, err)
	}
	text2, err := response.AppendJSON(nil, again)
	if err != nil || string(text) != string(text2) {
		t.Errorf("%s\nis written as %s\nand then as %s (%v)", body, text, text2, err)
	}
}

func checkReason(t *testing.T, err error) {
	t.Helper()
	var refusal *rpc.Error
	if !errors.As(err, &refusal) || refusal.Reason() == "INTERNAL" {
		t.Fatalf("%v is not an error for the client", err)
	}
}
