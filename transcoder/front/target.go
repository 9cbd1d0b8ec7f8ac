package front

import (
	"net/http"
	"strings"
)

// Target returns the path and the query as the client sent them. net/url decodes and loses what routing needs, so they
// are cut from the request line; only a request that some handler before this one rewrote has no such line.
func Target(r *http.Request) (path, query string) {
	raw := r.RequestURI
	if raw == "" {
		return r.URL.EscapedPath(), r.URL.RawQuery
	}
	if raw[0] != '/' { // absolute-form, which a server has to take (RFC 9112, section 3.2.2)
		if _, rest, ok := strings.Cut(raw, "://"); ok {
			start := strings.IndexAny(rest, "/?")
			if start < 0 {
				return "/", ""
			}
			if raw = rest[start:]; raw[0] == '?' {
				raw = "/" + raw
			}
		}
	}
	path, query, _ = strings.Cut(raw, "?")
	return path, query
}
