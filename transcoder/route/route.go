// Package route finds the method that an HTTP request means: it compiles
// google.api.http path templates into a trie, and matches a method and an
// escaped path to one Rule and the values of its variables.
//
// Read this file first, then match.go for the search and its order of
// precedence, template.go for what a template may say, and trie.go for how a
// table lies in memory. The package knows nothing of protobuf: what a rule stands
// for is the caller's type T, and variables are text. Paths are matched as the
// client sent them, percent escapes included, so that an escaped slash never
// separates segments.
//
// A table is built once and never changes. A path costs a number of steps that
// depends on the path and on how templates overlap, not on how many there are;
// Build refuses a table in which that could be much.
package route

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Any is the method of a rule that serves every HTTP method. On one shape a
// rule with an exact method goes before it.
const Any = "*"

// stepsMax bounds the nodes of the trie that one search may visit, whatever the
// path: about half a millisecond. Only tables that mix a literal and * at many
// levels under each other come near; ordinary ones need some dozens.
const stepsMax = 10_000

// Rule binds an HTTP method and a template to a value. Several rules may carry
// the same Owner (additional bindings).
type Rule[T any] struct {
	Method   string    // "GET", "POST", any other token, or Any
	Template *Template // from Parse
	Owner    string    // who is named in conflicts, such as "pkg.Service.Method"
	Decode   Decode    // how multi-segment variables are unescaped
	Value    T
}

// TrailingSlash says what a slash at the end of a path means. Templates that end
// in ** always take it into their value.
type TrailingSlash uint8

const (
	// Strict is the default: /v1/books/ is not /v1/books.
	Strict TrailingSlash = iota
	// Strip lets other templates see the path without its last slash, one
	// slash only.
	Strip
)

// Options are the choices that hold for a whole table. The zero value is the
// strict default.
type Options struct {
	TrailingSlash TrailingSlash
}

// Router is a compiled table of rules. It is immutable and safe for concurrent
// use.
type Router[T any] struct {
	rules []Rule[T]
	trie  *trie
	verbs map[string]root // a trie for each verb; "" has the templates without one
	strip bool
}

// root is where the trie of a verb begins, and the most nodes that a search of it
// can visit.
type root struct {
	cell uint32
	cost int
}

// Build compiles rules, which it copies. It reports every rule that cannot be
// served, joined: a rule without a template, a method that is not an HTTP token,
// a *ConflictError for each rule whose method and shape an earlier rule has (also
// of the same owner), and a *CostError when templates overlap so much that one
// path could keep the search busy.
func Build[T any](rules []Rule[T], o Options) (*Router[T], error) {
	r := &Router[T]{
		rules: slices.Clone(rules),
		strip: o.TrailingSlash == Strip,
	}
	tries := map[string]*node{"": {}}
	var errs []error
	for i := range r.rules {
		if err := r.add(tries, i); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := r.checkCost(tries); err != nil {
		return nil, err
	}
	r.trie, r.verbs = compile(tries)
	return r, nil
}

// Rules returns the rules in the order in which Build got them. The slice
// belongs to the router and must not be changed.
func (r *Router[T]) Rules() []Rule[T] { return r.rules }

func (r *Router[T]) add(tries map[string]*node, i int) error {
	rule := &r.rules[i]
	t := rule.Template
	if t == nil {
		return fmt.Errorf("route of %s: no template", rule.Owner)
	}
	if rule.Method != Any && !isToken(rule.Method) {
		return fmt.Errorf("route %s of %s: %q is not an HTTP method", t, rule.Owner, rule.Method)
	}
	if rule.Decode > All {
		return fmt.Errorf("route %s of %s: unknown decode mode %d", t, rule.Owner, rule.Decode)
	}
	if tries[t.Verb] == nil {
		tries[t.Verb] = &node{}
	}
	if other, taken := tries[t.Verb].insert(t.segments, end{i, rule.Method, t, rule.Decode}); taken {
		first := &r.rules[other]
		return &ConflictError{
			Method: rule.Method,
			Shape:  t.Shape(),
			First:  Claim{first.Owner, first.Template.String()},
			Second: Claim{rule.Owner, t.String()},
		}
	}
	return nil
}

// checkCost adds up the worst of both readings of a path: with a verb, which
// picks one trie, and without.
func (r *Router[T]) checkCost(tries map[string]*node) error {
	plain := tries[""]
	plain.measure()
	worst, verbed := plain, 0
	for _, verb := range slices.Sorted(maps.Keys(tries)) {
		trie := tries[verb]
		if trie == plain {
			continue
		}
		if verbed = max(verbed, trie.measure()); trie.cost > worst.cost {
			worst = trie
		}
	}
	steps := plain.cost + verbed
	if steps <= stepsMax {
		return nil
	}
	rule := &r.rules[worst.heaviest()]
	return &CostError{Steps: steps, Limit: stepsMax, Example: Claim{rule.Owner, rule.Template.String()}}
}

// isToken reports whether s is a token as RFC 9110, section 5.6.2 has it. "*"
// alone is one as well, so callers look for Any first.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+',
			c == '-', c == '.', c == '^', c == '_', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return s != ""
}
