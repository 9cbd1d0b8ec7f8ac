package rest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCertified: what the connection itself says about a caller no web page can use, although grpc-gateway takes bodies of any type.
func TestCertified(t *testing.T) {
	for media, want := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "application/vnd.acme+json": true,
		"": false, "text/plain": false, "application/x-www-form-urlencoded": false, "multipart/form-data; boundary=x": false, "nonsense": false,
	} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("{}"))
		if media != "" {
			r.Header.Set("Content-Type", media)
		}
		s := &stream{r: r}
		if err := s.certified(); err != nil {
			t.Errorf("%q without a certificate: %v", media, err)
		}
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		if err := s.certified(); (err == nil) != want {
			t.Errorf("%q: %v", media, err)
		}
	}
}
