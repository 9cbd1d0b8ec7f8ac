package config

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
)

// check looks at what a rule of one field cannot see: how settings go together, and the files that they name.
func (l *loader) check() {
	l.checkListeners()
	l.checkSchema()
	l.checkBackends()
	for i, text := range l.cfg.GetAllowedBackends() {
		if _, err := parsePattern(text); err != nil {
			l.reportf(at("allowed_backends", i), "%q: %v", text, err)
		}
	}
	for i, service := range l.cfg.GetServices() {
		l.checkService(at("services", i), service)
	}
	l.checkCORS("cors", l.cfg.GetCors())
	l.checkAuthn()
}

// checkCORS looks at origins.
func (l *loader) checkCORS(path string, c *configv1.Cors) {
	if _, err := cors.New(CORSOptions(c)); err != nil {
		l.reportf(path+".allowed_origins", "%v", err)
	}
}

// CORSOptions are the options that a part of the configuration stands for.
func CORSOptions(c *configv1.Cors) cors.Options {
	return cors.Options{
		Origins: c.GetAllowedOrigins(), Headers: c.GetAllowedHeaders(), Exposed: c.GetExposedHeaders(),
		Credentials: c.GetCredentials(), MaxAge: c.GetMaxAge().AsDuration(),
	}
}

// listener is one of the three, as the configuration names it.
type listener struct{ path, address string }

func (l *loader) checkListeners() {
	listeners := []listener{
		{"listen", l.cfg.GetListen()},
		{"listen_grpc", l.cfg.GetListenGrpc()},
		{"listen_admin", l.cfg.GetListenAdmin()},
	}
	for i, one := range listeners {
		if l.cfg.GetDev() && !loopback(one.address) {
			l.reportf(one.path, "--dev binds loopback only, and %s is not a loopback address; use 127.0.0.1, or configure access without dev", one.address)
		}
		for _, other := range listeners[:i] {
			if one.address == other.address && !strings.HasSuffix(one.address, ":0") {
				at, rival := one.path, other.path
				if _, set := l.places[at]; !set { // a default; what somebody wrote is the other
					at, rival = rival, at
				}
				l.reportf(at, "%s is the address of %s already; every listener needs its own", one.address, rival)
			}
		}
	}
	if !loopback(l.cfg.GetListenAdmin()) && l.cfg.GetAdmin().GetKeySha256() == "" && l.cfg.GetTlsAdmin().GetClientCaFile() == "" {
		l.reportf("listen_admin", "%s is not a loopback address: set admin.key_sha256 or tls_admin.client_ca_file, else anyone who reaches it could publish", l.cfg.GetListenAdmin())
	}
	if l.cfg.GetHttp3() && l.cfg.GetTls() == nil {
		l.reportf("http3", "HTTP/3 is always encrypted; set tls, with cert_file and key_file, too")
	}
	l.checkServerTLS("tls", l.cfg.GetTls())
	l.checkServerTLS("tls_grpc", l.cfg.GetTlsGrpc())
	l.checkServerTLS("tls_admin", l.cfg.GetTlsAdmin())
}

// loopback reports whether an address can be reached from the machine itself only. A name other than localhost may
// mean anything.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // not an address, which is another problem
	}
	return loopbackHost(host)
}

