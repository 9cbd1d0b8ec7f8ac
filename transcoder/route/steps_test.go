package route

import (
	"fmt"
	"strings"
	"testing"
)

func table(t testing.TB, templates ...string) *Router[int] {
	t.Helper()
	var rules []Rule[int]
	for i, text := range templates {
		template, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, Rule[int]{Method: "GET", Template: template, Owner: text, Value: i})
	}
	r, err := Build(rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// steps counts the nodes that a match for method visits, both readings together.
func steps(r *Router[int], method, path string) int {
	q := query{method: method}
	r.run(&q, path, &Binding[int]{})
	return q.steps
}

// A table in which literals, * and ** overlap as much as Build lets them, and
// paths that fit everything but the last segment.
func TestSearchIsBounded(t *testing.T) {
	var templates []string
	for bits := range 1 << 5 {
		head := ""
		for level := range 5 {
			head += []string{"/a", "/*"}[bits>>level&1]
			// Every prefix is met many times; ** must still be tried once there.
			templates = append(templates, head+"/**/"+fmt.Sprintf("%d-%d", bits, level))
		}
		templates = append(templates, head+"/**/a/*/a/z", head+"/**/*/a/*/z", head+"/**/*/*/*/z", head+"/**/*/a/*/z:a")
	}
	r := table(t, templates...)
	bound := r.verbs[""].cost + r.verbs["a"].cost
	most := 0
	for _, n := range []int{1, 2, 3, 5, 8, 9, 10, 20, 100, 4000} {
		for _, end := range []string{"/b", "/a", "/z:b", ":a", "/z:a", "/"} {
			most = max(most, steps(r, "PUT", strings.Repeat("/a", n)+end))
		}
	}
	t.Logf("%d templates: at most %d steps, bound %d", len(templates), most, bound)
	if most > bound {
		t.Errorf("%d steps, but the bound is %d", most, bound)
	}
	if most < bound/4 {
		t.Errorf("%d steps at most: these paths are no test of the bound %d", most, bound)
	}
}

// The length of a path adds no steps once it is longer than the templates.
func TestSearchDoesNotGrowWithThePath(t *testing.T) {
	r := table(t, "/{a=**}/x/*/y", "/a/{b=**}/x/*/y", "/*/{c=**}/x/*/y", "/a/a/{d=**}/*/*/z")
	short := steps(r, "GET", strings.Repeat("/a", 10))
	if long := steps(r, "GET", strings.Repeat("/a", 4000)); long != short {
		t.Errorf("%d steps for 10 segments, %d for 4000", short, long)
	}
}

func TestSearchDoesNotGrowWithTheTable(t *testing.T) {
	few, many := table(t, apis(10)...), table(t, apis(10_000)...)
	for _, path := range paths(10) {
		if a, b := steps(few, "GET", path), steps(many, "GET", path); a != b || a == 0 {
			t.Errorf("%s: %d steps with 10 rules, %d with 10000", path, a, b)
		}
	}
}

// apis returns n templates in the manner of resource-oriented APIs, five to a
// resource.
func apis(n int) []string {
	var templates []string
	for i := 0; len(templates) < n; i++ {
		base := fmt.Sprintf("/v1/{name=projects/*/kind%ds/*}", i)
		templates = append(templates, base,
			fmt.Sprintf("/v1/{parent=projects/*}/kind%ds", i),
			fmt.Sprintf("/v%d/items/{id}/parts/{part}", i),
			fmt.Sprintf("/files%d/{path=**}", i),
			base+":archive")
	}
	return templates[:n]
}

// paths returns requests for the templates of apis(n), in the same order.
func paths(n int) []string {
	var paths []string
	for rule := range n {
		paths = append(paths, request(rule, rule/5))
	}
	return paths
}

// request returns a path for one of the templates of apis.
func request(rule, id int) string {
	i := rule / 5
	base := fmt.Sprintf("/v1/projects/p-%d/kind%ds/the-%d", id, i, id)
	return []string{
		base,
		fmt.Sprintf("/v1/projects/p-%d/kind%ds", id, i),
		fmt.Sprintf("/v%d/items/i%d/parts/p%d", i, id, id),
		fmt.Sprintf("/files%d/a/b/c.txt", i),
		base + ":archive",
	}[rule%5]
}

func TestMatchDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	r := table(t, append(apis(100), "/deep/{a=**}", "/{a}/{b}/{c}/{d}")...)
	b := &Binding[int]{Values: make([]string, 0, 4)}
	allocs := func(path string) float64 {
		return testing.AllocsPerRun(10, func() {
			if err := r.Match("GET", path, b); err != nil {
				t.Fatal(path, err)
			}
		})
	}
	for _, path := range append(paths(100), "/w/x/y/z", "/w/x:y/y/z:y", "/deep"+strings.Repeat("/a", 15)) {
		if n := allocs(path); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
	if n := allocs("/w/x/y/%20"); n == 0 {
		t.Error("a value that is decoded costs nothing: this test measures nothing")
	}
}

// BenchmarkRouter sends a request for each rule in turn, so that with many rules
// nearly all of the table, and the requests as well, come from far caches.
func BenchmarkRouter(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { match(b, n, paths(n)) })
	}
}

// BenchmarkRouterSpread sends as many requests to small tables as to large ones,
// spread over the rules: what differs is the table alone.
func BenchmarkRouterSpread(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		var requests []string
		for id := range 1000 {
			requests = append(requests, request(id*7919%n, id)) // a prime, so that all kinds of rules come
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { match(b, n, requests) })
	}
}

func match(b *testing.B, rules int, requests []string) {
	r := table(b, apis(rules)...)
	binding := &Binding[int]{}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		// A stride that visits all, in no order that caches like.
		if err := r.Match("GET", requests[i], binding); err != nil {
			b.Fatal(requests[i], err)
		}
		if i += 7; i >= len(requests) {
			i -= len(requests)
		}
	}
}

func BenchmarkRouterRefuses(b *testing.B) {
	r := table(b, apis(1000)...)
	for name, path := range map[string]string{
		"NotFound":  "/v1/projects/p/unknown/x",
		"Malformed": "/v1/projects/p/%zz",
		"Method":    "/v1/projects/p/kind0s",
	} {
		b.Run(name, func(b *testing.B) {
			binding := &Binding[int]{}
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Match("PUT", path, binding); err == nil {
					b.Fatal("matched")
				}
			}
		})
	}
}
