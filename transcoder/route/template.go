package route

import "strings"

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

// span returns which of n segments of a path the variable covers. The path must
// match the template.
func (t *Template) span(v Var, n int) (from, to int) {
	from, to = v.from, v.to
	if t.deep < 0 {
		return from, to
	}
	grown := n - len(t.segments) // ** took 1+grown segments
	if from > t.deep {
		from += grown
	}
	if to > t.deep {
		to += grown
	}
	return from, to
}
