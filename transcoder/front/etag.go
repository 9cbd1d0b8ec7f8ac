package front

import (
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// ETagOf returns a weak entity tag of a text. It holds the length, too, which no two texts of one hash are likely to share.
func ETagOf(text []byte) string {
	var room [40]byte
	b := append(room[:0], `W/"`...)
	b = strconv.AppendUint(b, xxhash.Sum64(text), 36)
	b = strconv.AppendUint(append(b, '-'), uint64(len(text)), 36)
	return string(append(b, '"'))
}

// ETagMatches reports whether a list of entity tags has this one, by weak comparison. What is malformed ends its list.
func ETagMatches(values []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, list := range values {
		if strings.Trim(list, " \t") == "*" {
			return true
		}
		for list = strings.TrimLeft(list, " \t,"); list != ""; list = strings.TrimLeft(list, " \t,") {
			one := strings.TrimPrefix(list, "W/")
			end := strings.IndexByte(strings.TrimPrefix(one, `"`), '"') + 2
			if one[:min(1, len(one))] != `"` || end < 2 {
				break
			}
			if one[:end] == tag {
				return true
			}
			list = one[end:]
		}
	}
	return false
}

// Weak returns the weak form of an entity tag.
func Weak(tag string) string {
	if strings.HasPrefix(tag, `"`) {
		return "W/" + tag
	}
	return tag
}
