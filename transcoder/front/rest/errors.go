package rest

import (
	"net/http"
	"strings"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// writeError answers with an error and returns its HTTP status. Whatever the request accepts, it is JSON.
func writeError(w http.ResponseWriter, r *http.Request, err error, id string, types program.Resolver, shape front.Shape) int {
	f := front.FailureOf(err)
	errorShape(r.Header, shape).Write(w, r, f, id, types)
	return f.HTTP
}

// errorShape is what a client asks for that names application/problem+json, and likes it no less than other JSON; for all
// others it is what is configured. Ranges such as */* name nothing.
func errorShape(h http.Header, configured front.Shape) front.Shape {
	if configured == front.GRPCGateway || !namesProblem(h) { // grpc-gateway does not look at Accept
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
