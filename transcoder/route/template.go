package route

import (
	"slices"
	"strings"
)

const (
	// segmentsMax bounds the segments of a template, and with it the depth of
	// the search. The deepest public Google API has 16.
	segmentsMax = 64
	// templateMax bounds the bytes of a template; paths that are longer are
	// refused by most clients and servers anyway.
	templateMax = 4096
)

// Template is one parsed path template. It is immutable and safe for concurrent
// use; Vars must not be changed.
type Template struct {
	Vars []Var  // in the order in which they are written
	Verb string // without its colon, in normal spelling; "" for none

	text     string
	segments []string // literals in normal spelling, "*", "**"
	deep     int      // the index of ** in segments, or -1
}

// Var is one variable of a template.
type Var struct {
	FieldPath string // "book.name"
	// Multi is true when the variable stands for more than one segment, such as
	// {name=books/*} or {name=**}: escaped slashes then stay as the client
	// wrote them (see Decode).
	Multi bool

	from, to int // the segments of the template that it covers: [from, to)
}

// String returns the template as it was written.
func (t *Template) String() string { return t.text }

// Shape returns what the template matches: its segments and verb in normal
// spelling, with variables replaced by what they stand for. Two templates have
// the same shape exactly when they match the same paths, so {a}, {b=*} and * do.
// A shape is itself a template of that shape: a last literal with a colon is
// written {_=a:b}, because a:b ends in a verb.
func (t *Template) Shape() string {
	if t.Verb != "" {
		return "/" + strings.Join(t.segments, "/") + ":" + t.Verb
	}
	last := len(t.segments) - 1
	if last < 0 || !strings.Contains(t.segments[last], ":") {
		return "/" + strings.Join(t.segments, "/")
	}
	return strings.Join(append([]string{""}, t.segments[:last]...), "/") + "/{_=" + t.segments[last] + "}"
}

// endsDeep reports whether ** is the last segment; such a template takes a
// trailing slash.
func (t *Template) endsDeep() bool { return t.deep >= 0 && t.deep == len(t.segments)-1 }

// WithEmpty returns a value of a variable with an empty segment in the place of a ** that stands for no segment, which the value does not
// show: that of {name=files/**} is files/ then, as grpc-gateway has it.
func (t *Template) WithEmpty(v Var, value string) string {
	if t.deep < v.from || t.deep >= v.to || v.to-v.from == 1 || strings.Count(value, "/")+2 != v.to-v.from {
		return value
	}
	return strings.Join(slices.Insert(strings.Split(value, "/"), t.deep-v.from, ""), "/")
}

// span is where the segments of a variable are in any path that the template
// matches: [from, to), counted from the path's end where they follow **, and so
// below zero, or zero for to.
type span struct {
	from, to int8 // segmentsMax fits
	multi    bool
	open     bool // it is a ** at the end, which takes a trailing slash
}

func (t *Template) span(v Var) span {
	s := span{from: int8(v.from), to: int8(v.to), multi: v.Multi}
	if t.deep < 0 {
		return s
	}
	if v.from > t.deep {
		s.from = int8(v.from - len(t.segments))
	}
	if v.to > t.deep {
		s.to = int8(v.to - len(t.segments))
	}
	s.open = s.to == 0 && t.endsDeep()
	return s
}

// in returns the place of the variable among n segments of a path.
func (s span) in(n int) (from, to int) {
	from, to = int(s.from), int(s.to)
	if from < 0 {
		from += n
	}
	if to <= 0 {
		to += n
	}
	return from, to
}
