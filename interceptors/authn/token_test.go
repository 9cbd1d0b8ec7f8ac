package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const issuerName = "https://id.example"

// signer is a private key with its place in a key set.
type signer struct {
	kid     string
	alg     jwa.SignatureAlgorithm
	private crypto.Signer
}

func newSigner(t testing.TB, kid string, alg jwa.SignatureAlgorithm) *signer {
	t.Helper()
	s := &signer{kid: kid, alg: alg}
	var err error
	switch alg {
	case jwa.RS256(), jwa.PS256():
		s.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jwa.ES256():
		s.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwa.EdDSA():
		_, s.private, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(t, err)
	return s
}

// set writes the public keys as a JWKS.
func set(t testing.TB, signers ...*signer) []byte {
	t.Helper()
	list := []any{}
	for _, s := range signers {
		key, err := jwk.Import(s.private.Public())
		require.NoError(t, err)
		if s.kid != "" {
			require.NoError(t, key.Set("kid", s.kid))
		}
		list = append(list, key)
	}
	data, err := json.Marshal(map[string]any{"keys": list})
	require.NoError(t, err)
	return data
}

type claims map[string]any

// token signs claims, by default those of a good token, changed by change; headers are added to the protected header.
func (s *signer) token(t testing.TB, now time.Time, change claims, headers ...string) string {
	t.Helper()
	all := claims{"iss": issuerName, "sub": "ann", "aud": "gatehouse", "exp": now.Add(time.Hour).Unix(), "scope": "a b"}
	for name, value := range change {
		if all[name] = value; value == nil {
			delete(all, name)
		}
	}
	payload, err := json.Marshal(all)
	require.NoError(t, err)
	h := jws.NewHeaders()
	if s.kid != "" {
		require.NoError(t, h.Set("kid", s.kid))
	}
	for i := 0; i+1 < len(headers); i += 2 {
		require.NoError(t, h.Set(headers[i], headers[i+1]))
	}
	signed, err := jws.Sign(payload, jws.WithKey(s.alg, s.private, jws.WithProtectedHeaders(h)))
	require.NoError(t, err)
	return string(signed)
}

// raw builds a token by hand; sign makes the signature from what is signed.
func raw(header, payload string, sign func([]byte) []byte) string {
	b := base64.RawURLEncoding
	signed := b.EncodeToString([]byte(header)) + "." + b.EncodeToString([]byte(payload))
	return signed + "." + b.EncodeToString(sign([]byte(signed)))
}

// changed puts another payload into a token.
func changed(token, payload string) string {
	parts := strings.Split(token, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(payload))
	return strings.Join(parts, ".")
}

// fileConfig writes a JWKS to a file and returns the configuration and the file's path.
func fileConfig(t testing.TB, data []byte, change func(*configv1.Jwt)) (*configv1.Authn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "jwks.json")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	cfg := &configv1.Jwt{Issuer: issuerName, Audiences: []string{"gatehouse", "other"}, Jwks: &configv1.Jwt_JwksFile{JwksFile: path}}
	if change != nil {
		change(cfg)
	}
	return &configv1.Authn{Jwt: []*configv1.Jwt{cfg}}, path
}

func admit(t testing.TB, a *Authn, token string) (*rpc.Call, error) {
	t.Helper()
	m := checktest.Method(t, rpc.Policy{Access: rpc.Authenticated})
	c := checktest.Call(m, "authorization", "Bearer "+token)
	return c, a.Check(m).Admit(c)
}

