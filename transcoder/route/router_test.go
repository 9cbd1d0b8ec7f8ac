package route_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// build makes a router of lines such as "GET /v1/{a}"; each line is its rule's
// value and owner.
func build(t testing.TB, o route.Options, decode route.Decode, lines ...string) *route.Router[string] {
	t.Helper()
	r, err := route.Build(rules(t, decode, lines...), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rules(t testing.TB, decode route.Decode, lines ...string) []route.Rule[string] {
	t.Helper()
	var rules []route.Rule[string]
	for _, line := range lines {
		method, template, _ := strings.Cut(line, " ")
		parsed, err := route.Parse(template)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, route.Rule[string]{
			Method: method, Template: parsed, Owner: line, Decode: decode, Value: line,
		})
	}
	return rules
}

// outcome puts what Match says into one line: the rule and its values, or the
// HTTP status and its particulars.
func outcome(r *route.Router[string], method, path string) string {
	var b route.Binding[string]
	err := r.Match(method, path, &b)
	var notAllowed *route.MethodNotAllowedError
	var malformed *route.PathError
	switch {
	case err == nil:
		text := b.Rule.Value
		for i, v := range b.Rule.Template.Vars {
			text += fmt.Sprintf(" %s=%q", v.FieldPath, b.Values[i])
		}
		return text
	case errors.As(err, &malformed):
		return fmt.Sprintf("400 fault %d at %d", malformed.Fault, malformed.Offset)
	case errors.As(err, &notAllowed):
		return "405 " + strings.Join(notAllowed.Allow, " ")
	case errors.Is(err, route.ErrNotFound):
		return "404"
	}
	return err.Error()
}

type matchCase struct {
	rule    int // of the transcoding semantics
	routes  string
	request string
	want    string
}

func (c matchCase) run(t *testing.T, o route.Options, decode route.Decode) {
	t.Helper()
	r := build(t, o, decode, strings.Split(c.routes, "; ")...)
	method, path, _ := strings.Cut(c.request, " ")
	if got := outcome(r, method, path); got != c.want {
		t.Errorf("rule %d: %s with %s\n got %s\nwant %s", c.rule, c.request, c.routes, got, c.want)
	}
}

func TestRouter(t *testing.T) {
	for name, cases := range map[string][]matchCase{
		"EscapedSlashDoesNotSplit": {
			{1, "GET /v1/{n}", "GET /v1/a%2Fb", `GET /v1/{n} n="a/b"`},
			{1, "GET /v1/{n}", "GET /v1/a%2fb", `GET /v1/{n} n="a/b"`},
			{1, "GET /v1/{n}", "GET /v1/a/b", "404"},
			{1, "GET /v1/{n}/{m}", "GET /v1/a%2Fb", "404"},
			{1, "GET /v1/a/b", "GET /v1/a%2Fb", "404"},
		},
		"SingleSegmentDecodesOnce": {
			{2, "GET /v1/{n}", "GET /v1/a%2523", `GET /v1/{n} n="a%23"`},
			{2, "GET /v1/{n}", "GET /v1/%25", `GET /v1/{n} n="%"`},
			{2, "GET /v1/{n}", "GET /v1/%E2%82%AC+%2B", `GET /v1/{n} n="€++"`},
			{43, "GET /v1/{n}", "GET /v1/a+b", `GET /v1/{n} n="a+b"`},
			{2, "GET /v1/{n=items}", "GET /v1/%69tems", `GET /v1/{n=items} n="items"`},
		},
		"MultiSegmentKeepsEscapedSlash": {
			{3, "GET /{n=**}", "GET /a%2Fb/c%20d", `GET /{n=**} n="a%2Fb/c d"`},
			{3, "GET /{n=**}", "GET /a%2fb", `GET /{n=**} n="a%2fb"`},
			{3, "GET /{n=**}", "GET /%23%3a%2523", `GET /{n=**} n="#:%23"`},
			{3, "GET /{n=a/*}", "GET /a/x%2Fy%20z", `GET /{n=a/*} n="a/x%2Fy z"`},
		},
		"VariableCapturesLiterals": {
			{4, "GET /v1/{n=items/*}", "GET /v1/items/7", `GET /v1/{n=items/*} n="items/7"`},
			{4, "GET /v1/{n=items/*}", "GET /v1/%69tems/7", `GET /v1/{n=items/*} n="items/7"`},
			{4, "GET /v1/{n=items/*}", "GET /v1/other/7", "404"},
			{91, "PATCH /v1/{book.name=publishers/*/books/*}", "PATCH /v1/publishers/p/books/b",
				`PATCH /v1/{book.name=publishers/*/books/*} book.name="publishers/p/books/b"`},
			{4, "GET /{a}/x/{b=y/*}/{c}", "GET /1/x/y/2/3", `GET /{a}/x/{b=y/*}/{c} a="1" b="y/2" c="3"`},
		},
		"StarIsTheDefaultPattern": {
			{5, "GET /v1/{n=*}", "GET /v1/a%2Fb", `GET /v1/{n=*} n="a/b"`},
			{5, "GET /v1/{n=*}", "GET /v1/a/b", "404"},
		},
		"DeepMatchesZeroOrMore": {
			{6, "GET /v4/{n=**}", "GET /v4", `GET /v4/{n=**} n=""`},
			{6, "GET /v4/{n=**}", "GET /v4/a", `GET /v4/{n=**} n="a"`},
			{6, "GET /v4/{n=**}", "GET /v4/a/b/c", `GET /v4/{n=**} n="a/b/c"`},
			{6, "GET /v4/{n=**}", "GET /v5", "404"},
			{6, "GET /v4/{n=a/**}", "GET /v4/a", `GET /v4/{n=a/**} n="a"`},
			{6, "GET /{n=**}", "GET /", `GET /{n=**} n=""`},
		},
		"DeepMayHaveATail": {
			{7, "GET /{a=**}/x", "GET /1/2/x", `GET /{a=**}/x a="1/2"`},
			{7, "GET /{a=**}/x", "GET /x", `GET /{a=**}/x a=""`},
			{7, "GET /{a=**}/x", "GET /x/x", `GET /{a=**}/x a="x"`},
			{7, "GET /{a=**}/x", "GET /x/y", "404"},
			{7, "GET /{a=**}/x", "GET /a/x/", "404"},
			{7, "GET /{a=s/**/t}/{b}", "GET /s/1/2/t/3", `GET /{a=s/**/t}/{b} a="s/1/2/t" b="3"`},
			{7, "GET /**/{b}/{c=y/*}", "GET /1/2/y/3", `GET /**/{b}/{c=y/*} b="2" c="y/3"`},
			{7, "GET /{a=**}/x/y; GET /{a=**}/y", "GET /1/x/y", `GET /{a=**}/x/y a="1"`},
			{7, "GET /{a=**}/x/y; GET /{a=**}/y", "GET /x/1/y", `GET /{a=**}/y a="x/1"`},
			{7, "GET /{a=**}/x:run", "GET /1/2/x:run", `GET /{a=**}/x:run a="1/2"`},
		},
		"StarIsNeverEmpty": {
			{8, "GET /v2/{n}", "GET /v2/", "404"},
			{8, "GET /v2/{n}", "GET /v2", "404"},
			{8, "GET /v2/{n}/x", "GET /v2//x", "404"},
			{8, "POST /v2/{n}:run", "POST /v2/:run", "404"},
			{8, "GET /v2/{n}", "GET /v2/a", `GET /v2/{n} n="a"`},
		},
		"TrailingSlashIsStrict": {
			{9, "GET /v1/a", "GET /v1/a/", "404"},
			{9, "GET /v4/{n=**}", "GET /v4/", `GET /v4/{n=**} n=""`},
			{9, "GET /v4/{n=**}", "GET /v4/a/", `GET /v4/{n=**} n="a/"`},
			{9, "GET /v4/{n=a/**}", "GET /v4/a/", `GET /v4/{n=a/**} n="a/"`},
			{9, "GET /{m}/**", "GET /a/b/", `GET /{m}/** m="a"`},
			{9, "GET /v4/{n=**}; GET /v4/a", "GET /v4/a/", `GET /v4/{n=**} n="a/"`},
			{9, "GET /v4/{n=**}:run", "GET /v4/a/:run", `GET /v4/{n=**}:run n="a/"`},
			{9, "GET /v4/{n=**}:run", "GET /v4/a:run/", "404"},
		},
		"EmptySegmentsNeverCollapse": {
			{9, "GET /v4/{n=**}; GET /v4/a", "GET /v4//a", "404"},
			{9, "GET /v4/{n=**}; GET /v4/a", "GET //v4/a", "404"},
			{9, "GET /v4/{n=**}", "GET /v4/a//", "404"},
			{9, "GET /v4/{n=**}", "GET /v4//", "404"},
			{9, "GET /{n=**}", "GET //", "404"},
			{9, "GET /{n=**}:run", "GET //:run", "404"},
		},
		"RootIsATemplate": {
			{9, "GET /", "GET /", "GET /"},
			{9, "GET /", "GET /a", "404"},
			{9, "GET /; GET /{n=**}", "GET /", "GET /"},
		},
		"VerbOnlyWhenRegistered": {
			{10, "GET /v2/{n}", "GET /v2/urn:isbn:1", `GET /v2/{n} n="urn:isbn:1"`},
			{10, "GET /v2/{n}; POST /v2/{n}:run", "POST /v2/a:b:run", `POST /v2/{n}:run n="a:b"`},
			{10, "POST /v2/{n}; POST /v2/{n}:run", "POST /v2/a%3Arun", `POST /v2/{n} n="a:run"`},
			{10, "POST /v2/{n}; POST /v2/{n}:run", "POST /v2/a:run%3Ab", `POST /v2/{n} n="a:run:b"`},
			{10, "POST /v2/{n}; POST /v3/{n}:run", "POST /v2/a:run", `POST /v2/{n} n="a:run"`},
			{10, "POST /v2/{n}:run", "POST /v2/a:b", "404"},
			{10, "POST /v2/{n}:run", "POST /v2/a", "404"},
			{10, "POST /v2/{n}:run", "POST /v2/a:run/b", "404"},
			{10, "GET /v2/{n}", "GET /v2/a:", `GET /v2/{n} n="a:"`},
			{10, "GET /v2/{n}/b", "GET /v2/a:run/b", `GET /v2/{n}/b n="a:run"`},
			{10, "POST /v2/{n}:run", "POST /v2/a:%72un", `POST /v2/{n}:run n="a"`},
			{10, "GET /v2/{n=a:b}", "GET /v2/a:b", `GET /v2/{n=a:b} n="a:b"`},
			{10, "GET /v2/a:b:c", "GET /v2/a:b:c", "GET /v2/a:b:c"},
		},
		"VerbBacktracksToDataForTheMethod": {
			{10, "POST /v2/{n}:run; GET /v2/{n}", "GET /v2/a:run", `GET /v2/{n} n="a:run"`},
			{10, "POST /v2/{n}:run; GET /v2/{n}", "POST /v2/a:run", `POST /v2/{n}:run n="a"`},
		},
		"VerbBeatsNoVerb": {
			{13, "POST /v4/{n=**}:run; POST /v4/{n}", "POST /v4/a:run", `POST /v4/{n=**}:run n="a"`},
			{13, "POST /v4/{n}:run; POST /v4/{n=a:run}", "POST /v4/a:run", `POST /v4/{n}:run n="a"`},
		},
		"VerbAfterDeep": {
			{11, "POST /v4/{n=**}:run", "POST /v4/a:b:run", `POST /v4/{n=**}:run n="a:b"`},
			{11, "POST /v4/{n=**}:run", "POST /v4/a/b:run", `POST /v4/{n=**}:run n="a/b"`},
			{11, "POST /v4/{n=**}:run", "POST /v4:run", `POST /v4/{n=**}:run n=""`},
			{11, "POST /v4/{n=**}:run", "POST /v4/:run", `POST /v4/{n=**}:run n=""`},
			{11, "POST /{n=**}:run", "POST /:run", `POST /{n=**}:run n=""`},
			{11, "POST /v4/{n=**}:run", "POST /v4/a", "404"},
		},
		"VerbOnCollectionAndItemAreDistinct": {
			{12, "GET /people:verb; GET /people/x:verb", "GET /people:verb", "GET /people:verb"},
			{12, "GET /people:verb; GET /people/x:verb", "GET /people/x:verb", "GET /people/x:verb"},
			{12, "GET /people:verb; GET /people/x:verb", "GET /people/verb", "404"},
		},
		"LiteralBeatsVariable": {
			{13, "GET /v1/{n}; GET /v1/a", "GET /v1/a", "GET /v1/a"},
			{13, "GET /v1/{n}; GET /v1/a", "GET /v1/b", `GET /v1/{n} n="b"`},
			{13, "GET /{n=items/*}; GET /{a}/{b}", "GET /items/1", `GET /{n=items/*} n="items/1"`},
			{13, "GET /{n=items/*}; GET /items/new", "GET /items/new", "GET /items/new"},
		},
		"FirstDifferenceDecides": {
			{13, "GET /a/{x}/{y}; GET /{x}/b/c", "GET /a/b/c", `GET /a/{x}/{y} x="b" y="c"`},
			{13, "GET /a/{x=**}; GET /{x}/b/c", "GET /a/b/c", `GET /a/{x=**} x="b/c"`},
			{13, "GET /{x=**}/c; GET /{x}/{y}/{z}", "GET /a/b/c", `GET /{x}/{y}/{z} x="a" y="b" z="c"`},
		},
		"StarBeatsDeep": {
			{13, "GET /{n=**}; GET /{n}", "GET /a", `GET /{n} n="a"`},
			{13, "GET /{n=**}; GET /{n}", "GET /a/b", `GET /{n=**} n="a/b"`},
			{13, "GET /a/{n=**}; GET /a", "GET /a", "GET /a"},
		},
		"BacktracksOverPath": {
			{13, "GET /a/b/c; GET /{x}/b/d", "GET /a/b/d", `GET /{x}/b/d x="a"`},
			{13, "GET /a/{x}/c; GET /a/{x=**}", "GET /a/b/d", `GET /a/{x=**} x="b/d"`},
			{13, "GET /a/b/c/d; GET /a/{x}/c/e; GET /{y=**}", "GET /a/b/c/f", `GET /{y=**} y="a/b/c/f"`},
		},
		"BacktracksOverMethod": {
			{13, "POST /v1/a; GET /v1/{n}", "GET /v1/a", `GET /v1/{n} n="a"`},
			{13, "POST /v1/a/b; PUT /v1/{n}/b; GET /{n=**}", "GET /v1/a/b", `GET /{n=**} n="v1/a/b"`},
		},
		"AllowIsTheUnion": {
			{13, "POST /v1/a; GET /v1/{n}; DELETE /{n=**}", "PUT /v1/a", "405 DELETE GET HEAD OPTIONS POST"},
			{13, "POST /v1/a; GET /v1/{n}; DELETE /{n=**}", "PUT /v1/b", "405 DELETE GET HEAD OPTIONS"},
			{13, "POST /v1/a; GET /v1/{n}; DELETE /{n=**}", "PUT /x/b/c", "405 DELETE OPTIONS"},
			{13, "POST /v2/{n}:run; GET /v2/{n}", "PUT /v2/a:run", "405 GET HEAD OPTIONS POST"},
			{13, "POST /v1/a", "get /v1/a", "405 OPTIONS POST"},
			{13, "POST /v1/a", "GET /v1/b", "404"},
		},
		"TypesDoNotMatter": {
			{97, "GET /v1/{id}; GET /{n=**}", "GET /v1/9223372036854775808", `GET /v1/{id} id="9223372036854775808"`},
			{97, "GET /v1/{id}; GET /{n=**}", "GET /v1/x/y", `GET /{n=**} n="v1/x/y"`},
		},
		"AnyMethodComesLast": {
			{17, "* /v1/a; GET /v1/a", "GET /v1/a", "GET /v1/a"},
			{17, "* /v1/a; GET /v1/a", "PUT /v1/a", "* /v1/a"},
			{17, "* /v1/a; GET /v1/a", "LINK /v1/a", "* /v1/a"},
			{17, "* /v1/a; GET /v1/{n}", "GET /v1/a", "* /v1/a"},
			{17, "* /v1/a; GET /v1/a", "* /v1/a", "* /v1/a"},
			{17, "LINK /v1/a", "LINK /v1/a", "LINK /v1/a"},
			{17, "LINK /v1/a", "GET /v1/a", "405 LINK OPTIONS"},
		},
		"LiteralsCompareNormalised": {
			{18, "GET /v1/~me", "GET /v1/%7Eme", "GET /v1/~me"},
			{18, "GET /v1/%7eme", "GET /v1/~me", "GET /v1/%7eme"},
			{18, "GET /v1/%c3%a9", "GET /v1/%C3%A9", "GET /v1/%c3%a9"},
			{18, "GET /v1/é", "GET /v1/%c3%a9", "GET /v1/é"},
			{18, "GET /v1/a%2fb", "GET /v1/a%2Fb", "GET /v1/a%2fb"},
			{18, "GET /v1/a@b", "GET /v1/a%40b", "404"},
			{18, "GET /v1/a@b", "GET /v1/a@b", "GET /v1/a@b"},
			{18, "GET /v1/%2A; GET /v1/b", "GET /v1/c", "404"},
		},
		"DotSegmentsAreMalformed": {
			{20, "GET /{n=**}", "GET /a/../b", "400 fault 5 at 3"},
			{20, "GET /{n=**}", "GET /./b", "400 fault 5 at 1"},
			{20, "GET /{n=**}", "GET /a/%2e%2E", "400 fault 5 at 3"},
			{20, "GET /{n=**}", "GET /a/.%2e/", "400 fault 5 at 3"},
			{20, "GET /{n=**}", "GET /a//..", "400 fault 5 at 4"},
			{20, "GET /{n=**}:run", "GET /a/..:run", "400 fault 5 at 3"},
			{20, "GET /{n=**}:run", "GET /a/%2e:run", "400 fault 5 at 3"},
			{20, "GET /{n=**}", "GET /a/...", `GET /{n=**} n="a/..."`},
			{20, "GET /{n=**}", "GET /a/..b", `GET /{n=**} n="a/..b"`},
			{20, "GET /{n=**}", "GET /a/..;/b", `GET /{n=**} n="a/..;/b"`},
			{20, "GET /{n=**}", "GET /a/%2e%2e%2e", `GET /{n=**} n="a/..."`},
		},
		"TextMustBeCleanUTF8": {
			{20, "GET /{n=**}", "GET /a%00b", "400 fault 3 at 2"},
			{20, "GET /{n=**}", "GET /a\x00b", "400 fault 3 at 2"},
			{20, "GET /{n=**}", "GET /%ff", "400 fault 4 at 1"},
			{20, "GET /{n=**}", "GET /%c0%af", "400 fault 4 at 1"},
			{20, "GET /{n=**}", "GET /a\xffb", "400 fault 4 at 2"},
			{20, "GET /{n=**}", "GET /%e2%82/%ac", "400 fault 4 at 1"},
			{20, "GET /{n=**}", "GET /a%e2%82", "400 fault 4 at 2"},
			{20, "GET /{n=**}", "GET /%ed%a0%80", "400 fault 4 at 1"},
			{20, "GET /{n=**}", "GET /%EF%BF%BD", `GET /{n=**} n="�"`},
			{20, "GET /{n=**}", "GET /\xe2%82%AC", `GET /{n=**} n="€"`},
			{20, "GET /x", "GET /unknown/%ff", "400 fault 4 at 9"},
		},
		"BadEscapesAreMalformed": {
			{21, "GET /{n}", "GET /%zz", "400 fault 2 at 1"},
			{21, "GET /{n}", "GET /a%2", "400 fault 2 at 2"},
			{21, "GET /{n}", "GET /a%", "400 fault 2 at 2"},
			{21, "GET /{n}", "GET /%2g", "400 fault 2 at 1"},
			{21, "POST /{n}", "GET /unknown/%zz", "400 fault 2 at 9"},
			{21, "GET /{n}", "GET /%2F", `GET /{n} n="/"`},
		},
		"PathStartsWithSlash": {
			{20, "GET /{n=**}", "OPTIONS *", "400 fault 1 at 0"},
			{20, "GET /{n=**}", "GET ", "400 fault 1 at 0"},
			{20, "GET /{n=**}", "GET a/b", "400 fault 1 at 0"},
		},
		"HeadIsServedByGet": {
			{87, "GET /v1/a", "HEAD /v1/a", "GET /v1/a"},
			{87, "GET /v1/a; HEAD /v1/a", "HEAD /v1/a", "HEAD /v1/a"},
			{87, "GET /v1/a; * /v1/a", "HEAD /v1/a", "GET /v1/a"},
			{87, "* /v1/a", "HEAD /v1/a", "* /v1/a"},
			{87, "GET /v1/a; HEAD /v1/{n}", "HEAD /v1/a", "GET /v1/a"},
			{87, "POST /v1/a", "HEAD /v1/a", "405 OPTIONS POST"},
			{87, "GET /v1/a", "OPTIONS /v1/a", "405 GET HEAD OPTIONS"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range cases {
				c.run(t, route.Options{}, route.KeepSlash)
			}
		})
	}
}

func TestRouterStripsTrailingSlash(t *testing.T) {
	for _, c := range []matchCase{
		{9, "GET /v1/a", "GET /v1/a/", "GET /v1/a"},
		{9, "GET /v1/{n}", "GET /v1/a/", `GET /v1/{n} n="a"`},
		{9, "GET /v1/{n=a/*}", "GET /v1/a/b/", `GET /v1/{n=a/*} n="a/b"`},
		{9, "GET /v1/{n}", "GET /v1/", "404"},
		{9, "GET /v1/a", "GET /v1/a//", "404"},
		{9, "GET /v4/{n=**}", "GET /v4/a/", `GET /v4/{n=**} n="a/"`},
		{9, "GET /v4/{n=**}; GET /v4/a", "GET /v4/a/", "GET /v4/a"},
		{9, "GET /{n=**}/x", "GET /a/x/", `GET /{n=**}/x n="a"`},
		{9, "POST /v1/{n}:run", "POST /v1/a:run/", `POST /v1/{n}:run n="a"`},
		{9, "POST /v4/{n=**}:run", "POST /v4/a:run/", `POST /v4/{n=**}:run n="a"`},
		{9, "POST /v1/{n}:run", "POST /v1/a/:run", "404"},
		{9, "GET /", "GET /", "GET /"},
		{9, "GET /", "GET //", "404"},
	} {
		c.run(t, route.Options{TrailingSlash: route.Strip}, route.KeepSlash)
	}
}

func TestRouterDecodeModes(t *testing.T) {
	const path = "GET /a%2Fb%2f/c%20d%23%3a%7e%2523"
	for mode, want := range map[route.Decode]string{
		route.KeepSlash:    "a%2Fb%2f/c d#:~%23",
		route.KeepReserved: "a%2Fb%2f/c d%23%3a~%23",
		route.All:          "a/b//c d#:~%23",
	} {
		matchCase{3, "GET /{n=**}", path, fmt.Sprintf("GET /{n=**} n=%q", want)}.run(t, route.Options{}, mode)
	}
	// The mode is for several segments only.
	matchCase{2, "GET /{n}", "GET /a%2Fb%23", `GET /{n} n="a/b#"`}.run(t, route.Options{}, route.KeepReserved)
}

func TestRouterAllowed(t *testing.T) {
	r := build(t, route.Options{}, route.KeepSlash, "GET /a", "* /b", "LINK /b", "POST /{n}:run")
	for path, want := range map[string][]string{
		"/a":     {"GET", "HEAD", "OPTIONS"},
		"/b":     {"DELETE", "GET", "HEAD", "LINK", "OPTIONS", "PATCH", "POST", "PUT"},
		"/x:run": {"OPTIONS", "POST"},
		"/x":     nil,
		"/%zz":   nil,
		"":       nil,
	} {
		if got := r.Allowed(path); !slices.Equal(got, want) {
			t.Errorf("rule 87: Allowed(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestRouterReusesBinding(t *testing.T) {
	r := build(t, route.Options{}, route.KeepSlash, "GET /{a}/{b}", "GET /{a}")
	var b route.Binding[string]
	for _, c := range []struct {
		path   string
		values []string
		found  bool
	}{
		{"/1/2", []string{"1", "2"}, true},
		{"/3", []string{"3"}, true},
		{"/4/5/6", nil, false},
		{"/%zz", nil, false},
		{"/7/8", []string{"7", "8"}, true},
	} {
		err := r.Match("GET", c.path, &b)
		if (err == nil) != c.found || (b.Rule != nil) != c.found || !slices.Equal(b.Values, c.values) {
			t.Errorf("%s: %v, rule %v, values %q", c.path, err, b.Rule, b.Values)
		}
	}
}

func TestPathErrorSaysWhatToChange(t *testing.T) {
	r := build(t, route.Options{}, route.KeepSlash, "GET /{n=**}")
	for path, want := range map[string]string{
		"":              `must start with "/"`,
		"/secret%zz":    "percent sign as %25",
		"/secret%00":    "NUL",
		"/secret%ff":    "UTF-8",
		"/secret/%2e./": `"." and ".."`,
	} {
		err := r.Match("GET", path, &route.Binding[string]{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want %s and nothing of the path", path, err, want)
		}
	}
}
