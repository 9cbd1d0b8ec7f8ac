package grpc

import (
	"fmt"
	"net/http"
	"time"

	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
)

// timeoutOf reads grpc-timeout: at most 8 digits and a unit (gRPC over HTTP/2, "Timeout").
func timeoutOf(h http.Header) (d time.Duration, ok bool, err error) {
	values := h["Grpc-Timeout"]
	if len(values) == 0 {
		return 0, false, nil
	}
	if d, ok = front.ParseGRPCTimeout(values[0]); !ok {
		return 0, false, fmt.Errorf("%q is not 1 to 8 digits and one of the units H M S m u n", values[0])
	}
	return d, true, nil
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