func TestToken_Algorithms(t *testing.T) {
	clock := checktest.NewClock()
	for _, alg := range []jwa.SignatureAlgorithm{jwa.RS256(), jwa.PS256(), jwa.ES256(), jwa.EdDSA()} {
		t.Run(alg.String(), func(t *testing.T) {
			s := newSigner(t, "k1", alg)
			cfg, _ := fileConfig(t, set(t, s), func(c *configv1.Jwt) { c.Algorithms = []string{alg.String()} })
			c, err := admit(t, newAuthn(t, cfg, clock.Now), s.token(t, clock.Now(), nil))
			require.NoError(t, err)
			expires := time.Unix(clock.Now().Add(time.Hour).Unix(), 0).UTC().Add(skew)
			require.Equal(t, &rpc.Principal{Name: "ann", Issuer: issuerName, Scopes: []string{"a", "b"}, Expires: expires}, c.Principal)
			require.Equal(t, []string{"authorization"}, c.Consumed)
		})
	}
}

func TestToken_RightSignatureByAnAlgorithmThatIsNotAccepted(t *testing.T) {
	clock := checktest.NewClock()
	s := newSigner(t, "k1", jwa.PS256())
	cfg, _ := fileConfig(t, set(t, s), nil) // by default: RS256, ES256, EdDSA
	_, err := admit(t, newAuthn(t, cfg, clock.Now), s.token(t, clock.Now(), nil))
	require.Contains(t, checktest.Error(t, err, "INVALID_CREDENTIAL").Message(), "accepted: RS256, ES256, EdDSA")
}

func TestToken_Claims(t *testing.T) {
	clock := checktest.NewClock()
	now := clock.Now().Unix()
	s := newSigner(t, "k1", jwa.ES256())
	cfg, _ := fileConfig(t, set(t, s), nil)
	for _, test := range []struct {
		name   string
		change claims
		reason string
		scopes []string
	}{
		{"Good", nil, "", []string{"a", "b"}},
		{"ScopesAsList", claims{"scope": []string{"x", "y z"}}, "", []string{"x", "y z"}},
		{"NoScopes", claims{"scope": nil}, "", nil},
		{"ScopesOfAnotherKind", claims{"scope": 7}, "INVALID_CREDENTIAL", nil},
		{"MixedScopes", claims{"scope": []any{"x", 7}}, "INVALID_CREDENTIAL", nil},
		{"AudienceInList", claims{"aud": []string{"x", "other"}, "scope": nil}, "", nil},
		{"OtherAudience", claims{"aud": "x"}, "INVALID_CREDENTIAL", nil},
		{"NoAudience", claims{"aud": nil}, "INVALID_CREDENTIAL", nil},
		{"IssuerWithSlash", claims{"iss": issuerName + "/"}, "INVALID_CREDENTIAL", nil},
		{"NoIssuer", claims{"iss": nil}, "INVALID_CREDENTIAL", nil},
		{"NoExpiry", claims{"exp": nil}, "INVALID_CREDENTIAL", nil},
		{"ExpiryNull", claims{"exp": json.RawMessage("null")}, "INVALID_CREDENTIAL", nil},
		{"JustInsideSkew", claims{"exp": now - 59, "scope": nil}, "", nil},
		{"JustOutsideSkew", claims{"exp": now - 60}, "CREDENTIAL_EXPIRED", nil},
		{"NotBeforeInsideSkew", claims{"nbf": now + 60, "scope": nil}, "", nil},
		{"NotBeforeOutsideSkew", claims{"nbf": now + 62}, "INVALID_CREDENTIAL", nil},
		{"IssuedInFuture", claims{"iat": now + 62}, "INVALID_CREDENTIAL", nil},
		{"IssuedInsideSkew", claims{"iat": now + 59, "scope": nil}, "", nil},
		{"NoSubject", claims{"sub": nil}, "INVALID_CREDENTIAL", nil},
		{"LongSubject", claims{"sub": strings.Repeat("a", 257)}, "INVALID_CREDENTIAL", nil},
		{"SubjectOfAnotherKind", claims{"sub": []int{1}}, "INVALID_CREDENTIAL", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAuthn(t, cfg, clock.Now)
			token := s.token(t, clock.Now(), test.change)
			for range 2 { // the second time from memory, if it was good
				c, err := admit(t, a, token)
				if test.reason != "" {
					own := checktest.Error(t, err, test.reason)
					require.Equal(t, codes.Unauthenticated, own.Code())
					require.NotContains(t, own.Error(), token[:20])
					continue
				}
				require.NoError(t, err)
				require.Equal(t, test.scopes, c.Principal.Scopes)
			}
		})
	}
}

