// Package h2spec puts the cases of h2spec, the conformance suite for HTTP/2 servers, to the public listener of the real binary, in
// cleartext and over TLS. It is a module of its own, because nothing else here needs the suite.
//
// Its sections generic (RFC 7540 as any server meets it) and http2 (the same by its sections) are run, strict cases included. What
// does not pass is listed in known.txt, with the reason.
package h2spec

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// patience is how long a case waits for an answer that it needs, and for the absence of one.
const patience = 3 * time.Second

// settings serve one method at /h2 by any HTTP method, with a body or without.
const settings = `
default_access: PUBLIC
services:
  - match: attack.*
    http: [{selector: attack.v1.Attack.Post, method: "*", path: /h2, body: "*"}]
`

func TestH2Spec(t *testing.T) {
	files := testkit.Schema(t, "attack")
	backend := testkit.NewBackend(t, files)
	for name, tls := range map[string]bool{"cleartext": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			text := settings
			if tls {
				cert, key := certificate(t)
				text += fmt.Sprintf("tls: {cert_file: %s, key_file: %s}\n", cert, key)
			}
			g := testkit.Serve(t, "--descriptors", testkit.Descriptors(t, files), "--backend", backend.Target,
				"--config", testkit.File(t, "gatehouse.yaml", []byte(text)))
			s := suite{config: configOf(t, g.Public, tls), known: known(t, name)}
			for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec()} {
				s.run(t, group)
			}
			if len(s.known) > 0 {
				t.Errorf("known.txt has cases that were not run: %q", s.known)
			}
			if s.passed < 100 {
				t.Errorf("only %d cases passed", s.passed)
			}
			t.Logf("%d cases passed, %d were skipped, %d are known to fail", s.passed, s.skipped, s.failed)
		})
	}
}

func configOf(t *testing.T, address string, tls bool) *config.Config {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return &config.Config{Host: host, Port: port, Path: "/h2", Timeout: patience, MaxHeaderLen: 4000, Strict: true, TLS: tls, Insecure: true}
}

// suite runs cases and counts them.
type suite struct {
	config                  *config.Config
	known                   []string // that were not run yet
	passed, skipped, failed int
}

func (s *suite) run(t *testing.T, group *spec.TestGroup) {
	for i, c := range slices.Concat(group.Tests, group.StrictTests) {
		s.one(t, fmt.Sprintf("%s/%d", group.ID(), i+1), c)
	}
	for _, inner := range group.Groups {
		s.run(t, inner)
	}
}

func (s *suite) one(t *testing.T, id string, c *spec.TestCase) {
	conn, err := spec.Dial(s.config)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	defer conn.Close()
	at := slices.Index(s.known, id)
	if at >= 0 {
		s.known = slices.Delete(s.known, at, at+1)
	}
	switch err = c.Run(s.config, conn); {
	case errors.Is(err, spec.ErrSkipped):
		s.skipped++
	case err == nil && at >= 0:
		t.Errorf("%s %s passes, but is listed in known.txt", id, c.Desc)
	case err == nil:
		s.passed++
	case at >= 0:
		s.failed++
	default:
		t.Errorf("%s %s\n%s\n%v", id, c.Desc, c.Requirement, err)
	}
}

// known returns the cases that known.txt lists for a listener.
func known(t *testing.T, listener string) (ids []string) {
	t.Helper()
	text, err := os.ReadFile("known.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if of, id, _ := strings.Cut(strings.TrimSpace(line), " "); of == listener || of == "both" {
			ids = append(ids, id)
		}
	}
	return ids
}

// certificate returns the files of a certificate that signs itself, and of its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return testkit.File(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		testkit.File(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}
