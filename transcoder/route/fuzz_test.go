package route_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// FuzzMatch compares the router with the reference, on tables and paths that are
// spelled by bytes, from small alphabets so that they often meet.
func FuzzMatch(f *testing.F) {
	f.Add([]byte("\x00\x01\x02\x00\x04\x05\x11\x00\x02"), []byte("\x01\x00\x02\x00\x07\x02"), "", byte(0))
	f.Add([]byte("\x00\x06\x02\x10\x31\x06\x02\x04\x52\x05"), []byte("\x02\x00\x02\x00\x02"), "/", byte(1))
	f.Add([]byte("\x00\x08\x09\x00\x09\x02\x00\x0a\x01\x03"), []byte("\x02\x09\x00\x02\x0c"), ":b", byte(5))
	f.Add([]byte{}, []byte{}, "/v1/a%2Fb", byte(2))
	f.Fuzz(func(t *testing.T, spelledTable, spelledPath []byte, tail string, choice byte) {
		agree(t, spelledTable, spelledPath, tail, choice)
	})
}

// TestRouterAgreesWithReference is FuzzMatch on tables and paths drawn at
// random, the same each time.
func TestRouterAgreesWithReference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(most int) []byte {
		b := make([]byte, random.IntN(most))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	seen := map[string]int{}
	for range 5000 {
		for _, what := range agree(t, draw(100), draw(7), "", byte(random.Uint32())) {
			seen[what]++
		}
	}
	t.Log(seen)
	for _, what := range []string{"400", "404", "405", "GET", "POST", "HEAD", "*"} {
		if seen[what] < 100 {
			t.Errorf("%s only %d times", what, seen[what])
		}
	}
}

// agree fails t when router and reference differ. It returns the first word of
// each outcome.
func agree(t *testing.T, spelledTable, spelledPath []byte, tail string, choice byte) (seen []string) {
	t.Helper()
	table := spellTable(spelledTable, route.Decode(choice>>1%3))
	o := route.Options{TrailingSlash: route.TrailingSlash(choice & 1)}
	r, err := route.Build(table, o)
	if err != nil {
		t.Fatal(err)
	}
	ref := newReference(table, o.TrailingSlash == route.Strip)
	path := "/" + spell(spelledPath, "/", "a", "b", "c", "/a", "/b", "/a/b", ":a", ":", "%61", "%2f", "%2E", ".", "é", "%C3%a9", "//") + tail
	for _, method := range []string{"GET", "HEAD", "POST", "*"} {
		got, want := outcome(r, method, path), ref.outcome(method, path)
		if strings.HasPrefix(got, "400 ") {
			got = "400"
		}
		if got != want {
			t.Errorf("%s %s %+v\n got %s\nwant %s\nin %s", method, path, o, got, want, describe(table))
		}
		word, _, _ := strings.Cut(got, " ")
		seen = append(seen, word)
	}
	return seen
}

// spellTable makes rules of bytes: each byte is a piece of a template, or the
// end of it. Templates that do not parse, and those that conflict, are left out.
func spellTable(b []byte, decode route.Decode) []route.Rule[string] {
	var table []route.Rule[string]
	seen := map[string]bool{}
	for line := range strings.SplitSeq(spell(b[:min(len(b), 120)], "/a", "/b", "/*", "/**", "/{x}", "/{y=a/*}", "/{z=**}",
		"/{w=b/**}", ":a", ":b", "/%61", "/é", "/a%2F", "\nGET ", "\nPOST ", "\n* ", "\nHEAD "), "\n") {
		method, text, _ := strings.Cut(line, " ")
		template, err := route.Parse(text)
		if err != nil || method == "" || seen[method+template.Shape()] {
			continue
		}
		seen[method+template.Shape()] = true
		table = append(table, route.Rule[string]{Method: method, Template: template, Owner: line, Decode: decode, Value: line})
	}
	return table
}

func spell(b []byte, pieces ...string) string {
	var text strings.Builder
	for _, c := range b {
		text.WriteString(pieces[int(c)%len(pieces)])
	}
	return text.String()
}

func describe(table []route.Rule[string]) string {
	var lines []string
	for _, rule := range table {
		lines = append(lines, fmt.Sprintf("%s (decode %d)", rule.Value, rule.Decode))
	}
	return strings.Join(lines, "; ")
}

// FuzzParse checks what holds for every template: an error has its place in the
// text; a shape is the template of itself; and there is a path that it matches.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"/", "/v1/{name=shelves/*/books/*}:run", "/v1/{a.b=**}/x", "/a:b:c", "/%7e/é", "/{a", "/a//b", "/{n=x=y}", "/a/..", "/*/{b}:%2F", "/x/{n=a:b}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		template, err := route.Parse(text)
		if err != nil {
			var bad *route.TemplateError
			if !errors.As(err, &bad) || bad.Column < 1 || bad.Column > len(text)+1 {
				t.Fatalf("%q: %#v", text, err)
			}
			return
		}
		again, err := route.Parse(template.Shape())
		if err != nil || again.Shape() != template.Shape() || again.Verb != template.Verb {
			t.Fatalf("%q: shape %q gives %v, %v", text, template.Shape(), again, err)
		}
		r, err := route.Build([]route.Rule[string]{{Method: "GET", Template: template, Owner: text, Value: text}}, route.Options{})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		path := strings.NewReplacer("*", "1", "{_=", "", "}", "").Replace(template.Shape())
		var b route.Binding[string]
		if err := r.Match("GET", path, &b); err != nil {
			t.Fatalf("%q does not match %q: %v", text, path, err)
		}
		if len(b.Values) != len(template.Vars) {
			t.Fatalf("%q: %d values for %d variables", text, len(b.Values), len(template.Vars))
		}
	})
}
