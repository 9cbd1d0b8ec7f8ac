package route

import (
	"errors"
	"testing"
)

func TestMatchFindsEachOfManyRules(t *testing.T) {
	r := table(t, apis(10_000)...)
	var b Binding[int]
	for i, path := range paths(10_000) {
		if err := r.Match("GET", path, &b); err != nil || b.Rule.Value != i {
			t.Fatalf("%s: %v, rule %v", path, err, b.Rule)
		}
	}
	for _, path := range paths(5) {
		if err := r.Match("GET", "/x"+path, &b); !errors.Is(err, ErrNotFound) {
			t.Errorf("/x%s: %v", path, err)
		}
	}
}

// Hashes may be equal where parents or literals are not.
func TestEqualHashesAreNotEqualLiterals(t *testing.T) {
	for key, parent := range map[string]uint32{"a": 1, "other": 0} {
		trie := table(t, "/a", "/b").trie
		hash, a := trie.hash(0, key), trie.child(0, "a")
		clear(trie.slots)
		trie.slots[hash>>trie.shift] = slot{parent: parent, tag: uint32(hash), child: a}
		if trie.child(0, key) != 0 {
			t.Errorf("the root has a child %s: it is the literal a of cell %d", key, parent)
		}
	}
}

func TestHashHasASeed(t *testing.T) {
	if a, b := table(t, "/a", "/b"), table(t, "/a", "/b"); a.trie.hash(0, "a") == b.trie.hash(0, "a") {
		t.Error("two tables hash alike: whoever knows one can make paths that collide in all")
	}
}
