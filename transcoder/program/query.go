package program

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// pair is one parameter of a query, decoded.
type pair struct {
	key, value []byte
	bare       bool // there was no "=": "flag" rather than "flag="
	file       bool // bytes as they are, of a form
	media      string
}

// parseQuery appends the pairs of a raw query, in order. text is a copy of the query, in which the pairs are decoded and
// to which they point. Only "&" separates pairs, "+" is a space, and empty pairs ("a=1&&b=2") carry nothing and are
// skipped, as WHATWG has it. Unlike net/url it drops nothing in silence: a bad percent escape, a key that is empty or no
// UTF-8 is an error. The caller bounds the length of the query.
func parseQuery(pairs []pair, raw string, text []byte) ([]pair, error) {
	for more := true; more; {
		var part string
		part, raw, more = strings.Cut(raw, "&")
		if part != "" {
			p, err := parsePair(part, text[:len(part):len(part)])
			if err != nil {
				return pairs, err
			}
			pairs = append(pairs, p)
		}
		if more {
			text = text[len(part)+1:]
		}
	}
	return pairs, nil
}

// parsePair decodes a pair in place, in text.
func parsePair(part string, text []byte) (pair, error) {
	rawKey, rawValue, found := bytes.Cut(text, []byte("="))
	key, ok := unescapeQuery(rawKey)
	if !ok || len(key) == 0 || !utf8.Valid(key) {
		name, _, _ := strings.Cut(part, "=")
		return pair{}, invalid(ReasonMalformedQuery, name,
			"the query pair "+quote(part)+" has no valid name; write name=value, percent-encoded UTF-8")
	}
	value, ok := unescapeQuery(rawValue)
	if !ok {
		return pair{}, invalid(ReasonMalformedQuery, string(key),
			"the query pair "+quote(part)+" has a % that is not followed by two hexadecimal digits; write % itself as %25")
	}
	return pair{key: key, value: value, bare: !found}, nil
}

// unescapeQuery decodes b in place. ok is false if a % is not followed by two hexadecimal digits.
func unescapeQuery(b []byte) (out []byte, ok bool) {
	out = b[:0]
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '+':
			out = append(out, ' ')
		case c != '%':
			out = append(out, c)
		case i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			out = append(out, hexValue(b[i+1])<<4|hexValue(b[i+2]))
			i += 2
		default:
			return nil, false
		}
	}
	return out, true
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'f' }

func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}
