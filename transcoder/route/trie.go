package route

import (
	"maps"
	"slices"
)

// node is a place in a trie of segments. A path comes to a node in at most one
// way for each number of segments it has used, because a template has one ** at
// most: so a search that tries everything visits no (node, segment) twice.
type node[T any] struct {
	literals map[string]*node[T] // Go's maps are seeded, so paths cannot be made to collide
	star     *node[T]
	deep     *node[T]   // what follows **; its own rules are of templates that end in **
	tail     int        // the most segments that follow **
	rules    []*Rule[T] // one for each method
	endsDeep bool
	cost     int // see measure
}

// insert adds rule under the segments, or returns the rule that has its place.
func (n *node[T]) insert(segments []string, rule *Rule[T]) *Rule[T] {
	if len(segments) > 0 {
		return n.child(segments).insert(segments[1:], rule)
	}
	if i, taken := n.index(rule.Method); taken {
		return n.rules[i]
	}
	n.rules = append(n.rules, rule)
	n.endsDeep = rule.Template.endsDeep()
	return nil
}

// child returns the child for the first of segments, making it where needed.
func (n *node[T]) child(segments []string) *node[T] {
	switch segments[0] {
	case "*":
		if n.star == nil {
			n.star = &node[T]{}
		}
		return n.star
	case "**":
		if n.deep == nil {
			n.deep = &node[T]{}
		}
		n.tail = max(n.tail, len(segments)-1)
		return n.deep
	}
	if n.literals == nil {
		n.literals = map[string]*node[T]{}
	}
	c := n.literals[segments[0]]
	if c == nil {
		c = &node[T]{}
		n.literals[segments[0]] = c
	}
	return c
}

// rule returns the rule that serves method here: an exact one, then GET's for
// HEAD, then the one for any method.
func (n *node[T]) rule(method string) *Rule[T] {
	if i, ok := n.index(method); ok {
		return n.rules[i]
	}
	if method == "HEAD" {
		if i, ok := n.index("GET"); ok {
			return n.rules[i]
		}
	}
	if i, ok := n.index(Any); ok {
		return n.rules[i]
	}
	return nil
}

// index returns where the rule of method is. It walks: a shape has a handful of
// methods. (slices.IndexFunc would make the search, which holds the method,
// escape to the heap.)
func (n *node[T]) index(method string) (int, bool) {
	for i, rule := range n.rules {
		if rule.Method == method {
			return i, true
		}
	}
	return 0, false
}

// measure sets and returns cost, the most nodes that a search from here can
// visit, whatever the path: of the literal children one at most is taken, and
// what follows ** is tried at tail+1 places.
func (n *node[T]) measure() int {
	n.cost = 0
	for _, c := range n.literals {
		n.cost = max(n.cost, c.measure())
	}
	if n.star != nil {
		n.cost += n.star.measure()
	}
	if n.deep != nil {
		n.cost += (n.tail + 1) * n.deep.measure()
	}
	n.cost++
	return n.cost
}

// heaviest returns a rule at the end of the costliest way down. measure must
// have run, and there must be a rule.
func (n *node[T]) heaviest() *Rule[T] {
	var next *node[T]
	consider := func(c *node[T]) {
		if c != nil && (next == nil || c.cost > next.cost) {
			next = c
		}
	}
	consider(n.star)
	consider(n.deep)
	for _, literal := range slices.Sorted(maps.Keys(n.literals)) {
		consider(n.literals[literal])
	}
	if next == nil {
		return n.rules[0]
	}
	return next.heaviest()
}
