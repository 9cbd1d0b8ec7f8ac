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
func document(env *front.Env, fronts []front.Front, w http.ResponseWriter, r *http.Request, t *front.Table) (answered bool) {
	write := t.Documents[r.URL.Path]
	if write == nil {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header().Set("Allow", documentMethods)
		w.WriteHeader(http.StatusNoContent)
		env.Unrouted("document", rpc.NewID(), http.StatusNoContent, r)
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
	seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	http.ServeContent(seen, r, "", time.Time{}, bytes.NewReader(content))
	env.Unrouted("document", rpc.NewID(), seen.status, r)
	return true
}

// statusWriter notes the status for the access log.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
