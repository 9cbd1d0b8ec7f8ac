package program

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// textForm reads the string of a well-known type by one of the functions below.
func (d *decoder) textForm(dst []byte, i int, expected string, read func(dst, text []byte) ([]byte, bool)) ([]byte, int) {
	if d.at(i) != '"' {
		return d.wrong(dst, i, expected)
	}
	text, next := d.str(i)
	if next < 0 {
		return dst, -1
	}
	dst, ok := read(dst, text)
	if !ok {
		return d.wrong(dst, i, expected)
	}
	return dst, next
}

func (d *decoder) timestamp(dst []byte, i int) ([]byte, int) {
	read := readTimestamp
	if d.loose {
		read = readTimestampAsGo
	}
	return d.textForm(dst, i, "a time by RFC 3339 in the years 1 to 9999, such as 2006-01-02T15:04:05.5Z", read)
}

func (d *decoder) duration(dst []byte, i int) ([]byte, int) {
	return d.textForm(dst, i, "seconds such as 1.5s, at most 315576000000s", readDuration)
}

func (d *decoder) fieldMask(dst []byte, i int) ([]byte, int) {
	return d.textForm(dst, i, "field names in lowerCamelCase separated by commas", func(dst, text []byte) ([]byte, bool) {
		return readMask(dst, bytes.TrimSpace(text), false)
	})
}

// readTimestamp appends the fields of a google.protobuf.Timestamp, from RFC 3339 to the letter: Go's time.Parse also
// takes a comma before the fraction, an hour of one digit, and offsets that no clock has.
func readTimestamp(dst, text []byte) ([]byte, bool) {
	const size = len("0000-00-00T00:00:00")
	if len(text) <= size || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':' {
		return dst, false
	}
	century, year := twoDigits(text, 0), twoDigits(text, 2)
	month, day := twoDigits(text, 5), twoDigits(text, 8)
	hour, minute, second := twoDigits(text, 11), twoDigits(text, 14), twoDigits(text, 17)
	if century|year|month|day|hour|minute|second < 0 {
		return dst, false
	}
	year += 100 * century
	if month < 1 || month > 12 || day < 1 || day > daysOf(year, month) || hour > 23 || minute > 59 || second > 59 {
		return dst, false
	}
	nanos, i := readFraction(text, size)
	if i < 0 {
		return dst, false
	}
	offset, ok := readOffset(text[i:])
	seconds := daysSince(year, month, day)*86400 + int64(hour*3600+minute*60+second) - offset
	if !ok || seconds < timestampMin || seconds > timestampMax {
		return dst, false
	}
	return appendSeconds(dst, seconds, nanos), true
}

// twoDigits returns the number at text[i], or a negative one if it is none.
func twoDigits(text []byte, i int) int {
	a, b := text[i]-'0', text[i+1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

func daysOf(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince counts the days from 1970-01-01, in years that start in March. It is the inverse of civil.
func daysSince(year, month, day int) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	year += 400 // so that no division is of a negative number
	return int64(365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - 719468 - 146097)
}

// readFraction reads the nanoseconds at text[i], behind a point, and returns where they end, or -1. There may be none.
func readFraction(text []byte, i int) (nanos int64, end int) {
	if i == len(text) || text[i] != '.' {
		return 0, i
	}
	start := i + 1
	end = digitsEnd(text, start)
	if end == start || end-start > 9 {
		return 0, -1
	}
	return nanosOf(text[start:end]), end
}

// nanosOf returns the nanoseconds that at most nine digits behind a point are.
func nanosOf(digits []byte) int64 {
	var nanos int64
	for i := range 9 {
		nanos *= 10
		if i < len(digits) {
			nanos += int64(digits[i] - '0')
		}
	}
	return nanos
}

// readOffset reads a time zone, in seconds.
func readOffset(text []byte) (offset int64, ok bool) {
	if len(text) == 1 && text[0] == 'Z' {
		return 0, true
	}
	if len(text) != 6 || text[0] != '+' && text[0] != '-' || text[3] != ':' {
		return 0, false
	}
	hour, minute := twoDigits(text, 1), twoDigits(text, 4)
	offset = int64(hour*3600 + minute*60)
	if text[0] == '-' {
		offset = -offset
	}
	return offset, hour|minute >= 0 && hour < 24 && minute < 60
}

// readDuration appends the fields of a google.protobuf.Duration. Like protojson it also takes a plus, and a point with
// digits on one side only.
func readDuration(dst, text []byte) ([]byte, bool) {
	if len(text) < 2 || text[len(text)-1] != 's' {
		return dst, false
	}
	text = text[:len(text)-1]
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	whole := digitsEnd(text, 0)
	if len(text) == 0 || whole > 1 && text[0] == '0' || whole > len("315576000000") {
		return dst, false
	}
	var seconds, nanos int64
	for _, c := range text[:whole] {
		seconds = seconds*10 + int64(c-'0')
	}
	if rest := text[whole:]; len(rest) > 0 {
		if rest[0] != '.' || len(rest) > 10 || digitsEnd(rest, 1) != len(rest) {
			return dst, false
		}
		nanos = nanosOf(rest[1:])
	}
	if seconds > durationMax {
		return dst, false
	}
	if negative {
		seconds, nanos = -seconds, -nanos
	}
	return appendSeconds(dst, seconds, nanos), true
}

// appendSeconds appends the fields that Timestamp and Duration have in common.
func appendSeconds(dst []byte, seconds, nanos int64) []byte {
	const tagSeconds, tagNanos = 1 << 3, 2 << 3
	if seconds != 0 {
		dst = protowire.AppendVarint(append(dst, tagSeconds), uint64(seconds))
	}
	if nanos != 0 {
		dst = protowire.AppendVarint(append(dst, tagNanos), uint64(nanos))
	}
	return dst
}

const tagPath = 1<<3 | byte(protowire.BytesType) // of google.protobuf.FieldMask

// readMask appends the paths of a google.protobuf.FieldMask. With snake each of them may also be written as in the
// .proto file.
func readMask(dst, text []byte, snake bool) ([]byte, bool) {
	if len(text) == 0 {
		return dst, true
	}
	for more := true; more; {
		var path []byte
		path, text, more = bytes.Cut(text, []byte(","))
		proto := snake && bytes.IndexByte(path, '_') >= 0
		if !isDotted(path, proto) {
			return dst, false
		}
		dst = append(dst, tagPath, 0)
		at := len(dst)
		if proto {
			dst = append(dst, path...)
		} else {
			dst = appendSnake(dst, path)
		}
		dst = closeLength(dst, at, 1)
	}
	return dst, true
}

// appendSnake appends a path in the case of the .proto file, from lowerCamelCase.
func appendSnake(dst, path []byte) []byte {
	for _, c := range path {
		if 'A' <= c && c <= 'Z' {
			dst = append(dst, '_')
		}
		dst = append(dst, lower(c))
	}
	return dst
}

// isDotted tells whether path is names joined by points: with underscores or without.
func isDotted(path []byte, underscores bool) bool {
	start := true
	for _, c := range path {
		letter := 'a' <= lower(c) && lower(c) <= 'z' || underscores && c == '_'
		if !letter && (start || c != '.' && !isDigit(c)) {
			return false
		}
		start = c == '.'
	}
	return !start
}
