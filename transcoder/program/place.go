package program

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// placeOf names the value that the text at some place belongs to, as in a.b[2].c, by looking at all of the text before.
// A place at a name is about the value that has the name. Only errors need it.
func placeOf(text []byte, at int) string {
	var open []step
	for i := 0; i < at; {
		switch c := text[i]; c {
		case '{', '[':
			open = append(open, step{array: c == '['})
			i++
		case '}', ']':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
			i++
		case ',':
			if len(open) > 0 {
				s := &open[len(open)-1]
				s.index, s.named = s.index+1, false
			}
			i++
		case '"':
			end := stringEnd(text, i)
			if end > at {
				return joinSteps(open)
			}
			if len(open) > 0 {
				open[len(open)-1].name(text[i:end])
			}
			i = end
		default:
			i++
		}
	}
	if n := len(open); n > 0 && at < len(text) && text[at] == '"' {
		open[n-1].name(text[at:stringEnd(text, at)])
	}
	return joinSteps(open)
}

// step is an object or an array that is open, and which of its elements the place is in.
type step struct {
	array bool
	index int
	named bool
	key   string
}

// name takes a string for the name of an element, unless it has one.
func (s *step) name(quoted []byte) {
	if s.array || s.named {
		return
	}
	s.named, s.key = true, quotedText(quoted)
}

// quotedText returns what a string says, if it is one.
func quotedText(quoted []byte) string {
	if len(quoted) < 2 {
		return string(quoted)
	}
	return string(unescape(nil, quoted[1:len(quoted)-1]))
}

// placeBytesMax bounds the name of a place. What is cut off is the end.
const placeBytesMax = 256

func joinSteps(open []step) string {
	var out []byte
	for _, s := range open {
		switch {
		case len(out) > placeBytesMax:
			return string(out)
		case s.array:
			out = append(strconv.AppendInt(append(out, '['), int64(s.index), 10), ']')
		case s.named:
			if len(out) > 0 {
				out = append(out, '.')
			}
			out = append(out, clip(s.key, 64)...)
		}
	}
	return string(out)
}

// stringEnd returns where the string at text[i] ends, or the end of the text.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// quoteKey shows the string at text[at].
func quoteKey(text []byte, at int) string { return quote(quotedText(text[at:stringEnd(text, at)])) }

// found says what stands at a place of a text.
func found(text []byte, at int) string {
	if at >= len(text) {
		return "the end of the body"
	}
	switch c := text[at]; {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return quoteKey(text, at)
	case c == '-' || c == '_' || isDigit(c) || 'a' <= lower(c) && lower(c) <= 'z':
		end := at
		for end < len(text) && end < at+foundBytesMax && isWord(text[end]) {
			end++
		}
		return string(text[at:end])
	}
	r, _ := utf8.DecodeRune(text[at:])
	return fmt.Sprintf("%q", r)
}

// foundBytesMax bounds how much of a text an error repeats.
const foundBytesMax = 64

func isWord(c byte) bool {
	return c == '-' || c == '+' || c == '.' || c == '_' || isDigit(c) || 'a' <= lower(c) && lower(c) <= 'z'
}
