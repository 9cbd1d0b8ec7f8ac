package program

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestRequestCompile(t *testing.T) {
	csv := Options{RepeatedCSV: true}
	for _, row := range []struct {
		name    string
		md      string
		rule    RequestRule
		options Options
		text    string // of the error; "" if the rule is fine
	}{
		{name: "19/scalar", md: "Kinds", rule: RequestRule{Vars: []string{"s", "e", "sub.a", "ts", "w", "fm", "rec.rec.i"}}},
		{name: "19/repeated", md: "Kinds", rule: RequestRule{Vars: []string{"rs"}}, text: "{rs} is a repeated field"},
		{name: "19/repeated when compatible", md: "Kinds", rule: RequestRule{Vars: []string{"rs"}}, options: csv},
		{name: "19/map", md: "Kinds", rule: RequestRule{Vars: []string{"m"}}, options: csv, text: "a map"},
		{name: "19/message", md: "Kinds", rule: RequestRule{Vars: []string{"sub"}}, text: "{sub} is a test.v1.Sub"},
		{name: "19/repeated message", md: "Kinds", rule: RequestRule{Vars: []string{"rsub"}}, options: csv, text: "a repeated field"},
		{name: "19/struct", md: "Kinds", rule: RequestRule{Vars: []string{"st"}}, text: "google.protobuf.Struct"},
		{name: "19/unknown", md: "Kinds", rule: RequestRule{Vars: []string{"sub.zz"}}, text: `test.v1.Sub has no field "zz"`},
		{name: "19/JSON name", md: "Kinds", rule: RequestRule{Vars: []string{"snakeCaseName"}}, text: "has no field"},
		{name: "19/inside a repeated field", md: "Kinds", rule: RequestRule{Vars: []string{"rsub.a"}}, text: "path must end there"},
		{name: "19/inside a string", md: "Kinds", rule: RequestRule{Vars: []string{"s.a"}}, text: "path must end there"},
		{name: "19/inside a wrapper", md: "Kinds", rule: RequestRule{Vars: []string{"w.value"}}, text: "path must end there"},
		{name: "22/twice", md: "Kinds", rule: RequestRule{Vars: []string{"s", "s"}}, text: "bound twice"},
		{name: "30/two members", md: "Kinds", rule: RequestRule{Vars: []string{"o1", "osub.a"}}, text: "members of one oneof, test.v1.Kinds.choice"},
		{name: "30/two inner members", md: "Kinds", rule: RequestRule{Vars: []string{"sub.left", "sub.right"}}, text: "oneof"},
		{name: "30/members of two messages", md: "Kinds", rule: RequestRule{Vars: []string{"sub.left", "rec.sub.right", "o1"}}},
		{name: "95/body unknown", md: "CreateBookRequest", rule: RequestRule{Body: "bok"}, text: `body "bok"`},
		{name: "95/body inside a repeated field", md: "Kinds", rule: RequestRule{Body: "rsub.a"}, text: "path must end there"},
		{name: "body of a well-known type's field", md: "google.protobuf.Struct", rule: RequestRule{Body: "fields"}, text: "JSON form of its own"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.rule.HTTPMethod = "POST"
			_, err := compiler(t).Request(message(t, row.md), row.rule, row.options)
			switch {
			case row.text == "" && err != nil:
				t.Errorf("refused: %v", err)
			case row.text != "" && (err == nil || !strings.Contains(err.Error(), row.text)):
				t.Errorf("got %v, want %q in it", err, row.text)
			}
		})
	}
}

func TestRequestWarnings(t *testing.T) {
	for _, row := range []struct {
		name string
		md   string
		rule RequestRule
		want []string // a part of each warning
	}{
		{"24/95 nothing to say", "CreateBookRequest", RequestRule{HTTPMethod: "POST", Vars: []string{"parent"}, Body: "book"}, nil},
		{"95/get with body", "CreateBookRequest", RequestRule{HTTPMethod: "GET", Body: "*"}, []string{"GET takes a body"}},
		{"95/delete with body", "CreateBookRequest", RequestRule{HTTPMethod: "DELETE", Body: "book"}, []string{"DELETE takes a body"}},
		{"95/put", "UpdateBookRequest", RequestRule{HTTPMethod: "PUT", Body: "book"}, []string{"PUT"}},
		{"95/custom", "UpdateBookRequest", RequestRule{HTTPMethod: "PURGE"}, []string{`"PURGE"`}},
		{"95/body repeated", "BatchGetBooksRequest", RequestRule{HTTPMethod: "POST", Body: "names"}, []string{"a repeated field"}},
		{"95/body is a variable", "CreateBookRequest", RequestRule{HTTPMethod: "POST", Vars: []string{"parent"}, Body: "parent"}, []string{"also a path variable"}},
		{"95/a json_name is not the binding's", "Kinds", RequestRule{HTTPMethod: "GET"}, nil},
		{"24/nested body", "Wrap", RequestRule{HTTPMethod: "POST", Body: "inner.book"}, []string{"nested"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			request, err := compiler(t).Request(message(t, row.md), row.rule, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(request.Warnings(), row.want, strings.Contains) {
				t.Errorf("got %q, want %q", request.Warnings(), row.want)
			}
		})
	}
}

func TestRequestWithTheWrongNumberOfPathValues(t *testing.T) {
	request, err := compiler(t).Request(message(t, "Kinds"), RequestRule{Vars: []string{"s"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = request.AppendWire(nil, Input{})
	var refusal *rpc.Error
	if !errors.As(err, &refusal) || refusal.Code() != codes.Internal {
		t.Errorf("got %v, want INTERNAL", err)
	}
}

// Programs are shared by all calls of a method; the race detector watches this one.
func TestProgramsAreSafeForConcurrentUse(t *testing.T) {
	md := message(t, "UpdateBookRequest")
	request, err := compiler(t).Request(md, RequestRule{HTTPMethod: "PATCH", Vars: []string{"book.name"}, Body: "book"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	response, err := compiler(t).Response(md, "book", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				wire, _, err := request.AppendWire(nil, Input{Path: []string{"b/1"}, Query: "allowMissing=true", Body: []byte(`{"title":"t"}`)})
				if err != nil {
					t.Error(err)
					return
				}
				if text, err := response.AppendJSON(nil, wire); err != nil || string(text) != `{"name":"b/1","title":"t"}` {
					t.Errorf("%s, %v", text, err)
					return
				}
			}
		})
	}
	group.Wait()
}
