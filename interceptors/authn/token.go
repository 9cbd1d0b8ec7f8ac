package authn

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"google.golang.org/grpc/codes"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	// verifiedMax bounds the tokens that are remembered as verified.
	verifiedMax = 10_000
	// skew is how far the clocks of issuer and gateway may differ.
	skew = time.Minute
	// subjectBytesMax bounds a subject: OpenID Connect allows 255 (Core 1.0, section 2).
	subjectBytesMax = 256
)

// tokens verifies JSON Web Tokens. It is safe for concurrent use.
type tokens struct {
	issuers  map[string]*issuer
	verified *lru.Cache[[sha256.Size]byte, verified]
	now      func() time.Time
}

// issuer is one configured issuer.
type issuer struct {
	name        string
	audiences   []string
	algorithms  []string
	scopesClaim string
	keys        *keySet
}

// verified is what is remembered of a token. It is worth nothing once its key left the issuer's set.
type verified struct {
	principal *rpc.Principal
	expires   time.Time
	key       *signingKey
}

func newTokens(list []*configv1.Jwt, now func() time.Time, log *slog.Logger) (*tokens, error) {
	cache, err := lru.New[[sha256.Size]byte, verified](verifiedMax)
	if err != nil {
		return nil, fmt.Errorf("token cache: %w", err)
	}
	t := &tokens{issuers: make(map[string]*issuer, len(list)), verified: cache, now: now}
	for _, cfg := range list {
		if t.issuers[cfg.GetIssuer()] != nil {
			return nil, fmt.Errorf("issuer %q is configured twice", cfg.GetIssuer())
		}
		if t.issuers[cfg.GetIssuer()], err = newIssuer(cfg, now, log); err != nil {
			return nil, fmt.Errorf("issuer %q: %w", cfg.GetIssuer(), err)
		}
	}
	return t, nil
}

func newIssuer(cfg *configv1.Jwt, now func() time.Time, log *slog.Logger) (*issuer, error) {
	i := &issuer{
		name: cfg.GetIssuer(), audiences: cfg.GetAudiences(),
		algorithms: cfg.GetAlgorithms(), scopesClaim: cfg.GetScopesClaim(),
	}
	if len(i.algorithms) == 0 {
		i.algorithms = []string{"RS256", "ES256", "EdDSA"}
	}
	for _, name := range i.algorithms {
		alg, ok := jwa.LookupSignatureAlgorithm(name)
		if !ok || alg.IsSymmetric() || name == "none" {
			return nil, fmt.Errorf("the algorithm %q cannot be used: only signatures by a private key can", name)
		}
	}
	if i.scopesClaim == "" {
		i.scopesClaim = "scope"
	}
	var err error
	i.keys, err = newKeySet(cfg, now, log)
	return i, err
}

// waits reports whether verify may wait for keys from the network.
func (t *tokens) waits() bool {
	for _, i := range t.issuers {
		if i.keys.remote {
			return true
		}
	}
	return false
}

// verify returns the principal of a token in compact form. The token is read once; its header only says which of the
// issuer's keys to try, and is believed in nothing else: jku, x5u and jwk are not looked at, crit is refused.
func (t *tokens) verify(c *rpc.Call, text string) (*rpc.Principal, error) {
	sum := sha256.Sum256([]byte(text))
	if v, ok := t.verified.Get(sum); ok && !v.key.gone.Load() {
		if !t.now().Before(v.expires.Add(skew)) {
			t.verified.Remove(sum)
			return nil, expired()
		}
		return v.principal, nil
	}
	headers, claims, err := parse(text)
	if err != nil {
		return nil, err
	}
	name, _ := claims.Issuer()
	i := t.issuers[name]
	if i == nil {
		return nil, invalid("the token's issuer (iss) is not one that this gateway knows; get a token from one it does")
	}
	key, alg, err := i.key(c, headers)
	if err != nil {
		return nil, err
	}
	if _, err := jws.VerifyCompactFast(key.public, []byte(text), alg); err != nil {
		return nil, invalid("the token's signature does not fit its issuer's key; send the token as it was issued")
	}
	v, err := i.accept(claims, t.now)
	if err != nil {
		return nil, err
	}
	v.key = key
	t.verified.Add(sum, v)
	return v.principal, nil
}

