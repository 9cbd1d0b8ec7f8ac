package rest

import (
	"mime"
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
)

// sameOrigin knows requests of other origins' pages by Sec-Fetch-Site or Origin.
var sameOrigin http.CrossOriginProtection

// forged refuses what a page of another origin sends in the name of a caller whom the connection itself identifies. For most requests
// browsers ask first (CORS), but not for a POST with no more about its body than a form says: without a body, without a Content-Type, or
// with one of a form's.
func forged(r *http.Request, policy *cors.Policy) error {
	if r.Method != http.MethodPost || !front.Certified(r) || !unasked(r.Header["Content-Type"]) {
		return nil
	}
	if sameOrigin.Check(r) == nil || policy.Trusts(r.Header.Get("Origin")) {
		return nil
	}
	return rpc.Errorf(codes.PermissionDenied, "ORIGIN_REFUSED",
		"web pages of other origins may not call in the name of a client certificate; name JSON as the Content-Type, and have the origin allowed with credentials (cors)")
}

// unasked reports whether a page may send a Content-Type to anybody (the Fetch standard, "CORS-safelisted request-header").
func unasked(values []string) bool {
	if len(values) != 1 {
		return true
	}
	media, _, err := mime.ParseMediaType(values[0])
	return err != nil || media == typeForm || media == typeParts || media == "text/plain"
}
