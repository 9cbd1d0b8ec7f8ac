package rest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
)

func TestForged(t *testing.T) {
	trusting, err := cors.New(cors.Options{Origins: []string{"https://app.example"}, Credentials: true})
	if err != nil {
		t.Fatal(err)
	}
	everybody, err := cors.New(cors.Options{Origins: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	const page, other = "https://app.example", "https://other.example"
	for _, c := range []struct {
		name, verb, media, origin, site string
		policy                          *cors.Policy
		plain                           bool // without a certificate
		refused                         bool
	}{
		{name: "NoPage", verb: "POST"},
		{name: "NoType", verb: "POST", origin: other, refused: true},
		{name: "Text", verb: "POST", origin: other, media: "text/plain;charset=UTF-8", refused: true},
		{name: "Form", verb: "POST", origin: other, media: "multipart/form-data; boundary=x", refused: true},
		{name: "Null", verb: "POST", origin: "null", refused: true},
		{name: "CrossSite", verb: "POST", site: "cross-site", refused: true},
		{name: "SameSite", verb: "POST", site: "same-site", origin: page, refused: true},
		{name: "SameOrigin", verb: "POST", site: "same-origin", origin: page},
		{name: "SameHost", verb: "POST", origin: "https://gateway.example"},
		{name: "JSON", verb: "POST", origin: other, media: "application/json"},
		{name: "Get", verb: "GET", origin: other},
		{name: "NoCertificate", verb: "POST", origin: other, plain: true},
		{name: "Trusted", verb: "POST", origin: page, policy: trusting},
		{name: "NotTrusted", verb: "POST", origin: other, policy: trusting, refused: true},
		{name: "AllowedWithoutCredentials", verb: "POST", origin: page, policy: everybody, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.verb, "https://gateway.example/v1/x:go", nil)
			if r.TLS = nil; !c.plain {
				r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
			}
			for name, value := range map[string]string{"Content-Type": c.media, "Origin": c.origin, "Sec-Fetch-Site": c.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if err := forged(r, c.policy); (err != nil) != c.refused {
				t.Errorf("%v, refused: %v", err, c.refused)
			}
		})
	}
}
