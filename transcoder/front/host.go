package front

import (
	"net/http"
	"strings"
)

// HostsDisagree reports whether an HTTP/2 request names one host in :authority and another in a Host header. Whoever
// comes after the gateway might believe the other (RFC 9113, section 8.3.1). HTTP/1.1 says which one counts.
func HostsDisagree(r *http.Request) bool {
	for _, host := range r.Header["Host"] {
		if !strings.EqualFold(host, r.Host) {
			return true
		}
	}
	return false
}
