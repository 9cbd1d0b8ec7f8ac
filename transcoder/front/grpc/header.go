package grpc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
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

// writeRefusal writes an answer that is one block of headers, with an HTTP status of its own.
func writeRefusal(w http.ResponseWriter, httpStatus int, id string, st *status.Status) {
	h := w.Header()
	h["Date"], h["Content-Length"] = nil, nil // clients would take them for trailers
	h.Set("Content-Type", contentType)
	writeStatus(h, "", id, st)
	w.WriteHeader(httpStatus)
}

// zero is the grpc-status of most calls, which nobody changes in place.
var zero = []string{"0"}

// writeStatus adds how a call ended to trailers, or, with an empty prefix, to headers. The decision id goes with a
// failure.
func writeStatus(h http.Header, prefix, id string, st *status.Status) {
	if st.Code() == 0 {
		h[prefix+"Grpc-Status"] = zero
		return
	}
	h[prefix+"Grpc-Status"] = []string{strconv.Itoa(int(st.Code()))}
	h[prefix+http.CanonicalHeaderKey(decisionIDKey)] = []string{id}
	if m := st.Message(); m != "" {
		h[prefix+"Grpc-Message"] = []string{encodeMessage(m)}
	}
	if p := st.Proto(); len(p.GetDetails()) > 0 {
		if details, ok := encodeDetails(p); ok {
			h[prefix+"Grpc-Status-Details-Bin"] = []string{details}
		}
	}
}

// encodeDetails returns the status as grpc-status-details-bin: unpadded base64 of its encoding.
func encodeDetails(p *spb.Status) (string, bool) {
	wire, err := proto.Marshal(p)
	return base64.RawStdEncoding.EncodeToString(wire), err == nil // it fails on text that is not UTF-8
}

// encodeMessage percent-encodes a message: everything outside 0x20 to 0x7E, and "%" (gRPC over HTTP/2,
// "Status-Message"). What is not UTF-8 is replaced by U+FFFD.
func encodeMessage(m string) string {
	m = strings.ToValidUTF8(m, string(utf8.RuneError))
	plain := func(c byte) bool { return c >= ' ' && c <= '~' && c != '%' }
	var b strings.Builder
	for i := range len(m) {
		if plain(m[i]) {
			b.WriteByte(m[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", m[i])
		}
	}
	return b.String()
}
