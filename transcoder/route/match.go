package route

import (
	"cmp"
	"slices"
	"strings"
)

// Binding is the outcome of a match. Its owner reuses it from call to call: Match
// overwrites it, and Values keeps its room. It must not be used by two calls at
// once.
type Binding[T any] struct {
	Rule *Rule[T] // belongs to the router; nil when nothing matched
	// Values are the decoded variables in the order of Rule.Template.Vars. They
	// may share memory with the path.
	Values []string
}

// Match finds the rule for a request and puts it into b. The path is the
// request's, still escaped, without its query; the caller bounds its length.
//
// A malformed path is a *PathError. Otherwise every template that matches the
// path is considered, and of those that serve the method the best is taken:
//
//  1. A template with a verb goes before one without: text after the last colon
//     of the last segment is a verb if a template with that verb matches the
//     rest, and data otherwise. %3A never starts a verb.
//  2. Templates are compared segment by segment from the left: a literal goes
//     before *, and * before **. Braces do not matter: {name=items/*} counts as
//     items/*. Where a template ends, it goes before one that goes on with an
//     empty **.
//  3. On one shape an exact method goes before GET serving HEAD, and both go
//     before Any.
//
// When templates match but none serves the method, the error is a
// *MethodNotAllowedError; when none matches, ErrNotFound. Values that need no
// decoding cost no allocation in paths of up to 16 segments.
func (r *Router[T]) Match(method, escapedPath string, b *Binding[T]) error {
	b.Rule, b.Values = nil, b.Values[:0]
	if err := checkPath(escapedPath); err != nil {
		return err
	}
	if r.run(&query{method: method}, escapedPath, b); b.Rule != nil {
		return nil
	}
	if allow := r.allowed(escapedPath); allow != nil {
		return &MethodNotAllowedError{Method: method, Allow: allow}
	}
	return ErrNotFound
}

// Allowed returns the methods that the templates matching the path serve,
// sorted: HEAD wherever there is GET, always OPTIONS, and the usual ones where a
// rule serves any. It is nil when the path is malformed or nothing matches.
func (r *Router[T]) Allowed(escapedPath string) []string {
	if checkPath(escapedPath) != nil {
		return nil
	}
	return r.allowed(escapedPath)
}

