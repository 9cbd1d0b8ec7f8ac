package route

import "strings"

// Decode says which escapes stay in the value of a variable that stands for
// several segments, so that the value's own slashes can be told from escaped
// ones. What stays is left as the client spelled it. Variables of one segment
// are always decoded whole, once.
type Decode uint8

const (
	// KeepSlash leaves %2F and decodes everything else, as
	// google/api/http.proto asks for. It is the default.
	KeepSlash Decode = iota
	// KeepReserved leaves the escapes of all characters that RFC 6570 reserves,
	// as Envoy does by default.
	KeepReserved
	// All decodes everything, slashes as well.
	All
)

func (d Decode) keeps(c byte) bool {
	switch d {
	case KeepSlash:
		return c == '/'
	case KeepReserved:
		return isReserved(c)
	}
	return false
}

// value decodes text, whose escapes must be well formed. It returns text itself
// when nothing in it is to be decoded.
func (d Decode) value(text string) string {
	i := d.next(text, 0)
	if i < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) - 2)
	done := 0
	for i >= 0 {
		c, _ := escaped(text, i)
		b.WriteString(text[done:i])
		b.WriteByte(c)
		done = i + 3
		i = d.next(text, done)
	}
	b.WriteString(text[done:])
	return b.String()
}

// next returns where the first escape that d decodes begins, at or after from,
// or -1.
func (d Decode) next(text string, from int) int {
	for {
		i := strings.IndexByte(text[from:], '%')
		if i < 0 {
			return -1
		}
		from += i
		if c, _ := escaped(text, from); !d.keeps(c) {
			return from
		}
		from += 3
	}
}
