package grpc

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
)

// timeoutOf reads grpc-timeout: at most 8 digits and a unit (gRPC over HTTP/2, "Timeout").
func timeoutOf(h http.Header) (d time.Duration, ok bool, err error) {
	values := h["Grpc-Timeout"]
	if len(values) == 0 {
		return 0, false, nil
	}
	d, err = parseTimeout(values[0])
	return d, err == nil, err
}

var units = [256]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

func parseTimeout(s string) (time.Duration, error) {
	if len(s) < 2 || len(s) > 9 {
		return 0, fmt.Errorf("%q is not 1 to 8 digits and a unit", s)
	}
	unit := units[s[len(s)-1]]
	if unit == 0 {
		return 0, fmt.Errorf("%q does not end in one of H M S m u n", s)
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q: %w", s, errors.Unwrap(err))
	}
	if n > uint64(math.MaxInt64/unit) {
		return math.MaxInt64, nil
	}
	return time.Duration(n) * unit, nil
}

// writeRefusal writes an answer that is one block of headers, with an HTTP status of its own, in the content type of the request if
// that is served.
func writeRefusal(w http.ResponseWriter, r *http.Request, httpStatus int, id string, st *status.Status) {
	h := w.Header()
	h["Date"], h["Content-Length"] = nil, nil // clients would take them for trailers
	h["Content-Type"] = plainType
	if name, _ := subtype(r.Header.Get("Content-Type")); name == subtypeJSON {
		h["Content-Type"] = []string{contentType + "+" + subtypeJSON}
	}
	framed.WriteStatus(h, "", id, st)
	w.WriteHeader(httpStatus)
}