func (r *Router[T]) allowed(path string) []string {
	allow := map[string]bool{}
	r.run(&query{allow: allow}, path, &Binding[T]{})
	if len(allow) == 0 {
		return nil
	}
	allow["OPTIONS"] = true
	if allow["GET"] {
		allow["HEAD"] = true
	}
	if allow[Any] {
		delete(allow, Any)
		for _, m := range []string{"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"} {
			allow[m] = true
		}
	}
	methods := make([]string, 0, len(allow))
	for m := range allow {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return methods
}

// query is what a path is searched for.
type query struct {
	method string
	allow  map[string]bool // when set, collect the methods of all matches and match nothing
	steps  int             // nodes visited, for tests
}

// run reads the path with its verb, if some template has that verb, and then
// without, and binds the first match.
func (r *Router[T]) run(q *query, path string, b *Binding[T]) {
	var room [16]segment // on the stack: a longer path costs one allocation or more
	verbed := path
	if r.strip {
		verbed = strings.TrimSuffix(path, "/")
	}
	if colon := strings.LastIndexByte(verbed, ':'); colon > strings.LastIndexByte(verbed, '/') {
		if verb := normal(verbed[colon+1:]); verb != "" {
			if root, ok := r.verbs[verb]; ok && r.read(root, q, verbed[:colon], room[:0], false, b) {
				return
			}
		}
	}
	r.read(r.verbs[""], q, path, room[:0], r.strip, b)
}

// segment is one segment of a path: where it is, and its normal spelling.
type segment struct {
	start, end int
	key        string
}

// read searches a trie for one reading of the path, and binds what it finds.
func (r *Router[T]) read(root root, q *query, path string, room []segment, strip bool, b *Binding[T]) bool {
	segments, slash, ok := split(path, room)
	if !ok {
		return false
	}
	// A value of this function: stored through a pointer, room would move to the heap.
	s := search{trie: r.trie, allow: q.allow, segments: segments, slash: slash, strip: strip}
	s.method, s.get = r.trie.numbers[q.method], methodNone
	if q.method == "HEAD" {
		s.get = methodGet
	}
	found := s.find(root.cell, 0)
	if q.steps += s.steps; found == 0 {
		return false
	}
	leaf := &r.trie.leaves[found]
	b.Rule = &r.rules[leaf.rule]
	for _, v := range r.trie.spans[leaf.spans:][:leaf.vars] {
		decode := All
		if v.multi {
			decode = leaf.decode
		}
		b.Values = append(b.Values, decode.value(s.value(path, v)))
	}
	return true
}

// search is one walk through a trie. It lives on the stack of one call.
type search struct {
	*trie
	method   uint32 // the method's number, or methodNone when no rule names it
	get      uint32 // methodGet when GET serves the method too, or methodNone
	allow    map[string]bool
	segments []segment
	slash    bool // the path has a trailing slash, which is in no segment
	strip    bool // the trailing slash may be left out
	steps    int
}

// find returns the leaf of the best rule below the cell for the segments from i
// on, or 0. It tries everything, in order of precedence, and comes to no
// (cell, segment) twice: see node. Its depth is bounded by segmentsMax, its steps
// by root.cost.
func (s *search) find(at uint32, i int) uint32 {
	s.steps++
	c := &s.cells[at]
	if i == len(s.segments) {
		if found := s.end(c); found != 0 {
			return found
		}
	} else {
		if literal := s.child(at, s.segments[i].key); literal != 0 {
			if found := s.find(literal, i+1); found != 0 {
				return found
			}
		}
		if c.star != 0 {
			if found := s.find(c.star, i+1); found != 0 {
				return found
			}
		}
	}
	if c.deep == 0 {
		return 0
	}
	// ** takes as little as it can. What follows it is tail segments at most,
	// so it need not be tried further from the end.
	for j := max(i, len(s.segments)-int(c.tail)); j <= len(s.segments); j++ {
		if found := s.find(c.deep, j); found != 0 {
			return found
		}
	}
	return 0
}

// end returns the leaf of c that serves the method, or 0, if the path may end
// there: an exact one, then GET's for HEAD, then the one for any method.
func (s *search) end(c *cell) uint32 {
	if c.leaf == 0 || s.slash && !s.strip && !s.leaves[c.leaf].endsDeep {
		return 0
	}
	var get, anyone uint32
	for at := c.leaf; ; at++ {
		l := &s.leaves[at]
		switch {
		case s.allow != nil:
			s.allow[s.methods[l.method]] = true
		case l.method == s.method:
			return at
		case l.method == s.get:
			get = at
		case l.method == methodAny:
			anyone = at
		}
		if !l.more {
			return cmp.Or(get, anyone)
		}
	}
}

// value returns what the variable stands for in the path, still escaped.
func (s *search) value(path string, v span) string {
	from, to := v.in(len(s.segments))
	switch {
	case from == to:
		return ""
	case s.slash && v.open:
		return path[s.segments[from].start:] // a last ** takes the trailing slash
	}
	return path[s.segments[from].start:s.segments[to-1].end]
}

// split cuts a path that starts with a slash into segments, which it appends to
// room. A trailing slash is reported apart; a path with an empty segment before
// that is not ok: no template matches it, and nothing is collapsed.
func split(path string, room []segment) (segments []segment, slash, ok bool) {
	if path == "/" {
		return room, false, true
	}
	stop := len(path)
	if path[stop-1] == '/' {
		stop, slash = stop-1, true
	}
	plain := isPlain(path)
	for start := 1; ; {
		end := stop
		if i := strings.IndexByte(path[start:stop], '/'); i >= 0 {
			end = start + i
		}
		if end == start {
			return nil, slash, false
		}
		key := path[start:end]
		if !plain {
			key = normal(key)
		}
		room = append(room, segment{start, end, key})
		if end == stop {
			return room, slash, true
		}
		start = end + 1
	}
}
