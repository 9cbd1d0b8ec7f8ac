package backend

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestTLS(t *testing.T) {
	leak.Check(t)
	dir := t.TempDir()
	ca := authority(t, dir)
	serverCert := ca.issue(t, dir, "server", "backend.test")
	ca.issue(t, dir, "client", "gateway.test")
	l := listen(t, "tcp", "127.0.0.1:0")
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	server(t, l, echo, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{serverCert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
	file := func(name string) string { return filepath.Join(dir, name) }
	good := func() *configv1.ClientTls {
		return &configv1.ClientTls{CaFile: file("ca.crt"), CertFile: file("client.crt"), KeyFile: file("client.key"), ServerName: "backend.test"}
	}
	p := New(Config{})
	for _, c := range []struct {
		name   string
		target string
		change func(*configv1.ClientTls)
		want   codes.Code
	}{
		{"Good", "grpcs://" + l.Addr().String(), func(*configv1.ClientTls) {}, codes.OK},
		{"BareTarget", l.Addr().String(), func(*configv1.ClientTls) {}, codes.OK},
		{"OtherName", "grpcs://" + l.Addr().String(), func(c *configv1.ClientTls) { c.ServerName = "other.test" }, codes.Unavailable},
		{"NameOfTarget", "grpcs://" + l.Addr().String(), func(c *configv1.ClientTls) { c.ServerName = "" }, codes.Unavailable},
		{"SystemRoots", "grpcs://" + l.Addr().String(), func(c *configv1.ClientTls) { c.CaFile = "" }, codes.Unavailable},
		{"NoClientCertificate", "grpcs://" + l.Addr().String(), func(c *configv1.ClientTls) { c.CertFile, c.KeyFile = "", "" }, codes.Unavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := good()
			c.change(conf)
			b := take(t, p, &configv1.Backend{Target: c.target, Tls: conf})
			if _, _, err := call(b, rpc.NewCall(method("UnaryCall")), nil); status.Code(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	t.Run("NewFileNewConnection", func(t *testing.T) {
		take(t, p, &configv1.Backend{Target: "grpcs://" + l.Addr().String(), Tls: good()})
		before := len(p.conns)
		ca.issue(t, dir, "client", "gateway.test")
		take(t, p, &configv1.Backend{Target: "grpcs://" + l.Addr().String(), Tls: good()})
		if len(p.conns) != before+1 {
			t.Error("a new certificate under the old name uses the old connection")
		}
	})
	for name, c := range map[string]*configv1.Backend{
		"tls.ca_file":   {Target: "grpcs://h:1", Tls: &configv1.ClientTls{CaFile: file("none")}},
		"no PEM":        {Target: "grpcs://h:1", Tls: &configv1.ClientTls{CaFile: file("client.key")}},
		"belong":        {Target: "grpcs://h:1", Tls: &configv1.ClientTls{CertFile: file("client.crt")}},
		"tls.cert_file": {Target: "grpcs://h:1", Tls: &configv1.ClientTls{CertFile: file("client.crt"), KeyFile: file("ca.crt")}},
		"cleartext":     {Target: "grpc://h:1", Tls: &configv1.ClientTls{}},
	} {
		if _, _, err := p.Backend(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v, want %q in it", c, err, name)
		}
	}
}

type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

func authority(t *testing.T, dir string) *issuer {
	ca := &issuer{}
	ca.issue(t, dir, "ca", "authority.test")
	return ca
}

// issue writes name.crt and name.key, signed by the issuer; the first is the issuer's own.
func (ca *issuer) issue(t *testing.T, dir, name, host string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca.next++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(ca.next), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        ca.cert == nil, BasicConstraintsValid: true,
	}
	parent, signer := ca.cert, ca.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if ca.cert == nil {
		if ca.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		ca.key = key
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
