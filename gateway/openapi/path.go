package openapi

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// A template becomes an OpenAPI path with one parameter for each of its wildcards, so that paths which differ in their
// literals stay apart: /v1/{name=shelves/*/books/*} is /v1/shelves/{shelvesId}/books/{booksId}, as in the flat paths of
// Google's discovery documents. A ** is one parameter whose value may hold slashes.

// pathPart is a literal or, with a name, a wildcard.
type pathPart struct {
	literal string
	name    string
	field   string // of the request that the wildcard is a part of; "" for one outside of variables
	whole   string // the variable's pattern, if the wildcard is only a part of it: "shelves/*/books/*"
	deep    bool
}

// apiPath is a template as OpenAPI has it.
type apiPath struct {
	parts []pathPart
	verb  string
}

var variable = regexp.MustCompile(`\{([^=}]+)(?:=([^}]*))?\}`)

// pathOf splits a template, which is valid, into its parts.
func pathOf(t *route.Template) apiPath {
	p := apiPath{verb: t.Verb}
	text := strings.TrimPrefix(t.String(), "/")
	if t.Verb != "" {
		text = text[:strings.LastIndexByte(text, ':')]
	}
	for text != "" {
		if at := variable.FindStringSubmatchIndex(text); at != nil && at[0] == 0 {
			field, pattern := text[at[2]:at[3]], "*"
			if at[4] >= 0 {
				pattern = text[at[4]:at[5]]
			}
			p.add(pattern, field)
			text = strings.TrimPrefix(text[at[1]:], "/")
			continue
		}
		segment, rest, _ := strings.Cut(text, "/")
		p.add(segment, "")
		text = rest
	}
	p.name()
	return p
}

// add appends segments, which belong to a variable unless field is "".
func (p *apiPath) add(pattern, field string) {
	segments := strings.Split(pattern, "/")
	for _, s := range segments {
		part := pathPart{literal: s}
		if s == "*" || s == "**" {
			part = pathPart{name: "?", field: field, deep: s == "**"}
			if len(segments) > 1 {
				part.whole = pattern
			}
		}
		p.parts = append(p.parts, part)
	}
}

// name gives each wildcard a name: its variable's where it is all of that, else that of the literal before it.
func (p *apiPath) name() {
	taken := map[string]bool{}
	for i := range p.parts {
		part := &p.parts[i]
		if part.name == "" {
			continue
		}
		name := part.field
		if part.field == "" || part.whole != "" {
			name = cmp.Or(part.field, "segment")
			if i > 0 && p.parts[i-1].name == "" {
				name = plain(p.parts[i-1].literal) + "Id"
			}
		}
		part.name = unique(name, taken)
	}
}

// plain keeps of a literal what can stand in a parameter's name anywhere.
func plain(literal string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return -1
	}, literal)
	return cmp.Or(name, "segment")
}

// unique returns the name, with a number where it is taken, and takes it.
func unique(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s%d", name, n)
	}
	taken[free] = true
	return free
}

// shape is what OpenAPI tells paths apart by: the names of parameters do not count.
func (p apiPath) shape() string {
	return p.write(func(pathPart) string { return "{}" })
}

// String returns the path as a key of the document.
func (p apiPath) String() string {
	return p.write(func(part pathPart) string { return "{" + part.name + "}" })
}

func (p apiPath) write(parameter func(pathPart) string) string {
	var b strings.Builder
	for _, part := range p.parts {
		b.WriteByte('/')
		if part.name != "" {
			b.WriteString(parameter(part))
		} else {
			b.WriteString(part.literal)
		}
	}
	if len(p.parts) == 0 {
		b.WriteByte('/')
	}
	if p.verb != "" {
		b.WriteString(":" + p.verb)
	}
	return b.String()
}

// deep returns where the ** is, or -1.
func (p apiPath) deep() int {
	return slices.IndexFunc(p.parts, func(part pathPart) bool { return part.deep })
}

// longer returns the path for one segment more in its **. Of two templates that differ in * and ** only the first gets the
// paths that both match, so the paths that are left to the second are longer.
func (p apiPath) longer() apiPath {
	at := p.deep()
	one := p.parts[at]
	one.deep = false
	one.name = p.free(one.name + "Part")
	if one.whole == "" {
		one.whole = "**"
	}
	return apiPath{parts: slices.Insert(slices.Clone(p.parts), at, one), verb: p.verb}
}

func (p apiPath) free(name string) string {
	taken := map[string]bool{}
	for _, part := range p.parts {
		taken[part.name] = true
	}
	return unique(name, taken)
}

// renamed returns the path with the parameter names of another of the same shape.
func (p apiPath) renamed(as apiPath) apiPath {
	parts := slices.Clone(p.parts)
	for i := range parts {
		parts[i].name = as.parts[i].name
	}
	return apiPath{parts: parts, verb: p.verb}
}
