package program

import "errors"

// Bounds of google.protobuf.Timestamp (years 1 to 9999) and Duration (10,000 years), and of their nanoseconds.
const (
	timestampMin = -62135596800
	timestampMax = 253402300799
	durationMax  = 315576000000
	nanosMax     = 999999999
)

var (
	errSeconds = errors.New("seconds out of range")
	errNanos   = errors.New("nanos out of range")
	errSigns   = errors.New("signs of seconds and nanos do not match")
)

// appendTimestamp appends a google.protobuf.Timestamp: RFC 3339, in UTC, with 0, 3, 6 or 9 digits of a second.
func appendTimestamp(dst []byte, seconds int64, nanos int32) ([]byte, error) {
	if seconds < timestampMin || seconds > timestampMax {
		return dst, errSeconds
	}
	if nanos < 0 || nanos > nanosMax {
		return dst, errNanos
	}
	since := uint64(seconds - timestampMin) // the start of year 1
	year, month, day := civil(uint32(since / 86400))
	clock := since % 86400
	var p [21]byte
	copy(p[:], `"0000-00-00T00:00:00`)
	putDigits(p[1:5], uint64(year))
	putDigits(p[6:8], uint64(month))
	putDigits(p[9:11], uint64(day))
	putDigits(p[12:14], clock/3600)
	putDigits(p[15:17], clock/60%60)
	putDigits(p[18:20], clock%60)
	dst = appendFraction(append(dst, p[:20]...), uint64(nanos))
	return append(dst, 'Z', '"'), nil
}

// civil returns the date so many days after 0001-01-01, in the Gregorian calendar. It counts in years that start in
// March, so that the leap day is the last of its year, and in eras of 400 years, which all have the same length.
func civil(days uint32) (year, month, day uint32) {
	days += 306 // since 0000-03-01
	era, of := days/146097, days%146097
	y := (of - of/1460 + of/36524 - of/146096) / 365
	of -= 365*y + y/4 - y/100
	m := (5*of + 2) / 153 // months of 31, 30, 31, 30, 31 days, twice and on
	day = of - (153*m+2)/5 + 1
	year, month = era*400+y, m+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// appendDuration appends a google.protobuf.Duration: seconds with 0, 3, 6 or 9 digits behind the point, and "s".
func appendDuration(dst []byte, seconds int64, nanos int32) ([]byte, error) {
	if seconds < -durationMax || seconds > durationMax {
		return dst, errSeconds
	}
	if nanos < -nanosMax || nanos > nanosMax {
		return dst, errNanos
	}
	if seconds > 0 && nanos < 0 || seconds < 0 && nanos > 0 {
		return dst, errSigns
	}
	dst = append(dst, '"')
	if seconds < 0 || nanos < 0 {
		dst, seconds, nanos = append(dst, '-'), -seconds, -nanos
	}
	dst = appendFraction(appendUint(dst, uint64(seconds)), uint64(nanos))
	return append(dst, 's', '"'), nil
}

// appendFraction appends nanoseconds as 0, 3, 6 or 9 digits behind a point.
func appendFraction(dst []byte, nanos uint64) []byte {
	if nanos == 0 {
		return dst
	}
	var p [10]byte
	p[0] = '.'
	putDigits(p[1:], nanos)
	switch {
	case nanos%1e6 == 0:
		return append(dst, p[:4]...)
	case nanos%1e3 == 0:
		return append(dst, p[:7]...)
	}
	return append(dst, p[:]...)
}
