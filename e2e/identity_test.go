package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"google.golang.org/grpc/metadata"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

const issuer = "https://issuer.test/"

// signer is an issuer's private keys.
type signer struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

func newSigner(t *testing.T) signer {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{rsaKey, ecKey}
}

// key returns a private key as jwx has it, under a key id.
func (s signer) key(t *testing.T, id string, raw any, alg jwa.SignatureAlgorithm) jwk.Key {
	t.Helper()
	key, err := jwk.Import(raw)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{jwk.KeyIDKey: id, jwk.AlgorithmKey: alg} {
		if err := key.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

// yaml is the authn part of a configuration with the issuer, whose public keys are in a file.
func (s signer) yaml(t *testing.T) string {
	t.Helper()
	set := jwk.NewSet()
	for _, key := range []jwk.Key{s.key(t, "r", s.rsa, jwa.RS256()), s.key(t, "e", s.ec, jwa.ES256())} {
		public, err := key.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if err := set.AddKey(public); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("authn: {jwt: [{issuer: %q, audiences: [gatehouse], jwks_file: %q}]}", issuer, testkit.File(t, "jwks.json", text))
}

// token signs a token that is good, but for what change makes of it.
func (s signer) token(t *testing.T, alg jwa.SignatureAlgorithm, key any, change func(jwt.Token) error) string {
	t.Helper()
	b := jwt.NewBuilder().Issuer(issuer).Subject("alice").Audience([]string{"gatehouse"}).
		IssuedAt(time.Now()).Expiration(time.Now().Add(time.Hour)).Claim("scope", "library.write other")
	token, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		if err := change(token); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := jwt.Sign(token, jwt.WithKey(alg, key))
	if err != nil {
		t.Fatal(err)
	}
	return string(signed)
}

// set returns what changes one claim.
func set(claim string, value any) func(jwt.Token) error {
	return func(token jwt.Token) error { return token.Set(claim, value) }
}

func TestJWT(t *testing.T) {
	keys, stranger := newSigner(t), newSigner(t)
	s := newGuarded(t, keys.yaml(t))
	rs, es := keys.key(t, "r", keys.rsa, jwa.RS256()), keys.key(t, "e", keys.ec, jwa.ES256())
	der, err := x509.MarshalPKIXPublicKey(&keys.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	good := keys.token(t, jwa.RS256(), rs, nil)
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString

	for name, test := range map[string]struct {
		token string
		want  int
	}{
		"RS256":           {good, 200},
		"RS256Again":      {good, 200}, // from memory
		"ES256":           {keys.token(t, jwa.ES256(), es, nil), 200},
		"WithoutTheScope": {keys.token(t, jwa.RS256(), rs, set("scope", "library.read")), 403},
		"Expired":         {keys.token(t, jwa.RS256(), rs, set(jwt.ExpirationKey, time.Now().Add(-time.Hour))), 401},
		"WithoutExpiry":   {keys.token(t, jwa.RS256(), rs, func(token jwt.Token) error { return token.Remove(jwt.ExpirationKey) }), 401},
		"NotYet":          {keys.token(t, jwa.RS256(), rs, set(jwt.NotBeforeKey, time.Now().Add(30*time.Minute))), 401},
		"WrongIssuer":     {keys.token(t, jwa.RS256(), rs, set(jwt.IssuerKey, "https://issuer.test")), 401},
		"WrongAudience":   {keys.token(t, jwa.RS256(), rs, set(jwt.AudienceKey, []string{"other"})), 401},
		"AnotherKey":      {keys.token(t, jwa.RS256(), stranger.key(t, "r", stranger.rsa, jwa.RS256()), nil), 401},
		"UnknownKey":      {keys.token(t, jwa.RS256(), keys.key(t, "x", keys.rsa, jwa.RS256()), nil), 401},
		"HS256PublicKey":  {keys.token(t, jwa.HS256(), publicPEM, nil), 401},
		"HS256WithKeyID":  {keys.token(t, jwa.HS256(), keys.key(t, "r", publicPEM, jwa.HS256()), nil), 401},
		"AlgNone":         {b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + ".", 401},
		"AlgNoneSigned":   {b64([]byte(`{"alg":"none","kid":"r"}`)) + "." + parts[1] + "." + parts[2], 401},
		"ChangedPayload":  {parts[0] + "." + b64([]byte(`{"iss":"`+issuer+`","sub":"root","aud":"gatehouse","exp":9999999999}`)) + "." + parts[2], 401},
		"NoToken":         {"nonsense", 401},
	} {
		t.Run(name, func(t *testing.T) {
			s.backend.Take()
			r := fetch(t, "POST", s.url("/v1/shelves"), `{"name": "shelves/a"}`, "Authorization: Bearer "+test.token)
			if r.StatusCode != test.want {
				t.Fatalf("%d %s, want %d", r.StatusCode, r.Text, test.want)
			}
			calls := s.backend.Take()
			switch {
			case test.want != 200:
				if len(calls) != 0 {
					t.Error("the backend was called")
				}
				failureOf(t, r)
			case len(calls) != 1 || strings.Join(calls[0].Metadata["gatehouse-principal"], ",") != issuer+"/alice":
				t.Errorf("the backend was told %v", calls[0].Metadata)
			}
		})
	}
}

// TestCredentialsStopHere looks at what a backend gets to see of a caller.
func TestCredentialsStopHere(t *testing.T) {
	forged := []string{"gatehouse-principal", "Gatehouse-Principal", "grpc-metadata-gatehouse-principal", "x-forwarded-for"}
	for name, forwards := range map[string]bool{"ByDefault": false, "ForwardCredentials": true} {
		t.Run(name, func(t *testing.T) {
			s := newGuarded(t, keysYAML(), fmt.Sprintf("backends: [{target: TARGET, forward_credentials: %v}]", forwards))
			check := func(how string) {
				t.Helper()
				calls := s.backend.Take()
				if len(calls) != 1 {
					t.Fatalf("%s: %d calls", how, len(calls))
				}
				md := calls[0].Metadata
				if got := strings.Join(md["x-api-key"], ","); (got == keyOf("writer")) != forwards || !forwards && got != "" {
					t.Errorf("%s: x-api-key: %q", how, got)
				}
				if got := strings.Join(md["gatehouse-principal"], ","); got != "api-key/p-writer" {
					t.Errorf("%s: gatehouse-principal: %q", how, got)
				}
				if got := strings.Join(md["x-forwarded-for"], ","); got != "127.0.0.1" {
					t.Errorf("%s: x-forwarded-for: %q", how, got)
				}
				if text := fmt.Sprint(md); strings.Contains(text, "forged") {
					t.Errorf("%s: what the client made up has come through: %s", how, text)
				}
				if got := md["x-mine"]; len(got) != 1 || got[0] != "kept" {
					t.Errorf("%s: the client's own metadata: %v", how, md)
				}
			}
			headers := []string{"x-api-key: " + keyOf("writer"), "x-mine: kept"}
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", keyOf("writer"), "x-mine", "kept")
			for _, h := range forged {
				headers = append(headers, h+": forged")
				ctx = metadata.AppendToOutgoingContext(ctx, h, "forged")
			}
			if r := fetch(t, "POST", s.url("/v1/shelves"), `{"name": "shelves/a"}`, headers...); r.StatusCode != 200 {
				t.Fatalf("%d %s", r.StatusCode, r.Text)
			}
			check("REST")
			for how, address := range map[string]string{"public gRPC": s.gateway.Public, "internal gRPC": s.gateway.GRPC} {
				in := &libraryv1.CreateShelfRequest{Shelf: &libraryv1.Shelf{Name: "shelves/a"}}
				if _, err := libraryv1.NewLibraryClient(dialed(t, address)).CreateShelf(ctx, in); err != nil {
					t.Fatal(err)
				}
				check(how)
			}
		})
	}
}

// TestAnonymousIsNobody shows that a backend is told of no principal that nobody verified.
func TestAnonymousIsNobody(t *testing.T) {
	s := newGuarded(t)
	r := fetch(t, "GET", s.url("/v1/shelves"), "", "gatehouse-principal: forged", "Gatehouse-Decision-Id: forged")
	if r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	md := s.backend.Take()[0].Metadata
	if _, there := md["gatehouse-principal"]; there || len(md["gatehouse-decision-id"]) != 1 || len(md["gatehouse-decision-id"][0]) != 32 {
		t.Errorf("the backend was told %v", md)
	}
}

// TestTrustedProxies counts callers behind a proxy by the address that the proxy names; a proxy that nobody trusts is
// counted itself, whatever it says. Three searches a minute are free.
func TestTrustedProxies(t *testing.T) {
	search := func(s scripted, from string) int {
		var headers []string
		if from != "" {
			headers = []string{"X-Forwarded-For: " + from}
		}
		return fetch(t, "GET", s.url("/v1/books:search?query=x"), "", headers...).StatusCode
	}
	perAddress := "services: [{match: acme.library.v1.Library.SearchBooks, quota: {limit: 3, per: ADDRESS}}]"
	trusting := newGuarded(t, perAddress, `trusted_proxies: ["127.0.0.0/8"]`)
	distrustful := newGuarded(t, perAddress)
	for _, step := range []struct {
		from          string
		trust, nobody int
	}{
		{"192.0.2.1", 200, 200},
		{"192.0.2.1", 200, 200},
		{"203.0.113.9, 192.0.2.1", 200, 200}, // what stands before the first untrusted address is anybody's claim
		{"192.0.2.1", 429, 429},
		{"192.0.2.2", 200, 429},
		{"192.0.2.1, 127.0.0.5", 429, 429},
		{"", 200, 429},
	} {
		if got := search(trusting, step.from); got != step.trust {
			t.Errorf("trusting, from %q: %d, want %d", step.from, got, step.trust)
		}
		if got := search(distrustful, step.from); got != step.nobody {
			t.Errorf("distrustful, from %q: %d, want %d", step.from, got, step.nobody)
		}
	}
}
