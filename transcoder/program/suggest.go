package program

// suggestLenMax bounds the work of a suggestion: no field that people mistype is longer.
const suggestLenMax = 64

// nearest returns the candidate with the fewest edits from name, the first of them if there are several, and "" if
// none is near enough to be what was meant.
func nearest(name string, candidates []string) string {
	if len(name) == 0 || len(name) > suggestLenMax {
		return ""
	}
	best, bestEdits := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if len(c) > suggestLenMax || max(len(c)-len(name), len(name)-len(c)) >= bestEdits {
			continue
		}
		if n := edits(name, c); n < bestEdits {
			best, bestEdits = c, n
		}
	}
	return best
}

// edits is the Levenshtein distance between a and b in bytes, with a letter's case counting nothing.
func edits(a, b string) int {
	var row [suggestLenMax + 1]int
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if lower(a[i]) != lower(b[j]) {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
