package program

import "unicode/utf8"

// space returns where the white space ends that starts at s[i].
func space(s []byte, i int) int {
	for i < len(s) && s[i] <= ' ' && isSpace(s[i]) {
		i++
	}
	return i
}

// literal steps over a word.
func (d *decoder) literal(i int, word string) int {
	if len(d.text)-i < len(word) || string(d.text[i:i+len(word)]) != word {
		d.wrong(nil, i, "a JSON value")
		return -1
	}
	return i + len(word)
}

// quoted returns where the string ends that starts at s[i]: at its last quote, or -1 if it is not a JSON string of
// UTF-8.
func (d *decoder) quoted(i int) (end int, escaped bool) {
	end = plain(d.text, i+1)
	if end < len(d.text) && d.text[end] == '"' {
		return end, false
	}
	return d.oddlyQuoted(i, end)
}

// oddlyQuoted is quoted for a string that starts at s[start] and has at s[i] what is not plain.
func (d *decoder) oddlyQuoted(start, i int) (end int, escaped bool) {
	s := d.text
	for i < len(s) {
		switch c := s[i]; {
		case c == '"':
			return i, escaped
		case c == '\\':
			_, size := escape(s, i)
			if size == 0 {
				d.fail(nil, i, "the string has an invalid escape"+d.shown(s[i:min(i+6, len(s))]))
				return -1, false
			}
			i, escaped = i+size, true
		case c < ' ':
			d.fail(nil, i, "the string has a control character, "+quote(string(s[i:i+1]))+"; escape it")
			return -1, false
		default:
			for i < len(s) && s[i] >= utf8.RuneSelf {
				r, size := utf8.DecodeRune(s[i:])
				if r == utf8.RuneError && size == 1 {
					d.fail(nil, i, "the string is not UTF-8")
					return -1, false
				}
				i += size
			}
		}
		i = plain(s, i)
	}
	d.fail(nil, start, "the string does not end")
	return -1, false
}

// escape reads the escape at s[i]. Its size is 0 if it is none: half of a surrogate pair is none.
func escape(s []byte, i int) (r rune, size int) {
	if i+1 >= len(s) {
		return 0, 0
	}
	switch c := s[i+1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return unicodeEscape(s, i)
	}
	return 0, 0
}

func unicodeEscape(s []byte, i int) (r rune, size int) {
	r = hexRune(s, i+2)
	switch {
	case r < 0:
		return 0, 0
	case r < 0xd800 || r > 0xdfff:
		return r, 6
	case r > 0xdbff || i+7 >= len(s) || s[i+6] != '\\' || s[i+7] != 'u':
		return 0, 0
	}
	low := hexRune(s, i+8)
	if low < 0xdc00 || low > 0xdfff {
		return 0, 0
	}
	return (r-0xd800)<<10 | (low - 0xdc00) + 0x10000, 12
}

// hexRune reads four hexadecimal digits, or returns -1.
func hexRune(s []byte, i int) rune {
	if i+4 > len(s) {
		return -1
	}
	var r rune
	for _, c := range s[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// unescape appends the inside of a JSON string. What is no escape stays as it is.
func unescape(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		start := i
		if s[i] == '\\' {
			if r, size := escape(s, i); size > 0 {
				dst = utf8.AppendRune(dst, r)
				i += size
				continue
			}
			i++
		}
		for i < len(s) && s[i] != '\\' {
			i++
		}
		dst = append(dst, s[start:i]...)
	}
	return dst
}

// str reads the string at s[i]. What it returns is valid until the next call.
func (d *decoder) str(i int) (text []byte, next int) {
	end, escaped := d.quoted(i)
	if end < 0 {
		return nil, -1
	}
	text = d.text[i+1 : end]
	if escaped {
		d.spare = unescape(d.spare[:0], text)
		text = d.spare
	}
	return text, end + 1
}

// appendStr appends the string at s[i], its length first.
func (d *decoder) appendStr(dst []byte, i int) ([]byte, int) {
	end, escaped := d.quoted(i)
	if end < 0 {
		return dst, -1
	}
	if escaped {
		dst = append(dst, 0)
		at := len(dst)
		return closeLength(unescape(dst, d.text[i+1:end]), at, 1), end + 1
	}
	dst = appendTag(dst, uint64(end-i-1))
	return append(dst, d.text[i+1:end]...), end + 1
}

// skip steps over a value of any kind, which must be JSON all the same.
func (d *decoder) skip(i int) int {
	switch d.at(i) {
	case '{', '[':
		return d.skipInside(i, d.text[i]+2, false)
	case '"':
		end, _ := d.quoted(i)
		if end < 0 {
			return -1
		}
		return end + 1
	case 't':
		return d.literal(i, "true")
	case 'f':
		return d.literal(i, "false")
	case 'n':
		return d.literal(i, "null")
	}
	end := numberEnd(d.text, i)
	if end < 0 {
		d.wrong(nil, i, "a JSON value")
	}
	return end
}

// skipInside steps over the object or array at s[i], which close ends. With scan it notes where objects have their
// "@type".
func (d *decoder) skipInside(i int, close byte, scan bool) int {
	start := i
	if i = d.open(i); i < 0 {
		return -1
	}
	if d.at(i) == close {
		d.depth--
		return i + 1
	}
	for more := true; more; {
		if close == '}' {
			name, next := d.nameAt(i)
			if next < 0 {
				return -1
			}
			i = space(d.text, next)
			if scan && string(name) == "@type" {
				d.types.note(start, i)
			}
		}
		if c := d.at(i); scan && (c == '{' || c == '[') {
			i = d.skipInside(i, c+2, scan)
		} else {
			i = d.skip(i)
		}
		if i < 0 {
			return -1
		}
		if i, more = d.following(i, close); i < 0 {
			return -1
		}
	}
	return i
}
