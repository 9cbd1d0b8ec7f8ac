package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// What a field mask shows of a reply.
func TestPartial(t *testing.T) {
	const edition = "test.editions.Edition"
	sub := func(n protowire.Number, content ...[]byte) []byte { return bytesField(n, join(content...)) }
	some := join(textField(1, "s"), varintField(3, 1), sub(11, textField(1, "a"), varintField(2, 1)), textField(62, "n"))
	for _, row := range []struct {
		name    string
		md      string // "" is Kinds
		only    string
		options Options
		mask    string
		wire    []byte
		want    string
	}{
		{name: "one field", mask: "s", wire: some, want: `{"s":"s"}`},
		{name: "several, in the order of the .proto", mask: "snakeCaseName, s", wire: some, want: `{"s":"s","snakeCaseName":"n"}`},
		{name: "by proto name", mask: "snake_case_name", wire: some, want: `{"snakeCaseName":"n"}`},
		{name: "inside a message", mask: "sub.bC", wire: some, want: `{"sub":{"bC":1}}`},
		{name: "a message whole", mask: "sub,sub.bC", wire: some, want: `{"sub":{"a":"a","bC":1}}`},
		{name: "all fields of a message", mask: "sub.*", wire: some, want: `{"sub":{"a":"a","bC":1}}`},
		{name: "everything", mask: "*,s", wire: some, want: `{"s":"s","i":1,"sub":{"a":"a","bC":1},"snakeCaseName":"n"}`},
		{name: "in any order on the wire", mask: "s,sub.a", wire: join(sub(11, varintField(2, 1)), textField(1, "s"), sub(11, textField(1, "a"))), want: `{"s":"s","sub":{"a":"a"}}`},
		{name: "elements of a list", mask: "rsub.a", wire: join(sub(24, textField(1, "a"), varintField(2, 1)), sub(24)), want: `{"rsub":[{"a":"a"},{}]}`},
		{name: "values of a map", mask: "msub.*.a", wire: sub(26, textField(1, "k"), sub(2, textField(1, "a"), varintField(2, 1))), want: `{"msub":{"k":{"a":"a"}}}`},
		{name: "types with a form of their own", mask: "ts,st", wire: join(sub(30, varintField(1, 1)), sub(37, structEntry("a")), varintField(3, 1)), want: `{"ts":"1970-01-01T00:00:01Z","st":{"a":true}}`},
		{name: "defaults of what is named", options: Options{EmitDefaults: true}, mask: "i,sub.tags,rs", wire: sub(11, textField(1, "a")), want: `{"i":0,"sub":{"tags":[]},"rs":[]}`},
		{name: "the other member of a oneof", mask: "o1", wire: join(varintField(50, 1), varintField(51, 2)), want: `{}`},
		{name: "the last member of a oneof", mask: "o1", wire: join(varintField(51, 2), varintField(50, 1)), want: `{"o1":1}`},
		{name: "a oneof in pieces", mask: "rec.o1", wire: join(sub(60, varintField(50, 1)), sub(60, varintField(51, 1))), want: `{"rec":{}}`},
		{name: "a hidden message of a oneof", mask: "o1,i", wire: join(sub(52, textField(1, "a")), varintField(3, 5)), want: `{"i":5}`},
		{name: "required fields that are not named", md: "test.legacy.Legacy", mask: "n", wire: varintField(4, 1), want: `{"n":1}`},
		{name: "an extension", md: "test.legacy.Legacy", mask: "[test.legacy.ext]", wire: join(textField(100, "a"), textField(1, "i")), want: `{"[test.legacy.ext]":"YQ=="}`},
		{name: "no extension", md: "test.legacy.Legacy", mask: "id", wire: join(textField(100, "a"), textField(1, "i")), want: `{"id":"i"}`},
		{name: "groups", md: edition, mask: "part.a", wire: groupField(4, join(varintField(1, 1), textField(3, "b"))), want: `{"part":{"a":1}}`},
		{name: "response_body", only: "sub", mask: "a", wire: some, want: `{"a":"a"}`},
		{name: "response_body that is a list", only: "rsub", mask: "a", wire: sub(24, textField(1, "a"), varintField(2, 1)), want: `[{"a":"a"}]`},
		{name: "response_body that is a list, with *", only: "rsub", mask: "*.a", wire: sub(24, textField(1, "a"), varintField(2, 1)), want: `[{"a":"a"}]`},
		{name: "response_body that is a map", only: "msub", mask: "*.a", wire: sub(26, textField(1, "k"), sub(2, textField(1, "a"), varintField(2, 1))), want: `{"k":{"a":"a"}}`},
		{name: "response_body, everything", only: "sub", mask: "*", wire: some, want: `{"a":"a","bC":1}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.md == "" {
				row.md = "Kinds"
			}
			whole, err := compiler(t).Response(message(t, row.md), row.only, row.options)
			if err != nil {
				t.Fatal(err)
			}
			response, err := whole.Partial(row.mask, "$fields")
			if err != nil {
				t.Fatal(err)
			}
			got, err := response.AppendJSON(nil, row.wire)
			checkParts(t, response, row.wire, got, err)
			if err != nil {
				t.Fatal(errors.Unwrap(err))
			}
			if string(got) != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
			if again, err := whole.Partial(row.mask, "$fields"); err != nil || again != response {
				t.Errorf("the program is made anew: %v", err)
			}
		})
	}
}

// Masks that cannot be are refused in words.
func TestPartialRefuses(t *testing.T) {
	deep := strings.Repeat("rec.", 300) + "s"
	for _, row := range []struct{ only, mask, text string }{
		{"", "subb.a", "$fields: test.v1.Kinds has no field \"subb\"; did you mean sub?"},
		{"", "sub.snote", `test.v1.Sub has no field "snote"; did you mean sub.note?`},
		{"", "s,,i", `has no field ""`},
		{"", "s.x", "s is a string, so the path must end there"},
		{"", "ts.seconds", "ts is a google.protobuf.Timestamp, so the path must end there"},
		{"", "msub.a", "msub is a map; write msub.* for what its values have"},
		{"", "rsub(a,bC)", "has no field"},
		{"", deep, "at most 1024 are allowed"},
		{"", "\xff", "not UTF-8"},
		{"s", "a", "the reply is a string, which has no fields to choose from"},
		{"ts", "seconds", "the reply is a google.protobuf.Timestamp, which has no fields to choose from"},
		{"msub", "a", "the reply is a map; write *. before what its values have"},
		{"sub", "s", "test.v1.Sub has no field"},
	} {
		whole, err := compiler(t).Response(message(t, "Kinds"), row.only, Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = whole.Partial(row.mask, "$fields")
		var refusal *rpc.Error
		if !errors.As(err, &refusal) || refusal.Code() != codes.InvalidArgument || refusal.Reason() != ReasonInvalidFieldMask || !strings.Contains(err.Error(), row.text) {
			t.Errorf("%.40s: got %v, want %s", row.mask, err, row.text)
		}
	}
}

// Members of a oneof that a mask does not name take room as well, so the fields that it takes are counted.
func TestPartialCountsFields(t *testing.T) {
	c := compiler(t)
	p, err := c.fieldPath(message(t, "Kinds"), nil, "rec.o1") // rec, and the three members of the oneof
	if err != nil {
		t.Fatal(err)
	}
	var tree fieldTree
	tree.add(p)
	for left, want := range map[int]bool{4: true, 3: false} {
		if _, err := c.table(message(t, "Kinds"), 0).partial(&tree, &left); (err == nil) != want {
			t.Errorf("of %d fields: %v", left, err)
		}
	}
}

// Masks that clients make up push each other out.
func TestPartialsAreBounded(t *testing.T) {
	c := compiler(t)
	whole, err := c.Response(message(t, "Kinds"), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * partialsMax {
		if _, err := whole.Partial("s"+strings.Repeat(" ", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.partials.get().Len(); n != partialsMax {
		t.Errorf("%d programs are kept", n)
	}
}

func TestFieldMask(t *testing.T) {
	on := Options{PartialResponses: true}
	for _, row := range []struct {
		md, query  string
		header     []string
		options    Options
		mask, sent string
		refused    bool
	}{
		{md: "Book", query: "name=a&$fields=title", options: on, mask: "title", sent: "$fields"},
		{md: "Book", query: "%24fields=title%2Cauthor.givenName", options: on, mask: "title,author.givenName", sent: "$fields"},
		{md: "Book", query: "fields=title", options: on, mask: "title", sent: "fields"},
		{md: "FieldsRequest", query: "fields=title", options: on},
		{md: "FieldsRequest", query: "$fields=title", options: on, mask: "title", sent: "$fields"},
		{md: "Book", query: "name=a", header: []string{"title", "name"}, options: on, mask: "title,name", sent: HeaderFieldMask},
		{md: "Book", query: "$fields=title", header: []string{"name"}, options: on, mask: "title", sent: "$fields"},
		{md: "Book", query: "$fields=", header: []string{"name"}, options: on, sent: "$fields"},
		{md: "Book", query: "$fields=title&fields=name", options: on, refused: true},
		{md: "Book", query: "name=a", options: on},
		{md: "Book", header: []string{"name"}},
	} {
		r, err := compiler(t).Request(message(t, row.md), RequestRule{HTTPMethod: "GET"}, row.options)
		if err != nil {
			t.Fatal(err)
		}
		mask, sent, err := r.FieldMask(row.query, row.header)
		if mask != row.mask || sent != row.sent || (err != nil) != row.refused {
			t.Errorf("%s %v: got %q, %q, %v", row.query, row.header, mask, sent, err)
		}
		if row.options == on {
			if _, _, err := r.AppendWire(nil, Input{Query: row.query}); err != nil {
				t.Errorf("%s: %v", row.query, err)
			}
		}
	}
	r, err := compiler(t).Request(message(t, "Book"), RequestRule{HTTPMethod: "GET"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.AppendWire(nil, Input{Query: "$fields=title"}); err == nil {
		t.Error("without the option $fields is a parameter like others, and unknown")
	}
}

// FuzzPartial: on random schemas and masks a partial reply is what the mask names of the whole one.
func FuzzPartial(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, seed, seed, byte(seed))
	}
	var schemas randomSchemas
	f.Fuzz(func(t *testing.T, schema, seed, mask uint64, options byte) {
		checkPartial(t, schemas.get(t, schema), seed, mask, options)
	})
}

// TestPartialRandom is the fuzz target's check on inputs of its own.
func TestPartialRandom(t *testing.T) {
	var schemas randomSchemas
	for seed := range uint64(6000) {
		checkPartial(t, schemas.get(t, seed%200), seed, seed, byte(seed))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkPartial(t *testing.T, s *randomSchema, seed, mask uint64, bits byte) {
	t.Helper()
	md := s.messages[seed%uint64(len(s.messages))]
	wire := randomWire(s, md, seed)
	o := optionsOf(bits)
	whole, err := s.compiler.Response(md, "", o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := whole.AppendJSON(nil, wire)
	if err != nil {
		return // a partial reply may leave out what is wrong
	}
	_, paths, _ := newMaskMaker(s, mask).rule(md)
	var names []string
	for _, p := range paths {
		names = append(names, p.text)
	}
	partial, err := whole.Partial(strings.Join(names, ","), "")
	if err != nil {
		t.Fatal(err)
	}
	got, err := partial.AppendJSON(nil, wire)
	checkParts(t, partial, wire, got, err)
	if err != nil {
		t.Fatalf("%s %v: %v\nwire %x\nwhole %s", md.FullName(), names, errors.Unwrap(err), wire, text)
	}
	want := decodeJSON(t, text)
	if len(names) > 0 {
		want = choose(md, paths, want, o)
	}
	if have := decodeJSON(t, got); !reflect.DeepEqual(have, want) {
		t.Errorf("%s %v %v\nwire  %x\nwhole %s\ngot   %s\nwant  %v", md.FullName(), o.style(), names, wire, text, got, want)
	}
}

// choose leaves of an object what the paths name.
func choose(md protoreflect.MessageDescriptor, paths []refPath, whole any, o Options) any {
	left := map[string]any{}
	for _, p := range paths {
		if len(p.fields) == 0 {
			return whole
		}
		fd := p.fields[0]
		key := fd.JSONName()
		if o.ProtoNames {
			key = fd.TextName()
		}
		if fd.IsExtension() {
			key = fmt.Sprintf("[%s]", fd.FullName())
		}
		v, has := whole.(map[string]any)[key]
		if !has {
			continue
		}
		rest, ends := below(paths, fd)
		if ends == nil {
			inner := reach.Message(fd)
			switch of := v.(type) {
			case []any:
				list := []any{}
				for _, element := range of {
					list = append(list, choose(inner, rest, element, o))
				}
				v = list
			case map[string]any:
				if !fd.IsMap() {
					v = choose(inner, rest, v, o)
					break
				}
				values := map[string]any{}
				for k, element := range of {
					values[k] = choose(inner, rest, element, o)
				}
				v = values
			}
		}
		left[key] = v
	}
	return left
}

func decodeJSON(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}
