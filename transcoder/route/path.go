package route

import (
	"strings"
	"unicode/utf8"
)

// checkPath refuses a path that no route may see. It comes before the search, so
// that a malformed path is the first refusal and never looks like an unknown one.
func checkPath(path string) error {
	if path == "" || path[0] != '/' {
		return &PathError{Path: path, Fault: FaultNotRooted}
	}
	if !isPlain(path) {
		if fault, at := inspect(path); fault != 0 {
			return &PathError{Path: path, Fault: fault, Offset: at}
		}
	}
	return checkDots(path)
}

// checkDots refuses . and .. segments, and a last segment that a verb would
// leave as one: /files/..:run must not hand ".." to anybody.
func checkDots(path string) error {
	for start := 1; ; {
		end, last := len(path), true
		if i := strings.IndexByte(path[start:], '/'); i >= 0 {
			end, last = start+i, false
		}
		segment := path[start:end]
		if isDots(segment) || last && isDots(segment[:max(strings.LastIndexByte(segment, ':'), 0)]) {
			return &PathError{Path: path, Fault: FaultDotSegment, Offset: start}
		}
		if last {
			return nil
		}
		start = end + 1
	}
}

// isDots reports whether a segment is . or .., escaped or not.
func isDots(segment string) bool {
	if segment == "" || segment[0] != '.' && segment[0] != '%' {
		return false
	}
	dots := 0
	for segment != "" {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case strings.HasPrefix(segment, "%2e"), strings.HasPrefix(segment, "%2E"):
			segment = segment[3:]
		default:
			return false
		}
		dots++
	}
	return dots <= 2
}

// inspect looks for bad escapes, NUL, and text that is not UTF-8 once decoded.
// It returns the first fault and where it is, or zero.
func inspect(s string) (Fault, int) {
	var runes [utf8.UTFMax]byte // the rune that is being put together
	pending, start := 0, 0
	for i := 0; i < len(s); {
		c, size := s[i], 1
		if c == '%' {
			var ok bool
			if c, ok = escaped(s, i); !ok {
				return FaultBadEscape, i
			}
			size = 3
		}
		if c == 0 {
			return FaultNUL, i
		}
		if pending == 0 {
			start = i
		}
		runes[pending] = c
		pending++
		if utf8.FullRune(runes[:pending]) {
			if r, n := utf8.DecodeRune(runes[:pending]); r == utf8.RuneError && n <= 1 {
				return FaultNotUTF8, start
			}
			pending = 0
		}
		i += size
	}
	if pending > 0 {
		return FaultNotUTF8, start
	}
	return 0, 0
}

// normal spells text so that equivalent spellings compare equal: RFC 3986,
// section 6.2.2.1 (case of escapes) and 6.2.2.2 (escapes of unreserved
// characters). A character that may not stand raw in a path is escaped. Escapes
// must be well formed; text that is normal already is returned as it is.
func normal(text string) string {
	if isPlain(text) {
		return text
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		raw := isPathChar(c)
		if c == '%' {
			c, _ = escaped(text, i)
			raw = isUnreserved(c)
			i += 2
		}
		if raw {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// isPlain reports whether path has only slashes and characters that need no
// escape: such a path is spelled normally, and means what it says.
func isPlain(path string) bool {
	for i := range len(path) {
		if c := path[i]; c != '/' && !isPathChar(c) {
			return false
		}
	}
	return true
}

// escaped returns the byte that the escape at s[i] stands for.
func escaped(s string, i int) (byte, bool) {
	if i+2 >= len(s) {
		return 0, false
	}
	high, ok1 := hexValue(s[i+1])
	low, ok2 := hexValue(s[i+2])
	return high<<4 | low, ok1 && ok2
}

func hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func isUnreserved(c byte) bool { return inSet(c, unreservedLow, unreservedHigh) }

// isPathChar reports whether c may stand in a segment unescaped: pchar of RFC
// 3986, section 3.3.
func isPathChar(c byte) bool {
	return inSet(c, unreservedLow|subDelims|1<<':', unreservedHigh|1<<('@'-64))
}

// isReserved reports whether c is reserved: gen-delims and sub-delims of RFC
// 3986, section 2.2, which is also "reserved" of RFC 6570.
func isReserved(c byte) bool {
	return inSet(c, subDelims|1<<':'|1<<'/'|1<<'?'|1<<'#', 1<<('['-64)|1<<(']'-64)|1<<('@'-64))
}

// Sets of ASCII characters: bit c of low for those under 64, bit c-64 of high.
const (
	digits         = (1<<10 - 1) << '0'
	letters        = (1<<26-1)<<('A'-64) | (1<<26-1)<<('a'-64)
	unreservedLow  = digits | 1<<'-' | 1<<'.'
	unreservedHigh = letters | 1<<('_'-64) | 1<<('~'-64)
	subDelims      = 1<<'!' | 1<<'$' | 1<<'&' | 1<<'\'' | 1<<'(' | 1<<')' | 1<<'*' | 1<<'+' | 1<<',' | 1<<';' | 1<<'='
)

func inSet(c byte, low, high uint64) bool {
	if c < 64 {
		return low>>c&1 == 1
	}
	return c < 128 && high>>(c-64)&1 == 1
}
