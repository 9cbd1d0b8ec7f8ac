package compress

import (
	"strconv"
	"strings"
)

// elementsMax bounds how many elements of Accept-Encoding are looked at.
const elementsMax = 64

// Accepted picks the coding that a client likes best, by the values of its Accept-Encoding (RFC 9110, section 12.5.3). Among
// equals it is zstd, then gzip. plain says that the reply may be sent without a coding, too; if it may not, and the coding is
// Identity, nothing will do. It allocates nothing.
func Accepted(values []string) (c Coding, plain bool) {
	if len(values) == 0 {
		return Identity, true
	}
	q := [...]float64{Identity: -1, Gzip: -1, Zstd: -1} // -1: not named
	star, seen := -1.0, 0
	for _, list := range values {
		for more := true; more && seen < elementsMax; seen++ {
			var element string
			element, list, more = strings.Cut(list, ",")
			name, weight, ok := parseElement(element)
			if !ok {
				continue
			}
			if name == "*" {
				star = weight
			} else if c, known := parseFold(name); known {
				q[c] = weight
			}
		}
	}
	for i := range q {
		if q[i] < 0 && (i != int(Identity) || star == 0) {
			q[i] = star
		}
	}
	// Nobody needs to name identity; one who does not likes anything else better.
	best := 0.0
	for _, candidate := range [...]Coding{Zstd, Gzip} {
		if q[candidate] > best {
			c, best = candidate, q[candidate]
		}
	}
	if q[Identity] > best {
		c = Identity
	}
	return c, q[Identity] != 0
}

func parseFold(name string) (Coding, bool) {
	for _, known := range [...]string{"gzip", "x-gzip", "zstd", "identity"} {
		if strings.EqualFold(name, known) {
			return Parse(known)
		}
	}
	return Identity, false
}

// parseElement reads "name;q=0.5".
func parseElement(element string) (name string, weight float64, ok bool) {
	name, params, found := strings.Cut(element, ";")
	if name = strings.Trim(name, " \t"); name == "" {
		return "", 0, false
	}
	if !found {
		return name, 1, true
	}
	key, value, _ := strings.Cut(strings.Trim(params, " \t"), "=")
	if !strings.EqualFold(key, "q") {
		return "", 0, false
	}
	weight, err := strconv.ParseFloat(value, 64)
	return name, weight, err == nil && weight >= 0 && weight <= 1
}
