package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// writeError answers with an error and returns its HTTP status. Whatever the request accepts, it is JSON.
func writeError(w http.ResponseWriter, r *http.Request, err error, id string, types program.Resolver) int {
	f := front.FailureOf(err)
	body := aip193(f, types)
	h := w.Header()
	f.SetHeaders(h)
	h.Set("Content-Type", typeJSON)
	if !announcesTrailers(h) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Gatehouse-Decision-Id", id)
	w.WriteHeader(f.HTTP)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone misses it
	}
	return f.HTTP
}

// announcesTrailers reports whether trailers will follow the body: HTTP/1.1 has them only without a Content-Length.
func announcesTrailers(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// aip193 returns {"error":{…}}, the form of AIP-193. Its code is the response's HTTP status.
func aip193(f front.Failure, types program.Resolver) []byte {
	type body struct {
		Code    int               `json:"code"`
		Message string            `json:"message"`
		Status  string            `json:"status"`
		Details []json.RawMessage `json:"details,omitempty"`
	}
	var out struct {
		Error body `json:"error"`
	}
	p := f.Status.Proto()
	out.Error = body{Code: f.HTTP, Message: p.GetMessage(), Status: code.Code(p.GetCode()).String()}
	for _, d := range p.GetDetails() {
		out.Error.Details = append(out.Error.Details, front.DetailJSON(d, types))
	}
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf) // replaces what is not UTF-8, escapes line breaks, compacts what protojson spaced
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(out) // a string, a number and valid JSON always encode
	return bytes.TrimRight(buf.Bytes(), "\n")
}
