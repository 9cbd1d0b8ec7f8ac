package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// unknown says that there is no such key, value or variable, which one was probably meant, and which there are, the
// nearest first.
func unknown(what, name string, valid []string) string {
	valid = slices.Clone(valid)
	slices.SortStableFunc(valid, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(name, a), distance(name, b)), cmp.Compare(shared(name, b), shared(name, a)))
	})
	hint := ""
	if best := valid[0]; distance(name, best) <= max(2, len(best)/3) {
		hint = fmt.Sprintf("; did you mean %s?", best)
	}
	return fmt.Sprintf("unknown %s %q%s (valid: %s)", what, name, hint, list(valid))
}

// distance is the number of characters to insert, delete, replace or swap with their neighbour that turn one name into
// the other, whatever the case, and with "-" for "_". Names that are far too long count as entirely different.
func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	a, b = plain(a), plain(b)
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// shared is the length of the beginning that two names share.
func shared(a, b string) int {
	a, b = plain(a), plain(b)
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func plain(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "-", "_")
}
