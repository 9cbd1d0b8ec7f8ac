package openapi

import "strings"

// ecma returns a regular expression of RE2 as one of ECMA-262 with the flag u, which is what JSON Schema has. ok is false for one
// that means something else there, or nothing: it is told in words then.
func ecma(re2 string) (pattern string, ok bool) {
	inClass := false
	for i := 0; i < len(re2); i++ {
		switch c := re2[i]; {
		case c == '\\':
			if i++; i == len(re2) || !escapes(re2[i], inClass) {
				return "", false
			}
		case inClass:
			if c == '[' { // a class of POSIX, or a bracket that u wants escaped
				return "", false
			}
			inClass = c != ']'
		case c == '[':
			inClass = true
			if i+1 < len(re2) && re2[i+1] == '^' {
				i++
			}
			if i+1 < len(re2) && re2[i+1] == ']' { // a literal in RE2, the end in ECMA-262
				return "", false
			}
		case c == '(' && strings.HasPrefix(re2[i:], "(?") && !strings.HasPrefix(re2[i:], "(?:"):
			return "", false // flags and names
		case c == '{':
			n := repetition(re2[i:])
			if n == 0 {
				return "", false
			}
			i += n - 1
		case c == '}', c == ']':
			return "", false
		}
	}
	return re2, true
}

// escapes reports whether a backslash before c means the same in both.
func escapes(c byte, inClass bool) bool {
	return strings.IndexByte(`dDwWsS\/^$*+?.()[]{}|tnrfv`, c) >= 0 || c == '-' && inClass || (c == 'b' || c == 'B') && !inClass
}

// repetition returns the length of a {n}, {n,} or {n,m} at the start of s; 0 if there is none.
func repetition(s string) int {
	end := strings.IndexByte(s, '}')
	if end < 2 || s[1] == ',' || strings.Trim(s[1:end], "0123456789,") != "" || strings.Count(s[:end], ",") > 1 {
		return 0
	}
	return end + 1
}

// quoted returns the expression for a text.
func quoted(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(`\^$.*+?()[]{}|`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
