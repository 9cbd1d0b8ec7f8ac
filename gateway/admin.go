package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// guard protects the admin listener. A browser that visits a hostile page must not be able to reach it: Host has to
// be an address, localhost or a configured name, which ends DNS rebinding, and a request from another origin is
// refused, which ends cross-site requests. With a key configured, every path but health and readiness needs it.
type guard struct {
	next   http.Handler
	refuse func(http.ResponseWriter, *http.Request, error)
	hosts  []string
	key    []byte // SHA-256; nil means none
}

func newGuard(cfg *configv1.Admin, refuse func(http.ResponseWriter, *http.Request, error), next http.Handler) *guard {
	g := &guard{next: next, refuse: refuse, hosts: cfg.GetHosts()}
	if k := cfg.GetKeySha256(); k != "" {
		g.key, _ = hex.DecodeString(k) // checked with the configuration
	}
	return g
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !g.known(r.Host):
		g.refuse(w, r, rpc.Errorf(codes.InvalidArgument, "MISDIRECTED",
			"this listener is addressed by IP address, as localhost, or by a name in admin.hosts"))
	case !g.sameOrigin(r):
		g.refuse(w, r, rpc.Errorf(codes.PermissionDenied, "ORIGIN_REFUSED", "requests from pages of another origin are refused"))
	case !openPath(r.URL.Path) && !g.admits(r):
		g.refuse(w, r, rpc.Errorf(codes.Unauthenticated, "ADMIN_KEY_REQUIRED",
			"this listener wants the gateway's admin key, as Authorization: Bearer; gatehouse's verbs take it from --admin-key-file or GATEHOUSE_ADMIN_KEY"))
	default:
		r.Header.Del("Authorization") // it was for this guard; to the methods behind it the caller is anonymous
		g.next.ServeHTTP(w, r)
	}
}

func openPath(path string) bool { return path == "/healthz" || path == "/readyz" }

func (g *guard) known(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]"))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || slices.ContainsFunc(g.hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// sameOrigin reports whether a request that says where it comes from comes from here. Tools say nothing.
func (g *guard) sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		return false
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host == r.Host
}

func (g *guard) admits(r *http.Request) bool {
	if g.key == nil {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.key) == 1
}
