package program

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"unicode/utf8"
)

// errUTF8 says that a string is no UTF-8, so that no JSON can show it.
var errUTF8 = errors.New("invalid UTF-8")

// appendString appends s as a JSON string. It escapes what JSON demands and nothing else.
func appendString(dst, s []byte) ([]byte, error) {
	dst = append(dst, '"')
	i := plain(s, 0)
	dst = append(dst, s[:i]...)
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			dst = appendEscape(dst, c)
			i++
		} else {
			start := i
			for i < len(s) && s[i] >= utf8.RuneSelf {
				r, size := utf8.DecodeRune(s[i:])
				if r == utf8.RuneError && size == 1 {
					return dst, errUTF8
				}
				i += size
			}
			dst = append(dst, s[start:i]...)
		}
		start := i
		i = plain(s, i)
		dst = append(dst, s[start:i]...)
	}
	return append(dst, '"'), nil
}

// appendEscape appends one ASCII character that cannot stand in a JSON string as it is.
func appendEscape(dst []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// plain returns where the run of printable ASCII without quotes and backslashes ends that starts at s[i]. It looks at
// eight bytes at a time.
func plain(s []byte, i int) int {
	for ; i+8 <= len(s); i += 8 {
		if odd := special(binary.LittleEndian.Uint64(s[i:])); odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// special sets the top bit of each byte of w that is a quote, a backslash, a control character or no ASCII. A byte
// behind the first of those may be marked wrongly: a borrow runs upwards.
func special(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote - ones) | (slash - ones) | (w - ones*' ') | w) & tops
}
