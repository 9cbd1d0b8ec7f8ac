package openapi

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// longerMax bounds how much longer a path with ** is made so that it does not meet another: templates that collide differ in *
// and **, and none has more segments than this.
const longerMax = 64

// otherMethods is the extension for operations of HTTP methods for which OpenAPI 3.1 has no place in a path item. Its form
// is that of additionalOperations in OpenAPI 3.2.
const otherMethods = "x-gatehouse-operations"

// methods are those that a path item has a place for.
var methods = []string{"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"}

// anyMethods are told of a route that takes any.
var anyMethods = []string{"GET", "PUT", "POST", "DELETE", "PATCH"}

// place is one path of the document.
type place struct {
	path apiPath
	item *object
	// taken are the HTTP methods that have an operation.
	taken map[string]bool
}

// paths lays the faces out. Those with one HTTP method go before those that take any, and those without ** before those
// with it, as routes do, so that the latter get what is left.
func (d *document) paths(faces []numbered) *object {
	order := slices.Clone(faces)
	slices.SortStableFunc(order, func(a, b numbered) int {
		return cmp.Or(rank(a.Verb == route.Any)-rank(b.Verb == route.Any), pathOf(a.Template).deep()-pathOf(b.Template).deep())
	})
	places := map[string]*place{}
	var shapes []string
	for _, f := range order {
		p := d.placeOf(pathOf(f.Template), f.Verb, places)
		if p == nil {
			continue
		}
		if !slices.Contains(shapes, p.path.shape()) {
			shapes = append(shapes, p.path.shape())
		}
		d.addTo(p, f)
	}
	slices.Sort(shapes)
	paths := newObject()
	for _, shape := range shapes {
		paths.set(places[shape].path.String(), places[shape].item)
	}
	return paths
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}

// placeOf finds the path for an operation, a longer one if its HTTP method is taken there.
func (d *document) placeOf(path apiPath, verb string, places map[string]*place) *place {
	for range longerMax {
		p := places[path.shape()]
		if p == nil {
			p = &place{path, newObject(), map[string]bool{}}
			places[path.shape()] = p
			return p
		}
		if !p.taken[verb] && (verb != route.Any || slices.ContainsFunc(anyMethods, func(m string) bool { return !p.taken[m] })) {
			return &place{path.renamed(p.path), p.item, p.taken}
		}
		if path.deep() < 0 {
			return nil // no route gets there: another takes every method that this one would
		}
		path = path.longer()
	}
	return nil
}

// addTo writes the operations of a face.
func (d *document) addTo(p *place, f numbered) {
	if f.Verb != route.Any {
		p.taken[f.Verb] = true
		p.put(f.Verb, d.operation(p.path, f, f.Verb))
		return
	}
	p.taken[route.Any] = true
	for _, verb := range anyMethods {
		if !p.taken[verb] {
			p.taken[verb] = true
			p.put(verb, d.operation(p.path, f, verb))
		}
	}
}

func (p *place) put(verb string, operation *object) {
	if slices.Contains(methods, verb) && verb == strings.ToUpper(verb) && verb != http.MethodConnect {
		p.item.set(strings.ToLower(verb), operation)
		return
	}
	others, _ := p.item.get(otherMethods).(*object)
	if others == nil {
		others = newObject()
		p.item.set(otherMethods, others)
	}
	others.set(verb, operation)
}
