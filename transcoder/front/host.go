package front

import (
	"net"
	"net/http"
	"strings"
)

// HostsDisagree reports whether an HTTP/2 request names one host in :authority and another in a Host header. Whoever
// comes after the gateway might believe the other (RFC 9113, section 8.3.1). HTTP/1.1 says which one counts. A client that a
// certificate identifies must not name one host to TLS and another to HTTP either (RFC 9110, section 7.4).
func HostsDisagree(r *http.Request) bool {
	if Certified(r) && r.TLS.ServerName != "" && !strings.EqualFold(r.TLS.ServerName, hostname(r.Host)) {
		return true
	}
	for _, host := range r.Header["Host"] {
		if !strings.EqualFold(host, r.Host) {
			return true
		}
	}
	return false
}

// Certified reports whether the connection itself identifies the caller, by a client certificate. A browser shows that for every page
// that calls, so what a page can send without being asked for its origin proves nothing about who wants it.
func Certified(r *http.Request) bool { return r.TLS != nil && len(r.TLS.PeerCertificates) > 0 }

// hostname is a host without its port, and without the dot at the end of a full name.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(host, ".")
}
