package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// secured returns a client by TLS that speaks exactly one version of HTTP.
func secured(t *testing.T, config *tls.Config, version int) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(version == 1)
	transport.Protocols.SetHTTP2(version == 2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: longest}
}

// TestTLS has TLS on all three listeners, with client certificates on two.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	a.issue(t, "server")
	a.issue(t, "caller")
	stranger := newAuthority(t)
	stranger.issue(t, "caller")
	pair := fmt.Sprintf("cert_file: %q, key_file: %q", a.file("server", "cert"), a.file("server", "key"))
	mutual := pair + fmt.Sprintf(", client_ca_file: %q", a.file("authority", "cert"))
	s := newShop(t)
	args := append([]string{"--data", t.TempDir(), "--default-access", "PUBLIC", "--listen-admin", "0.0.0.0:0"},
		configFile(t, "tls: {"+pair+"}", "tls_grpc: {"+mutual+"}", "tls_admin: {"+mutual+"}")...)
	g := testkit.Serve(t, args...)
	admin := strings.Replace(g.Admin, "[::]", "127.0.0.1", 1)

	withCert := []string{"--admin", "https://" + admin, "--admin-ca", a.file("authority", "cert"),
		"--admin-cert", a.file("caller", "cert"), "--admin-cert-key", a.file("caller", "key")}
	publish := []string{"publish", s.librarySrc, "--module", "acme/library", "--backend", s.library}
	refuses(t, testkit.Run(t, append(publish, withCert[:4]...)...), admin)
	succeeds(t, testkit.Run(t, append(publish, withCert...)...), "published acme/library")

	for version := 1; version <= 2; version++ {
		r := fetchBy(t, secured(t, a.client(t, ""), version), "GET", "https://"+g.Public+"/v1/shelves", "")
		if r.StatusCode != 200 || r.ProtoMajor != version {
			t.Errorf("REST by HTTP/%d: %s %d %s", version, r.Proto, r.StatusCode, r.Text)
		}
	}
	if _, err := secured(t, stranger.client(t, ""), 1).Get("https://" + g.Public + "/v1/shelves"); err == nil {
		t.Error("the server's certificate is anybody's")
	}
	if resp, err := http.Get("http://" + g.Public + "/v1/shelves"); err == nil {
		_ = resp.Body.Close() // its status is what counts
		if resp.StatusCode == 200 {
			t.Error("cleartext is answered on a listener with TLS")
		}
	}
	list := func(address, name string, from *authority) error {
		creds := from.client(t, name)
		creds.RootCAs = a.client(t, "").RootCAs
		conn := dialed(t, address, grpc.WithTransportCredentials(credentials.NewTLS(creds)))
		_, err := libraryv1.NewLibraryClient(conn).ListShelves(t.Context(), &libraryv1.ListShelvesRequest{})
		return err
	}
	if err := list(g.Public, "", a); err != nil {
		t.Errorf("gRPC in public: %v", err)
	}
	if err := list(g.GRPC, "caller", a); err != nil {
		t.Errorf("gRPC inside, with a certificate: %v", err)
	}
	for name, from := range map[string]*authority{"": a, "caller": stranger} {
		if err := list(g.GRPC, name, from); err == nil {
			t.Errorf("gRPC inside with the certificate %q of %p: it answers", name, from)
		}
		client := from.client(t, name)
		client.RootCAs = a.client(t, "").RootCAs
		if resp, err := secured(t, client, 1).Get("https://" + admin + "/v1/modules"); err == nil {
			_ = resp.Body.Close() // it should not be there
			t.Errorf("the admin listener answers %s to the certificate %q of %p", resp.Status, name, from)
		}
	}
	if r := fetchBy(t, secured(t, a.client(t, "caller"), 2), "GET", "https://"+admin+"/v1/modules", ""); r.StatusCode != 200 {
		t.Errorf("admin: %d %s", r.StatusCode, r.Text)
	}
}

// TestTLSReload replaces certificates while the gateway runs.
func TestTLSReload(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.issue(t, "server")
	a.issue(t, "caller")
	successor := newAuthority(t)
	successor.issue(t, "caller")
	authorities := filepath.Join(t.TempDir(), "authorities.pem")
	replace := func(path, with string) {
		t.Helper()
		text, err := os.ReadFile(with)
		if err == nil {
			err = os.WriteFile(path+".new", text, 0o600)
		}
		if err == nil {
			err = os.Rename(path+".new", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	replace(authorities, a.file("authority", "cert"))
	s := newScripted(t, fmt.Sprintf("tls: {cert_file: %q, key_file: %q, client_ca_file: %q}", a.file("server", "cert"), a.file("server", "key"), authorities))
	url := "https://" + s.gateway.Public + "/v1/shelves"

	get := func(client *http.Client) (serial string, err error) {
		resp, err := client.Get(url)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			return "", fmt.Errorf("HTTP %d", resp.StatusCode)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.TLS.PeerCertificates[0].SerialNumber.String(), err
	}
	kept := secured(t, a.client(t, "caller"), 2)
	first, err := get(kept)
	if err != nil {
		t.Fatal(err)
	}
	served := func() string {
		serial, err := get(secured(t, a.client(t, "caller"), 1))
		if err != nil {
			return err.Error()
		}
		return serial
	}
	a.issue(t, "server") // writes the same files again
	until(t, "the new certificate is served", func() bool { return served() != first })
	second := served()
	if serial, err := get(kept); err != nil || serial != first {
		t.Errorf("the open connection: %s, %v", serial, err)
	}

	addFile(t, filepath.Dir(a.file("server", "cert")), "server.key", "no key")
	until(t, "the log tells of the broken key", func() bool {
		return served() == second && strings.Contains(s.gateway.Stderr(), "the changed certificate cannot be used")
	})
	a.issue(t, "server")
	until(t, "the third certificate is served", func() bool { now := served(); return now != first && now != second })

	replace(authorities, successor.file("authority", "cert"))
	later := successor.client(t, "caller")
	later.RootCAs = a.client(t, "").RootCAs
	until(t, "the new authority's clients are let in", func() bool { _, err := get(secured(t, later, 2)); return err == nil })
	if _, err := get(secured(t, a.client(t, "caller"), 2)); err == nil {
		t.Error("the old authority's clients are still let in")
	}
	if serial, err := get(kept); err != nil || serial != first {
		t.Errorf("the open connection, at the end: %s, %v", serial, err)
	}
}
