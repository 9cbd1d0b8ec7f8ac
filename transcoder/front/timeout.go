package front

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Timeout returns how long the client wants to wait: the first that is there of grpc-timeout, connect-timeout-ms and
// x-server-timeout. ok is false if there is none. What is longer than time.Duration can say is as long as it can say.
func Timeout(h http.Header) (d time.Duration, ok bool, err error) {
	for _, format := range timeouts {
		values := h[format.name]
		if len(values) == 0 {
			continue
		}
		d, ok = format.parse(values[0])
		if !ok || len(values) > 1 {
			return 0, false, rpc.Errorf(codes.InvalidArgument, "MALFORMED_TIMEOUT", "the header %s must be %s, once",
				strings.ToLower(format.name), format.form)
		}
		return d, true, nil
	}
	return 0, false, nil
}

// timeouts are the headers that carry a timeout, the first one there counts. Names are spelled as net/http does.
var timeouts = [...]struct {
	name, form string
	parse      func(string) (time.Duration, bool)
}{
	{"Grpc-Timeout", "up to 8 digits and one of the units H M S m u n", ParseGRPCTimeout},
	{"Connect-Timeout-Ms", "a number of milliseconds of up to 10 digits", parseMillis},
	{"X-Server-Timeout", "a number of seconds such as 1.5, not negative", parseSeconds},
}

// ParseGRPCTimeout reads Timeout of the gRPC protocol: TimeoutValue is at most 8 digits.
func ParseGRPCTimeout(v string) (time.Duration, bool) {
	if len(v) < 2 {
		return 0, false
	}
	unit := timeoutUnits[v[len(v)-1]]
	n, ok := digits(v[:len(v)-1], 8)
	return times(n, unit), ok && unit > 0
}

var timeoutUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second,
	'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// parseMillis reads Connect-Timeout-Ms of the Connect protocol: at most 10 digits.
func parseMillis(v string) (time.Duration, bool) {
	n, ok := digits(v, 10)
	return times(n, time.Millisecond), ok
}

// parseSeconds reads X-Server-Timeout: a decimal number, without strconv's other spellings (0x1p4, inf, nan, 1_000).
func parseSeconds(v string) (time.Duration, bool) {
	if strings.Trim(v, "0123456789.eE+-") != "" || strings.HasPrefix(v, "-") {
		return 0, false
	}
	seconds, err := strconv.ParseFloat(v, 64)
	if err != nil && !math.IsInf(seconds, 1) {
		return 0, false
	}
	if seconds >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64, true
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// digits reads a number of one to most decimal digits, and nothing else.
func digits(v string, most int) (n int64, ok bool) {
	if v == "" || len(v) > most {
		return 0, false
	}
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(v[i]-'0')
	}
	return n, true
}

// times multiplies, and stays at the longest duration.
func times(n int64, unit time.Duration) time.Duration {
	if unit > 0 && n > math.MaxInt64/int64(unit) {
		return math.MaxInt64
	}
	return time.Duration(n) * unit
}
