// Package cors decides which web pages of other origins may call, and what browsers are told of it.
package cors

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Policy says which web pages of other origins may call (the Fetch standard, section 3.2). It is immutable; nil allows none.
type Policy struct {
	origins     []originPattern
	any         bool
	credentials bool
	headers     string // "" for whatever a page asks for
	exposed     []string
	maxAge      []string
}

// Options are what an operator decides. Empty lists of headers have defaults, which are those of the protocols.
type Options struct {
	Origins, Headers, Exposed []string
	Credentials               bool
	MaxAge                    time.Duration // 0 is ten minutes
}

var (
	ownHeaders = []string{
		"authorization", "content-type", "content-encoding", "x-api-key", "connect-protocol-version", "connect-timeout-ms", "connect-content-encoding",
		"connect-accept-encoding", "x-grpc-web", "x-user-agent", "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "x-server-timeout",
		"x-goog-fieldmask", "if-none-match", "last-event-id", "traceparent", "tracestate", "x-request-id",
	}
	ownExposed = []string{
		"grpc-status", "grpc-message", "grpc-status-details-bin", "grpc-encoding", "grpc-accept-encoding", "connect-content-encoding",
		"connect-accept-encoding", "content-encoding", "content-disposition", "content-range", "etag", "retry-after", "www-authenticate",
		"gatehouse-decision-id",
	}
)

// New returns nil if no origin is allowed. It fails on an origin that is none, and on credentials for everybody.
func New(o Options) (*Policy, error) {
	if len(o.Origins) == 0 {
		return nil, nil
	}
	c := &Policy{credentials: o.Credentials, maxAge: []string{"600"}}
	for _, text := range o.Origins {
		if text == "*" {
			c.any = true
			continue
		}
		p, err := parseOrigin(text)
		if err != nil {
			return nil, err
		}
		c.origins = append(c.origins, p)
	}
	if c.any && c.credentials {
		return nil, errors.New("* with credentials lets every web page act as whoever opens it; name the origins")
	}
	if o.MaxAge > 0 {
		c.maxAge = []string{strconv.Itoa(int(o.MaxAge / time.Second))}
	}
	if !slices.Contains(o.Headers, "*") {
		c.headers = strings.Join(withDefault(o.Headers, ownHeaders), ", ")
	}
	exposed := strings.Join(withDefault(o.Exposed, ownExposed), ", ")
	if !c.credentials && (len(o.Exposed) == 0 || slices.Contains(o.Exposed, "*")) {
		exposed = "*"
	}
	c.exposed = []string{exposed}
	return c, nil
}

func withDefault(list, otherwise []string) []string {
	if len(list) == 0 {
		return otherwise
	}
	return list
}

// Allows reports whether pages of an origin may call. It is false on nil, and for "null", which is every page that hides where it
// comes from.
func (c *Policy) Allows(origin string) bool {
	if c == nil || origin == "null" || origin == "" {
		return false
	}
	return c.any || slices.ContainsFunc(c.origins, func(p originPattern) bool { return p.matches(origin) })
}

// Trusts reports whether pages of an origin may call with what a browser adds by itself, too.
func (c *Policy) Trusts(origin string) bool { return c.Allows(origin) && c.credentials }

// Allow lets a page of the origin read the response. It does nothing for an origin that may not call.
func (c *Policy) Allow(h http.Header, origin string) {
	if !c.Allows(origin) {
		return
	}
	c.name(h, origin)
	h["Access-Control-Expose-Headers"] = c.exposed
}

// AllowPreflight answers what a page may send, by which methods.
func (c *Policy) AllowPreflight(h http.Header, origin string, methods []string, asked []string) {
	if !c.Allows(origin) {
		return
	}
	c.name(h, origin)
	h["Access-Control-Allow-Methods"] = []string{strings.Join(methods, ", ")}
	h["Access-Control-Max-Age"] = c.maxAge
	switch {
	case c.headers != "":
		h["Access-Control-Allow-Headers"] = []string{c.headers}
	case len(asked) > 0:
		h["Access-Control-Allow-Headers"] = []string{tokens(asked)}
	}
}

func (c *Policy) name(h http.Header, origin string) {
	if c.any && len(c.origins) == 0 {
		origin = "*"
	}
	h["Access-Control-Allow-Origin"] = []string{origin}
	if c.credentials {
		h["Access-Control-Allow-Credentials"] = []string{"true"}
	}
}

// tokens keeps of a list what can be a header's name.
func tokens(values []string) string {
	var kept []string
	for _, list := range values {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" {
				kept = append(kept, name)
			}
		}
	}
	return strings.Join(kept, ", ")
}

// originPattern is an origin, of which the host may begin with any names, and the port may be any.
type originPattern struct {
	scheme, host, port string // in lower case; the port as an origin has it, "" for the scheme's own
	below, anyPort     bool
}

// parseOrigin reads an allowed origin.
func parseOrigin(text string) (p originPattern, err error) {
	bad := func(why string) (originPattern, error) {
		return p, fmt.Errorf("%q %s; write https://app.example.com, https://*.example.com, http://localhost:* or *", text, why)
	}
	scheme, rest, ok := strings.Cut(strings.ToLower(text), "://")
	if !ok || scheme == "" {
		return bad("has no scheme")
	}
	p.scheme = scheme
	rest, p.below = strings.CutPrefix(rest, "*.")
	rest, p.anyPort = strings.CutSuffix(rest, ":*")
	u, err := url.Parse("x://" + rest)
	if err != nil || u.Host != rest || u.Hostname() == "" || strings.ContainsAny(rest, "*@/?#%") {
		return bad("is no origin")
	}
	p.host, p.port = u.Hostname(), u.Port()
	if p.port == "" && rest != p.host && rest != "["+p.host+"]" {
		return bad("has no port after its colon")
	}
	if defaultPorts[p.scheme] == p.port {
		p.port = "" // as browsers write it
	}
	return p, nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443"}

func (p originPattern) matches(origin string) bool {
	scheme, host, port, ok := SplitOrigin(origin)
	if !ok || scheme != p.scheme || port != p.port && !p.anyPort {
		return false
	}
	if !p.below {
		return host == p.host
	}
	name, ok := strings.CutSuffix(host, "."+p.host)
	return ok && name != "" && !strings.HasPrefix(name, ".")
}

// SplitOrigin takes an origin apart as browsers serialize it (RFC 6454, section 6.2): in lower case, with the port only if it is
// not the scheme's own. What is anything else is not ok.
func SplitOrigin(origin string) (scheme, host, port string, ok bool) {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme+"://"+u.Host != origin || strings.ToLower(origin) != origin {
		return "", "", "", false
	}
	port = u.Port()
	if port != "" && port == defaultPorts[u.Scheme] {
		return "", "", "", false
	}
	return u.Scheme, u.Hostname(), port, true
}