// parse decodes header and claims, nothing verified.
func parse(text string) (jws.Headers, jwt.Token, error) {
	header, rest, _ := strings.Cut(text, ".")
	payload, _, _ := strings.Cut(rest, ".")
	headers, claims := jws.NewHeaders(), jwt.New()
	if decode(header, headers) != nil || decode(payload, claims) != nil {
		return nil, nil, invalid("the token is not a JSON Web Token in compact form; send it as it was issued")
	}
	if headers.Has(jws.CriticalKey) || headers.Has("b64") {
		return nil, nil, invalid("the token asks for an extension (crit) that this gateway does not have; get a plain one")
	}
	return headers, claims, nil
}

// decode reads one part of a token into a type that decodes itself: it matches names exactly, which encoding/json, left
// alone, would not.
func decode(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// key returns the issuer's key for a header, and the algorithm, which issuer and key must both allow.
func (i *issuer) key(c *rpc.Call, headers jws.Headers) (*signingKey, jwa.SignatureAlgorithm, error) {
	alg, ok := headers.Algorithm()
	if !ok || !slices.Contains(i.algorithms, alg.String()) {
		return nil, alg, invalid("the token is signed by an algorithm that is not accepted of its issuer; accepted: %s",
			strings.Join(i.algorithms, ", "))
	}
	kid, _ := headers.KeyID()
	key, err := i.keys.find(c, kid, alg.String())
	return key, alg, err
}

// accept judges verified claims.
func (i *issuer) accept(claims jwt.Token, now func() time.Time) (verified, error) {
	err := jwt.Validate(claims, jwt.WithClock(jwt.ClockFunc(now)), jwt.WithAcceptableSkew(skew),
		jwt.WithIssuer(i.name), jwt.WithRequiredClaim(jwt.ExpirationKey))
	switch {
	case errors.Is(err, jwt.TokenExpiredError()):
		return verified{}, expired()
	case errors.Is(err, jwt.TokenNotYetValidError()), errors.Is(err, jwt.InvalidIssuedAtError()):
		return verified{}, invalid("the token is not valid yet (nbf, iat); check the issuer's clock")
	case err != nil:
		return verified{}, invalid("the token has no time of expiry (exp); get one that has")
	}
	if audience, _ := claims.Audience(); len(i.audiences) > 0 &&
		!slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(i.audiences, a) }) {
		return verified{}, invalid("the token is for another audience (aud); ask its issuer for one for: %s",
			strings.Join(i.audiences, ", "))
	}
	subject, _ := claims.Subject()
	if subject == "" || len(subject) > subjectBytesMax {
		return verified{}, invalid("the token names no subject (sub) of 1 to %d bytes; get one that does", subjectBytesMax)
	}
	scopes, err := i.scopes(claims)
	if err != nil {
		return verified{}, err
	}
	expires, _ := claims.Expiration()
	return verified{principal: &rpc.Principal{Name: subject, Issuer: i.name, Scopes: scopes, Expires: expires.Add(skew)}, expires: expires}, nil
}

// scopes reads the scopes claim: one text with spaces, or a list of texts.
func (i *issuer) scopes(claims jwt.Token) ([]string, error) {
	if !claims.Has(i.scopesClaim) {
		return nil, nil
	}
	var claim any
	if err := claims.Get(i.scopesClaim, &claim); err != nil {
		return nil, invalid("the token's claim %q cannot be read", i.scopesClaim)
	}
	switch claim := claim.(type) {
	case string:
		return strings.Fields(claim), nil
	case []string:
		return claim, nil
	case []any:
		scopes := make([]string, 0, len(claim))
		for _, s := range claim {
			if s, ok := s.(string); ok {
				scopes = append(scopes, s)
			}
		}
		if len(scopes) == len(claim) {
			return scopes, nil
		}
	}
	return nil, invalid("the token's claim %q must be a list of texts, or one text with spaces", i.scopesClaim)
}

func expired() error {
	return rpc.Errorf(codes.Unauthenticated, "CREDENTIAL_EXPIRED",
		"the token has expired; get a new one from its issuer")
}
