package transcoder

import (
	"bytes"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// documentMethods are what a document's path answers.
const documentMethods = "GET, HEAD, OPTIONS"

// document answers a request to the path of a document, and reports that it did.
func document(fronts []front.Front, w http.ResponseWriter, r *http.Request, t *front.Table) (answered bool) {
	write := t.Documents[r.URL.Path]
	if write == nil {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Allow", documentMethods)
		w.WriteHeader(http.StatusNoContent)
		return true
	default:
		w.Header().Set("Allow", documentMethods)
		detect(fronts, r).Refuse(w, r, rpc.Errorf(codes.Unimplemented, "METHOD_NOT_ALLOWED", "%s is served to GET and HEAD only", r.URL.Path))
		return true
	}
	content, media, etag, err := write(r.URL.Query())
	if err != nil {
		detect(fronts, r).Refuse(w, r, err)
		return true
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("ETag", etag)
	h.Set("Cache-Control", "no-cache") // the next schema has another, under the same address
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return true
}
