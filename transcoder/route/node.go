package route

import (
	"maps"
	"slices"
)

// node is a place in a trie of segments, while a table is built; it is searched
// as trie. A path comes to a node in at most one way for each number of segments
// it has used, because a template has one ** at most: so a search that tries
// everything visits no (node, segment) twice.
type node struct {
	literals map[string]*node
	star     *node
	deep     *node // what follows **; its own ends are of templates that end in **
	tail     int   // the most segments that follow **
	ends     []end // one for each method
	cost     int   // see measure
}

// end is a rule whose template ends at a node.
type end struct {
	rule     int // its place in Router.rules
	method   string
	template *Template
	decode   Decode
}

// insert adds e under the segments, or returns the place of the rule that has
// its place.
func (n *node) insert(segments []string, e end) (rule int, taken bool) {
	if len(segments) > 0 {
		return n.child(segments).insert(segments[1:], e)
	}
	if i := slices.IndexFunc(n.ends, func(other end) bool { return other.method == e.method }); i >= 0 {
		return n.ends[i].rule, true
	}
	n.ends = append(n.ends, e)
	return 0, false
}

// child returns the child for the first of segments, making it where needed.
func (n *node) child(segments []string) *node {
	switch segments[0] {
	case "*":
		if n.star == nil {
			n.star = &node{}
		}
		return n.star
	case "**":
		if n.deep == nil {
			n.deep = &node{}
		}
		n.tail = max(n.tail, len(segments)-1)
		return n.deep
	}
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	c := n.literals[segments[0]]
	if c == nil {
		c = &node{}
		n.literals[segments[0]] = c
	}
	return c
}

// measure sets and returns cost, the most nodes that a search from here can
// visit, whatever the path: of the literal children one at most is taken, and
// what follows ** is tried at tail+1 places.
func (n *node) measure() int {
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

// heaviest returns the place of a rule at the end of the costliest way down.
// measure must have run, and there must be a rule.
func (n *node) heaviest() int {
	var next *node
	consider := func(c *node) {
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
		return n.ends[0].rule
	}
	return next.heaviest()
}
