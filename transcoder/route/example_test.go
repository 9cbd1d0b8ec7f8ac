package route_test

import (
	"fmt"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

func ExampleRouter_Match() {
	book, err := route.Parse("/v1/{name=shelves/*/books/*}")
	if err != nil {
		fmt.Println(err)
		return
	}
	archive, err := route.Parse("/v1/{name=shelves/*/books/*}:archive")
	if err != nil {
		fmt.Println(err)
		return
	}
	router, err := route.Build([]route.Rule[string]{
		{Method: "GET", Template: book, Owner: "library.Library.GetBook", Value: "GetBook"},
		{Method: "POST", Template: archive, Owner: "library.Library.ArchiveBook", Value: "ArchiveBook"},
	}, route.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var b route.Binding[string] // one for many calls
	for _, request := range [][2]string{
		{"GET", "/v1/shelves/1/books/the%20trial"},
		{"POST", "/v1/shelves/1/books/2:archive"},
		{"DELETE", "/v1/shelves/1/books/2"},
		{"GET", "/v1/shelves"},
		{"GET", "/v1/../secret"},
	} {
		if err := router.Match(request[0], request[1], &b); err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(b.Rule.Value, b.Rule.Template.Vars[0].FieldPath, "=", b.Values[0])
	}
	// Output:
	// GetBook name = shelves/1/books/the trial
	// ArchiveBook name = shelves/1/books/2
	// method "DELETE" is not allowed on this path; use GET, HEAD, OPTIONS
	// no route matches this path
	// malformed path at byte 4: "." and ".." are not allowed as segments; send the path they lead to
}

func ExampleParse() {
	t, err := route.Parse("/v1/{parent=shelves/*}/books/{id}:copy")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Shape(), t.Verb)
	for _, v := range t.Vars {
		fmt.Println(v.FieldPath, v.Multi)
	}
	_, err = route.Parse("/v1/{parent=shelves/*/books")
	fmt.Println(err)
	// Output:
	// /v1/shelves/*/books/*:copy copy
	// parent true
	// id false
	// template "/v1/{parent=shelves/*/books", column 28: variable parent lacks its "}"
}

func ExampleBuild_conflict() {
	var rules []route.Rule[int]
	for owner, text := range []string{"/v1/{name=books/*}", "/v1/books/{id}"} {
		template, err := route.Parse(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		rules = append(rules, route.Rule[int]{Method: "GET", Template: template, Owner: fmt.Sprint("a.B.Get", owner)})
	}
	_, err := route.Build(rules, route.Options{})
	fmt.Println(err)
	// Output:
	// GET /v1/books/* is claimed by both a.B.Get0 (as /v1/{name=books/*}) and a.B.Get1 (as /v1/books/{id}); change one of the templates
}