func TestToken_Forgeries(t *testing.T) {
	clock := checktest.NewClock()
	good, evil := newSigner(t, "k1", jwa.RS256()), newSigner(t, "k1", jwa.RS256())
	cfg, _ := fileConfig(t, set(t, good), nil)
	a := newAuthn(t, cfg, clock.Now)
	payload := fmt.Sprintf(`{"iss":%q,"sub":"ann","aud":"gatehouse","exp":%d}`, issuerName, clock.Now().Unix()+60)
	der, err := x509.MarshalPKIXPublicKey(good.private.Public())
	require.NoError(t, err)
	byHMAC := func(signed []byte) []byte {
		h := hmac.New(sha256.New, der)
		h.Write(signed)
		return h.Sum(nil)
	}
	byEvil := func(signed []byte) []byte {
		sum := sha256.Sum256(signed)
		signature, err := evil.private.Sign(rand.Reader, sum[:], crypto.SHA256)
		require.NoError(t, err)
		return signature
	}
	byGood := func(signed []byte) []byte {
		sum := sha256.Sum256(signed)
		signature, err := good.private.Sign(rand.Reader, sum[:], crypto.SHA256)
		require.NoError(t, err)
		return signature
	}
	nothing := func([]byte) []byte { return nil }
	_, err = admit(t, a, raw(`{"alg":"RS256","kid":"k1"}`, payload, byGood))
	require.NoError(t, err, "the hand-made form is right")

	evilKey, err := jwk.Import(evil.private.Public())
	require.NoError(t, err)
	evilJSON, err := json.Marshal(evilKey)
	require.NoError(t, err)
	for _, test := range []struct {
		name, token string
	}{
		{"None", raw(`{"alg":"none"}`, payload, nothing)},
		{"NoneWithKid", raw(`{"alg":"None","kid":"k1"}`, payload, nothing)},
		{"NONE", raw(`{"alg":"NONE","kid":"k1"}`, payload, nothing)},
		{"SharedSecretFromPublicKey", raw(`{"alg":"HS256","kid":"k1"}`, payload, byHMAC)},
		{"SharedSecretSaidToBeRSA", raw(`{"alg":"RS256","kid":"k1"}`, payload, byHMAC)},
		{"AlgorithmNotAccepted", raw(`{"alg":"RS512","kid":"k1"}`, payload, byGood)},
		{"AlgorithmOfAnotherKeyType", raw(`{"alg":"ES256","kid":"k1"}`, payload, byGood)},
		{"NoAlgorithm", raw(`{"kid":"k1"}`, payload, byGood)},
		{"OtherKeySameKid", raw(`{"alg":"RS256","kid":"k1"}`, payload, byEvil)},
		{"KeyInHeader", raw(`{"alg":"RS256","kid":"k1","jwk":`+string(evilJSON)+`}`, payload, byEvil)},
		{"KeyURLInHeader", raw(`{"alg":"RS256","kid":"k1","jku":"https://evil.example/"}`, payload, byEvil)},
		{"CertificateURLInHeader", raw(`{"alg":"RS256","kid":"k1","x5u":"https://evil.example/"}`, payload, byEvil)},
		{"Critical", raw(`{"alg":"RS256","kid":"k1","crit":["x"],"x":1}`, payload, byGood)},
		{"CriticalEmpty", raw(`{"alg":"RS256","kid":"k1","crit":[]}`, payload, byGood)},
		{"UnencodedPayload", raw(`{"alg":"RS256","kid":"k1","b64":false}`, payload, byGood)},
		{"KidIsAPath", raw(`{"alg":"RS256","kid":"../../dev/null"}`, payload, byGood)},
		{"KidIsSQL", raw(`{"alg":"RS256","kid":"x' OR 1=1"}`, payload, byGood)},
		{"KidIsHuge", raw(`{"alg":"RS256","kid":"`+strings.Repeat("a", 8<<10)+`"}`, payload, byGood)},
		{"PayloadChanged", changed(raw(`{"alg":"RS256","kid":"k1"}`, payload, byGood), strings.Replace(payload, "ann", "eve", 1))},
		{"NoSignature", raw(`{"alg":"RS256","kid":"k1"}`, payload, nothing)},
		{"HeaderNotJSON", raw(`{`, payload, byGood)},
		{"PayloadNotJSON", raw(`{"alg":"RS256","kid":"k1"}`, `[]`, byGood)},
		{"Padded", strings.Replace(raw(`{"alg":"RS256","kid":"k1"}`, payload, byGood), ".", "=.", 1)},
		{"Empty", ".."},
		{"ManyDots", strings.Repeat(".", 10_000)},
		{"TooLong", raw(`{"alg":"RS256","kid":"k1"}`, payload+strings.Repeat(" ", 16<<10), byGood)},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := admit(t, a, test.token)
			checktest.Error(t, err, "INVALID_CREDENTIAL")
		})
	}
}

