package route_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

func TestBuildRefusesConflicts(t *testing.T) {
	for _, c := range []struct {
		routes   string
		conflict string // the shape, or "" when both are fine
	}{
		{"GET /v1/{a}; GET /v1/{b}", "/v1/*"},
		{"GET /v1/{a}; GET /v1/*", "/v1/*"},
		{"GET /v1/{a=items/*}; GET /v1/items/{b}", "/v1/items/*"},
		{"GET /v1/{a=**}; GET /v1/**", "/v1/**"},
		{"GET /v1/~a; GET /v1/%7ea", "/v1/~a"},
		{"GET /v1/%c3%a9; GET /v1/é", "/v1/%C3%A9"},
		{"GET /v1/{a}:run; GET /v1/{b}:%72un", "/v1/*:run"},
		{"* /v1/a; * /v1/a", "/v1/a"},
		{"GET /v1/{a}; POST /v1/{b}", ""},
		{"GET /v1/{a}; * /v1/{b}", ""},
		{"GET /v1/{a}; HEAD /v1/{b}", ""},
		{"GET /v1/{a}; GET /v1/{a}:run", ""},
		{"GET /v1/{a}; GET /v1/{a=**}", ""},
		{"GET /people:verb; GET /people/x:verb", ""},
	} {
		lines := strings.Split(c.routes, "; ")
		_, err := route.Build(rules(t, route.KeepSlash, lines...), route.Options{})
		var conflict *route.ConflictError
		if c.conflict == "" {
			if err != nil {
				t.Errorf("rule 14: %s: %v", c.routes, err)
			}
			continue
		}
		if !errors.As(err, &conflict) {
			t.Errorf("rule 14: %s: no conflict but %v", c.routes, err)
			continue
		}
		if conflict.Shape != c.conflict || conflict.First.Owner != lines[0] || conflict.Second.Owner != lines[1] {
			t.Errorf("rule 14: %s: %+v", c.routes, conflict)
		}
	}
}

func TestBuildReportsEveryConflict(t *testing.T) {
	_, err := route.Build(rules(t, route.KeepSlash,
		"GET /a/{x}", "GET /b", "GET /a/{y}", "GET /a/{z}", "PUT /b"), route.Options{})
	want := "GET /a/* is claimed by both GET /a/{x} (as /a/{x}) and GET /a/{y} (as /a/{y}); change one of the templates\n" +
		"GET /a/* is claimed by both GET /a/{x} (as /a/{x}) and GET /a/{z} (as /a/{z}); change one of the templates"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestBuildRefusesTheSameBindingTwice(t *testing.T) {
	table := rules(t, route.KeepSlash, "GET /a/{x}", "GET /a/{x}")
	_, err := route.Build(table, route.Options{})
	if err == nil || !strings.Contains(err.Error(), "bound twice by GET /a/{x}") {
		t.Errorf("got %v", err)
	}
}

func TestBuildRefusesBadRules(t *testing.T) {
	a, err := route.Parse("/a")
	if err != nil {
		t.Fatal(err)
	}
	for name, rule := range map[string]route.Rule[string]{
		"no template":         {Method: "GET", Owner: "o"},
		"not an HTTP method":  {Method: "G T", Template: a, Owner: "o"},
		`"" is not an HTTP`:   {Template: a, Owner: "o"},
		"unknown decode mode": {Method: "GET", Template: a, Owner: "o", Decode: route.All + 1},
	} {
		_, err := route.Build([]route.Rule[string]{rule}, route.Options{})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "o") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBuildCopiesRules(t *testing.T) {
	table := rules(t, route.KeepSlash, "GET /a", "GET /b")
	r, err := route.Build(table, route.Options{})
	if err != nil {
		t.Fatal(err)
	}
	table[0].Value = "changed"
	if got := outcome(r, "GET", "/a"); got != "GET /a" {
		t.Errorf("got %s", got)
	}
	if listed := r.Rules(); len(listed) != 2 || listed[0].Value != "GET /a" || listed[1].Value != "GET /b" {
		t.Errorf("Rules() = %v", listed)
	}
}

// Every choice of literal and * at each of n levels, so that a path of a's fits
// all of them.
func ambiguous(n int, end string) []string {
	var lines []string
	for bits := range 1 << n {
		line := "GET "
		for level := range n {
			line += []string{"/a", "/*"}[bits>>level&1]
		}
		lines = append(lines, line+end)
	}
	return lines
}

func TestBuildRefusesCostlyTables(t *testing.T) {
	lines := ambiguous(13, "/x")
	_, err := route.Build(rules(t, route.KeepSlash, lines...), route.Options{})
	var cost *route.CostError
	if !errors.As(err, &cost) || cost.Steps <= cost.Limit || !strings.HasSuffix(cost.Example.Template, "/x") {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), cost.Example.Owner) || !strings.Contains(err.Error(), fmt.Sprint(cost.Limit)) {
		t.Errorf("the error names neither a rule nor the limit: %v", err)
	}
	lines = ambiguous(11, "/x")
	if _, err := route.Build(rules(t, route.KeepSlash, lines...), route.Options{}); err != nil {
		t.Error(err)
	}
	var flat []string
	for i := range 20_000 {
		flat = append(flat, fmt.Sprintf("GET /v1/{parent=projects/*}/kind%d/{id=**}", i))
	}
	if _, err := route.Build(rules(t, route.KeepSlash, flat...), route.Options{}); err != nil {
		t.Error(err)
	}
}
