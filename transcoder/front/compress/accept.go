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
	l := parse(values)
	// Nobody needs to name identity; one who does not likes anything else better.
	best := 0.0
	for _, candidate := range [...]Coding{Zstd, Gzip} {
		if l.q[candidate] > best {
			c, best = candidate, l.q[candidate]
		}
	}
	if l.q[Identity] > best {
		c = Identity
	}
	return c, l.q[Identity] != 0
}

// AcceptedInOrder is Accepted for the Connect protocol, where a client names first what it likes best ("Unary-Request"), and takes
// what has no coding, whatever it says.
func AcceptedInOrder(values []string) (c Coding) {
	l := parse(values)
	best := 0.0
	for _, candidate := range [...]Coding{Zstd, Gzip, Identity} {
		q, first := l.q[candidate], l.place[candidate] < l.place[c]
		if q > best || q == best && q > 0 && first {
			c, best = candidate, q
		}
	}
	return c
}

// likes is what a client says of each coding: its weight, -1 for none, and the place where it is named, which is the last for one
// that is not.
type likes struct {
	q     [3]float64
	place [3]int
}

func parse(values []string) likes {
	last := elementsMax
	l := likes{q: [...]float64{Identity: -1, Gzip: -1, Zstd: -1}, place: [...]int{last, last, last}}
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
				l.q[c], l.place[c] = weight, seen
			}
		}
	}
	for i := range l.q {
		if l.q[i] < 0 && (i != int(Identity) || star == 0) {
			l.q[i] = star
		}
	}
	return l
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