func loopbackHost(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

func (l *loader) checkSchema() {
	source := l.cfg.GetSource()
	if source != nil && l.cfg.GetData() != "" {
		l.reportf("source", "a fixed schema and a registry (data, set by %s) exclude each other; leave one of them out", l.placeOf("data"))
	}
	switch from := source.GetFrom().(type) {
	case *configv1.Source_Descriptors:
		l.checkPath("source.descriptors", from.Descriptors, false)
	case *configv1.Source_Proto:
		l.checkPath("source.proto", from.Proto, true)
	case *configv1.Source_Reflect:
		if !from.Reflect {
			l.reportf("source.reflect", "false is no source; leave source out")
		} else if len(l.cfg.GetBackends()) == 0 {
			l.reportf("source.reflect", "there is no backend to ask; name one with --backend or backends")
		}
	}
}

func (l *loader) checkBackends() {
	backends := l.cfg.GetBackends()
	for i, b := range backends {
		path := at("backends", i)
		if err := checkPattern(b.GetServices()); err != nil {
			l.reportf(path+".services", "%v", err)
		}
		// A bare host:port is reached by TLS when there are settings for it.
		target, err := parseTarget(b.GetTarget())
		if err != nil {
			l.reportf(path+".target", "%q: %v", b.GetTarget(), err)
		} else if b.GetTls() != nil && (target.unix != "" || strings.HasPrefix(b.GetTarget(), "grpc://")) {
			l.reportf(path+".tls", "%s is reached in cleartext; write grpcs://host:port, or leave tls out", b.GetTarget())
		}
		l.checkClientTLS(path+".tls", b.GetTls())
		for j, earlier := range backends[:i] {
			if err == nil && covers(earlier.GetServices(), b.GetServices()) {
				l.reportf(path, "%s is never used: %s (%s) takes the same services and comes first", b.GetTarget(), at("backends", j), earlier.GetTarget())
				break
			}
		}
	}
}

// covers reports whether every name that fits inner fits outer as well.
func covers(outer, inner string) bool {
	prefix, open := strings.CutSuffix(outer, "*")
	return outer == "" || outer == inner || open && (prefix == "" || strings.HasPrefix(inner, prefix))
}

func (l *loader) checkService(path string, s *configv1.Service) {
	if err := checkPattern(s.GetMatch()); err != nil {
		l.reportf(path+".match", "%v", err)
	}
	if s.GetTimeout().AsDuration() < 0 {
		l.reportf(path+".timeout", "a time limit cannot be negative")
	}
	if q := s.GetQuota(); q != nil {
		if q.GetPeriod() != nil && q.GetPeriod().AsDuration() <= 0 {
			l.reportf(path+".quota.period", "must be longer than 0 s; leave it out for one minute")
		}
		if q.GetLimit() == 0 && (q.GetPeriod() != nil || q.GetBurst() > 0) {
			l.reportf(path+".quota", "a period or a burst means nothing without a limit; set limit")
		}
	}
	l.checkCORS(path+".cors", s.GetCors())
	for i, rule := range s.GetHttp() {
		path := at(path+".http", i)
		if err := checkSelector(rule.GetSelector()); err != nil {
			l.reportf(path+".selector", "%v", err)
		}
		l.checkVerb(path, rule.GetMethod())
		for j, b := range rule.GetAdditionalBindings() {
			l.checkVerb(at(path+".additional_bindings", j), b.GetMethod())
		}
	}
}

func (l *loader) checkVerb(path, verb string) {
	if err := checkVerb(verb); err != nil {
		l.reportf(path+".method", "%v", err)
	}
}

func (l *loader) checkAuthn() {
	keys := map[string]int{}
	for i, key := range l.cfg.GetAuthn().GetApiKeys() {
		if first, twice := keys[key.GetId()]; twice {
			l.reportf(at("authn.api_keys", i)+".id", "%q is the id of authn.api_keys[%d] already", key.GetId(), first)
			continue
		}
		keys[key.GetId()] = i
	}
	issuers := map[string]int{}
	for i, jwt := range l.cfg.GetAuthn().GetJwt() {
		path := at("authn.jwt", i)
		if first, twice := issuers[jwt.GetIssuer()]; twice {
			l.reportf(path+".issuer", "%q is the issuer of authn.jwt[%d] already; one entry can list several audiences", jwt.GetIssuer(), first)
		} else {
			issuers[jwt.GetIssuer()] = i
		}
		switch from := jwt.GetJwks().(type) {
		case *configv1.Jwt_JwksFile:
			l.checkJWKS(path+".jwks_file", from.JwksFile)
		case *configv1.Jwt_JwksUrl:
			l.checkJWKSURL(path+".jwks_url", from.JwksUrl)
		}
	}
}

func (l *loader) checkJWKSURL(path, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		l.reportf(path, "%q is not a URL, such as https://issuer.example.com/jwks.json", text)
	case u.User != nil || u.Fragment != "":
		l.reportf(path, "user info and fragments cannot stand in the URL of a key set")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopbackHost(u.Hostname())):
		l.reportf(path, "%q is not an https URL; http is for loopback only, because whoever can change the answer can sign tokens", text)
	}
}
