package rest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// writeError answers with an error and returns its HTTP status. Whatever the request accepts, it is JSON.
func writeError(w http.ResponseWriter, r *http.Request, err error, id string, types program.Resolver, shape front.Shape) int {
	f := front.FailureOf(err)
	shape = errorShape(r.Header, shape)
	body := shape.JSON(f, types)
	h := w.Header()
	f.SetHeaders(h)
	h.Set("Content-Type", shape.MediaType())
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

// errorShape is what a client asks for that names application/problem+json, and likes it no less than other JSON; for all
// others it is what is configured. Ranges such as */* name nothing.
func errorShape(h http.Header, configured front.Shape) front.Shape {
	if !namesProblem(h) {
		return configured
	}
	asked, plain := 0.0, 0.0
	for _, r := range acceptRanges(h) {
		switch {
		case r.isProblem():
			asked = max(asked, r.q)
		case r.kind+"/"+r.subtype == typeJSON:
			plain = max(plain, r.q)
		}
	}
	if asked == 0 || asked < plain {
		return configured
	}
	return front.Problem
}

// namesProblem is false for most requests, at the price of a look.
func namesProblem(h http.Header) bool {
	for _, v := range h["Accept"] {
		if strings.Contains(strings.ToLower(v), front.TypeProblem) {
			return true
		}
	}
	return false
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