func TestToken_DotsAndLengthAreRefusedCheaply(t *testing.T) {
	cfg, _ := fileConfig(t, set(t, newSigner(t, "k1", jwa.ES256())), nil)
	a := newAuthn(t, cfg, time.Now)
	m := checktest.Method(t, rpc.Policy{Access: rpc.Authenticated})
	refuse := a.Check(m).Admit
	for _, text := range []string{strings.Repeat(".", 10_000), strings.Repeat("a", 1<<20)} {
		c := checktest.Call(m, "authorization", "Bearer "+text)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = refuse(c) }), 8.0, "only the error itself")
	}
}

func TestToken_WithoutKid(t *testing.T) {
	clock := checktest.NewClock()
	one, two := newSigner(t, "", jwa.ES256()), newSigner(t, "", jwa.ES256())
	cfg, _ := fileConfig(t, set(t, one, newSigner(t, "", jwa.RS256())), nil)
	_, err := admit(t, newAuthn(t, cfg, clock.Now), one.token(t, clock.Now(), nil))
	require.NoError(t, err, "only one key fits the algorithm")
	cfg, _ = fileConfig(t, set(t, one, two), nil)
	_, err = admit(t, newAuthn(t, cfg, clock.Now), one.token(t, clock.Now(), nil))
	checktest.Error(t, err, "INVALID_CREDENTIAL")
}

func TestToken_ExpiresInMemoryToo(t *testing.T) {
	clock := checktest.NewClock()
	s := newSigner(t, "k1", jwa.ES256())
	cfg, _ := fileConfig(t, set(t, s), nil)
	a := newAuthn(t, cfg, clock.Now)
	token := s.token(t, clock.Now(), nil)
	_, err := admit(t, a, token)
	require.NoError(t, err)
	require.Equal(t, 1, a.tokens.verified.Len())
	clock.Add(time.Hour + skew - time.Second)
	_, err = admit(t, a, token)
	require.NoError(t, err)
	clock.Add(time.Second)
	_, err = admit(t, a, token)
	checktest.Error(t, err, "CREDENTIAL_EXPIRED")
	require.Zero(t, a.tokens.verified.Len())
}

func BenchmarkToken(b *testing.B) {
	s := newSigner(b, "k1", jwa.ES256())
	cfg, _ := fileConfig(b, set(b, s), nil)
	a := newAuthn(b, cfg, time.Now)
	m := checktest.Method(b, rpc.Policy{Access: rpc.Authenticated})
	check := a.Check(m).Admit
	c := checktest.Call(m, "authorization", "Bearer "+s.token(b, time.Now(), nil))
	b.Run("Verified", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Consumed = nil
			if err := check(c); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("New", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			a.tokens.verified.Purge()
			if err := check(c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
