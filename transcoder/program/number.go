package program

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
)

// numberEnd returns where the JSON number ends that starts at b[i], or -1 if there is none.
func numberEnd(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && isDigit(b[i]):
		i = digitsEnd(b, i)
	default:
		return -1
	}
	if i < len(b) && b[i] == '.' {
		start := i + 1
		if i = digitsEnd(b, start); i == start {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start := i
		if i = digitsEnd(b, start); i == start {
			return -1
		}
	}
	return i
}

func isDigit(c byte) bool { return c-'0' < 10 }

func digitsEnd(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// parseInteger reads the number at b[i] and returns its absolute value, its sign and where it ends. The end is -1 if it
// is not a whole number of 64 bits. 1.0 and 1e2 are whole numbers.
func parseInteger(b []byte, i int) (v uint64, negative bool, end int) {
	start := i
	if i < len(b) && b[i] == '-' {
		negative = true
		i++
	}
	first := i
	for i < len(b) && isDigit(b[i]) {
		v = v*10 + uint64(b[i]-'0')
		i++
	}
	switch n := i - first; {
	case n == 0, n > 19, n > 1 && b[first] == '0', i < len(b) && (b[i] == '.' || b[i]|0x20 == 'e'):
		return parseWhole(b, start)
	}
	return v, negative, i
}

// wholeDigitsMax is how many digits an uint64 has. A number of more is none, whatever its exponent; so no exponent makes
// a loop long.
const wholeDigitsMax = 20

// parseWhole is parseInteger for what has a fraction, an exponent, or many digits. It takes what protojson takes.
func parseWhole(b []byte, i int) (v uint64, negative bool, end int) {
	if end = numberEnd(b, i); end < 0 {
		return 0, false, -1
	}
	number := b[i:end]
	if number[0] == '-' {
		negative, number = true, number[1:]
	}
	exponent := 0
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		exponent = parseExponent(number[e+1:])
		number = number[:e]
	}
	whole, fraction, _ := bytes.Cut(number, []byte("."))
	fraction = bytes.TrimRight(fraction, "0")
	if whole[0] == '0' {
		whole = nil
	}
	if len(whole) == 0 && len(fraction) == 0 {
		return 0, false, end
	}
	if exponent < len(fraction) && (exponent >= 0 || len(fraction) > 0) || len(whole)+exponent > wholeDigitsMax || len(whole)+exponent <= 0 {
		return 0, false, -1
	}
	zeros := exponent - len(fraction)
	if exponent < 0 {
		kept := len(whole) + exponent
		if len(bytes.Trim(whole[kept:], "0")) > 0 {
			return 0, false, -1
		}
		whole, zeros = whole[:kept], 0
	}
	v, ok := appendDigits(0, whole)
	if ok {
		v, ok = appendDigits(v, fraction)
	}
	if ok {
		v, ok = appendDigits(v, []byte("00000000000000000000")[:zeros])
	}
	if !ok {
		return 0, false, -1
	}
	return v, negative, end
}

// parseExponent reads an exponent. Beyond those of 32 bits it is as good as one of them: no number has it.
func parseExponent(b []byte) int {
	n, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil {
		return math.MaxInt32
	}
	return int(n)
}

// appendDigits reads on in a decimal. It is false if that has more than 64 bits.
func appendDigits(v uint64, digits []byte) (uint64, bool) {
	for _, c := range digits {
		high, low := bits.Mul64(v, 10)
		sum, carry := bits.Add64(low, uint64(c-'0'), 0)
		if high|carry != 0 {
			return 0, false
		}
		v = sum
	}
	return v, true
}

// parseFloat reads the number at b[i], rounded to a float of size bits. The end is -1 if it is no number, or beyond the
// largest float.
func parseFloat(b []byte, i, size int) (v float64, end int) {
	if v, end = parseShort(b, i, size); end >= 0 {
		return v, end
	}
	if end = numberEnd(b, i); end < 0 {
		return 0, -1
	}
	v, err := strconv.ParseFloat(string(b[i:end]), size)
	if err != nil {
		return 0, -1
	}
	return v, end
}

// parseShort reads a number that is an integer divided by a power of ten, both of which a float of size bits has
// exactly: then the quotient is rounded only once, as it must be. It is most numbers that people write, at a third of
// strconv's time.
func parseShort(b []byte, i, size int) (v float64, end int) {
	negative := i < len(b) && b[i] == '-'
	if negative {
		i++
	}
	first, m := i, uint64(0)
	for i < len(b) && isDigit(b[i]) {
		m = m*10 + uint64(b[i]-'0')
		i++
	}
	whole, fraction := i-first, 0
	if whole == 0 || whole > 1 && b[first] == '0' {
		return 0, -1
	}
	if i < len(b) && b[i] == '.' {
		i++
		for i < len(b) && isDigit(b[i]) {
			m = m*10 + uint64(b[i]-'0')
			i++
			fraction++
		}
		if fraction == 0 {
			return 0, -1
		}
	}
	if whole+fraction > 15 || i < len(b) && b[i]|0x20 == 'e' {
		return 0, -1
	}
	if size == 32 {
		if m >= 1<<24 || fraction > 10 {
			return 0, -1
		}
		v = float64(float32(m) / float32(powers[fraction]))
	} else {
		v = float64(m) / float64(powers[fraction])
	}
	if negative {
		v = math.Copysign(v, -1)
	}
	return v, i
}
