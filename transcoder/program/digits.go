package program

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
)

// pairs holds the two digits of each number below 100.
const pairs = "0001020304050607080910111213141516171819" +
	"2021222324252627282930313233343536373839" +
	"4041424344454647484950515253545556575859" +
	"6061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// appendUint appends v in decimal.
func appendUint(dst []byte, v uint64) []byte {
	if v < 10 {
		return append(dst, byte('0'+v))
	}
	n := len(dst)
	dst = slices.Grow(dst, 20)
	dst = dst[:n+digits(v)]
	putDigits(dst[n:], v)
	return dst
}

// appendInt appends v in decimal.
func appendInt(dst []byte, v int64) []byte {
	if v < 0 {
		return appendUint(append(dst, '-'), -uint64(v))
	}
	return appendUint(dst, uint64(v))
}

// putDigits fills p with the last len(p) digits of v.
func putDigits(p []byte, v uint64) {
	n := len(p)
	for n >= 2 {
		q := v / 100
		r := (v - q*100) * 2
		v = q
		n -= 2
		p[n], p[n+1] = pairs[r], pairs[r+1]
	}
	if n == 1 {
		p[0] = byte('0' + v%10)
	}
}

// digits is how many digits v has. v is not 0.
func digits(v uint64) int {
	n := bits.Len64(v) * 1233 >> 12 // 1233/4096 is a little more than log10(2)
	if v >= powers[n] {
		n++
	}
	return n
}

var powers = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

// appendDouble appends v as ProtoJSON has it: the shortest digits that read back as v, in the notation of ECMAScript,
// and quoted names for what JSON has no numbers for.
func appendDouble(dst []byte, v float64) []byte {
	a := math.Abs(v)
	if a < 1<<53 && a >= 1e-6 {
		if out, ok := appendDecimal(dst, v, a); ok {
			return out
		}
	}
	return appendFloat(dst, v, a, a < 1e-6 || a >= 1e21, 64)
}

// appendSingle is appendDouble with the digits that read back as a float.
func appendSingle(dst []byte, f float32) []byte {
	v := float64(f)
	a := math.Abs(v)
	if a < 1<<24 && a == math.Trunc(a) && a != 0 {
		return appendInt(dst, int64(v))
	}
	return appendFloat(dst, v, a, float32(a) < 1e-6 || float32(a) >= 1e21, 32)
}

// appendDecimal appends a double that is a decimal of at most fifteen digits, six of them behind the point: most that
// people write. No two such decimals are the same double, so if n/1e6, which is rounded as a parser would round it,
// is v, then n has the shortest digits. It takes a fifth of the time of strconv's search.
func appendDecimal(dst []byte, v, a float64) ([]byte, bool) {
	if a == math.Trunc(a) {
		return appendInt(dst, int64(v)), true
	}
	if a >= 1e9 {
		return dst, false
	}
	n := uint64(a*1e6 + 0.5)
	if float64(n)/1e6 != a {
		return dst, false
	}
	if v < 0 {
		dst = append(dst, '-')
	}
	dst = appendUint(dst, n/1e6)
	var fraction [7]byte
	fraction[0] = '.'
	putDigits(fraction[1:], n%1e6)
	end := len(fraction)
	for fraction[end-1] == '0' {
		end--
	}
	return append(dst, fraction[:end]...), true
}

func appendFloat(dst []byte, v, a float64, exponent bool, size int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	case !exponent || a == 0:
		return strconv.AppendFloat(dst, v, 'f', -1, size)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, size)
	if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-09 is e-9
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
