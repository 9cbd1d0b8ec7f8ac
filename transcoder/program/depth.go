package program

import (
	"fmt"
	"unicode/utf8"
)

// firstTooDeep returns where the first bracket is that nests deeper than depthMax, or -1. It judges nothing else: a text that
// is not JSON has brackets too.
func firstTooDeep(text []byte, depthMax int) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '{', '[':
			if depth++; depth > depthMax {
				return i
			}
		case '}', ']':
			depth = max(depth-1, 0)
		}
	}
	return -1
}

// tooDeep says that a body nests too deep.
func tooDeep(depthMax int) string {
	return fmt.Sprintf("objects and arrays nest deeper than %d levels", depthMax)
}

// lineColumn writes a position as protojson does: from 1, columns in characters.
func lineColumn(text []byte, offset, linesBefore int) string {
	line, start := 1+linesBefore, 0
	for i, c := range text[:offset] {
		if c == '\n' {
			line, start = line+1, i+1
		}
	}
	return fmt.Sprintf("(line %d:%d)", line, 1+utf8.RuneCount(text[start:offset]))
}

// isBlank tells whether text is JSON white space only.
func isBlank(text []byte) bool { return len(trimSpace(text)) == 0 }

// trimSpace cuts JSON white space, which is less than what bytes.TrimSpace cuts.
func trimSpace(text []byte) []byte {
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	for len(text) > 0 && isSpace(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
