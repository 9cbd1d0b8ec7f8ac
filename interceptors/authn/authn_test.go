package authn

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func apiKeyConfig(id, secret, principal string, scopes ...string) *configv1.ApiKey {
	sum := sha256.Sum256([]byte(secret))
	return &configv1.ApiKey{Id: id, SecretSha256: hex.EncodeToString(sum[:]), Principal: principal, Scopes: scopes}
}

func newAuthn(t testing.TB, cfg *configv1.Authn, now func() time.Time) *Authn {
	t.Helper()
	a, err := New(cfg, now, quiet)
	require.NoError(t, err)
	return a
}

func TestAuthn_APIKeys(t *testing.T) {
	a := newAuthn(t, &configv1.Authn{ApiKeys: []*configv1.ApiKey{
		apiKeyConfig("web", "s3cret-canary", "acme-web", "orders.read"),
		apiKeyConfig("dots", "a.b.c", "acme-dots"),
		apiKeyConfig("hollow", "", "nobody"),
	}}, time.Now)
	const key = "web.s3cret-canary"
	for _, test := range []struct {
		name     string
		metadata []string
		reason   string // "" is success
		who      string
		consumed []string
	}{
		{"Header", []string{"x-api-key", key}, "", "acme-web", []string{"x-api-key"}},
		{"Bearer", []string{"authorization", "Bearer " + key}, "", "acme-web", []string{"authorization"}},
		{"SchemeIgnoresCase", []string{"authorization", "bEARER  " + key}, "", "acme-web", []string{"authorization"}},
		{"SameTwice", []string{"authorization", "Bearer " + key, "x-api-key", key}, "", "acme-web", []string{"x-api-key", "authorization"}},
		{"DotsInSecret", []string{"x-api-key", "dots.a.b.c"}, "", "acme-dots", []string{"x-api-key"}},
		{"WrongSecret", []string{"x-api-key", "web.s3cret-canarx"}, "INVALID_CREDENTIAL", "", nil},
		{"SecretCutShort", []string{"x-api-key", "web.s3cret"}, "INVALID_CREDENTIAL", "", nil},
		{"UnknownID", []string{"x-api-key", "nobody.s3cret-canary"}, "INVALID_CREDENTIAL", "", nil},
		{"NoDot", []string{"x-api-key", "s3cret-canary"}, "INVALID_CREDENTIAL", "", nil},
		{"EmptySecret", []string{"x-api-key", "hollow."}, "INVALID_CREDENTIAL", "", nil},
		{"EmptyKey", []string{"x-api-key", ""}, "INVALID_CREDENTIAL", "", nil},
		{"EmptyBearer", []string{"authorization", "Bearer "}, "INVALID_CREDENTIAL", "", nil},
		{"LongSecret", []string{"x-api-key", "web." + strings.Repeat("a", 300)}, "INVALID_CREDENTIAL", "", nil},
		{"HugeKey", []string{"x-api-key", strings.Repeat("a", 17<<10)}, "INVALID_CREDENTIAL", "", nil},
		{"KeySentTwice", []string{"x-api-key", key, "x-api-key", key}, "INVALID_CREDENTIAL", "", nil},
		{"TwoInOneHeader", []string{"x-api-key", key + "," + key}, "INVALID_CREDENTIAL", "", nil},
		{"Basic", []string{"authorization", "Basic d2ViOnMzY3JldA=="}, "INVALID_CREDENTIAL", "", nil},
		{"NoScheme", []string{"authorization", key}, "INVALID_CREDENTIAL", "", nil},
		{"Different", []string{"authorization", "Bearer dots.a", "x-api-key", key}, "CONFLICTING_CREDENTIALS", "", nil},
		{"TokenWithoutIssuers", []string{"authorization", "Bearer a.b.c"}, "INVALID_CREDENTIAL", "", nil},
		{"Missing", nil, "MISSING_CREDENTIAL", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, access := range []rpc.Access{rpc.Authenticated, rpc.Public} {
				m := checktest.Method(t, rpc.Policy{Access: access})
				c := checktest.Call(m, test.metadata...)
				err := a.Check(m).Admit(c)
				if test.reason == "" || access == rpc.Public && test.reason == "MISSING_CREDENTIAL" {
					require.NoError(t, err)
					require.Equal(t, test.consumed, c.Consumed)
					if test.who == "" {
						require.Nil(t, c.Principal)
					} else {
						require.Equal(t, test.who, c.Principal.Name)
						require.Equal(t, "api-key", c.Principal.Issuer)
					}
					continue
				}
				own := checktest.Error(t, err, test.reason)
				require.Equal(t, codes.Unauthenticated, own.Code())
				require.Nil(t, c.Principal)
				require.NotContains(t, own.Error(), "canar", "no part of a credential is repeated")
			}
		})
	}
}

func TestAuthn_UnknownAndWrongLookTheSame(t *testing.T) {
	a := newAuthn(t, &configv1.Authn{ApiKeys: []*configv1.ApiKey{apiKeyConfig("web", "s", "acme-web")}}, time.Now)
	a.keys.decoy.sum = sha256.Sum256([]byte("decoy"))
	m := checktest.Method(t, rpc.Policy{Access: rpc.Authenticated})
	answer := func(key string) *rpc.Error {
		return checktest.Error(t, a.Check(m).Admit(checktest.Call(m, "x-api-key", key)), "INVALID_CREDENTIAL")
	}
	wrong, unknown := answer("web.x"), answer("nobody.x")
	require.Equal(t, wrong.GRPCStatus().Proto().String(), unknown.GRPCStatus().Proto().String())
	// An unknown id is compared with a decoy, and that the comparison succeeds does not help.
	key, known := a.keys.find("nobody")
	require.Zero(t, known)
	require.Same(t, a.keys.decoy, key)
	answer("nobody.decoy")
	allocs := func(key string) float64 { return testing.AllocsPerRun(100, func() { _, _ = a.keys.verify(key) }) }
	require.InDelta(t, allocs("web.x"), allocs("nobody.x"), 1, "one more or less is the race detector's")
	require.EqualError(t, wrong.Unwrap(), `api key "web": wrong secret`)
	require.EqualError(t, unknown.Unwrap(), "api key with an unknown id")
}

func TestAuthn_AccessLevels(t *testing.T) {
	a := newAuthn(t, &configv1.Authn{ApiKeys: []*configv1.ApiKey{apiKeyConfig("web", "s", "acme-web")}}, time.Now)
	for _, test := range []struct {
		policy   rpc.Policy
		required bool
	}{
		{rpc.Policy{Access: rpc.Public, Scopes: []string{"a"}}, false},
		{rpc.Policy{Access: rpc.Authenticated}, true},
		{rpc.Policy{Access: rpc.Internal}, false},
		{rpc.Policy{Access: rpc.Internal, Scopes: []string{"a"}}, true},
		{rpc.Policy{Access: rpc.Denied}, false}, // 403 for everybody, anonymous too
	} {
		m := checktest.Method(t, test.policy)
		err := a.Check(m).Admit(checktest.Call(m))
		require.Equal(t, test.required, err != nil, "%+v", test.policy)
		require.Error(t, a.Check(m).Admit(checktest.Call(m, "x-api-key", "web.wrong")), "a wrong one is never anonymous: %+v", test.policy)
	}
}

func TestAuthn_NotConfigured(t *testing.T) {
	a := newAuthn(t, nil, time.Now)
	require.Equal(t, rpc.Check{}, a.Check(checktest.Method(t, rpc.Policy{Access: rpc.Public})), "credentials are the backend's")
	m := checktest.Method(t, rpc.Policy{Access: rpc.Authenticated})
	err := checktest.Error(t, a.Check(m).Admit(checktest.Call(m, "x-api-key", "web.s")), "MISSING_CREDENTIAL")
	require.Contains(t, err.Message(), "operator")
	require.NoError(t, a.Run(t.Context()))
}

func TestNew_RefusesWhatCannotWork(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  *configv1.Authn
		says string
	}{
		{"SameKeyTwice", &configv1.Authn{ApiKeys: []*configv1.ApiKey{apiKeyConfig("a", "1", "x"), apiKeyConfig("a", "2", "y")}}, "twice"},
		{"BadHash", &configv1.Authn{ApiKeys: []*configv1.ApiKey{{Id: "a", SecretSha256: "zz", Principal: "x"}}}, "64 hex digits"},
		{"ShortHash", &configv1.Authn{ApiKeys: []*configv1.ApiKey{{Id: "a", SecretSha256: "abcd", Principal: "x"}}}, "64 hex digits"},
		{"LongHash", &configv1.Authn{ApiKeys: []*configv1.ApiKey{{Id: "a", SecretSha256: strings.Repeat("ab", 33), Principal: "x"}}}, "64 hex digits"},
		{"NoneAlgorithm", withAlgorithm("none"), "cannot be used"},
		{"SharedSecret", withAlgorithm("HS256"), "cannot be used"},
		{"UnknownAlgorithm", withAlgorithm("XX"), "cannot be used"},
		{"PlainHTTP", withURL("http://id.example/keys"), "must be https"},
		{"File", withURL("file:///etc/passwd"), "must be https"},
		{"NoHost", withURL("https:///keys"), "must be https"},
		{"UserInURL", withURL("https://user:pass@id.example/"), "must be https"},
		{"NoSuchFile", &configv1.Authn{Jwt: []*configv1.Jwt{{Issuer: "a", Jwks: &configv1.Jwt_JwksFile{JwksFile: "/no/such"}}}}, "/no/such"},
		{"SameIssuerTwice", &configv1.Authn{Jwt: []*configv1.Jwt{withURL("https://a/").Jwt[0], withURL("https://a/").Jwt[0]}}, "twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := New(test.cfg, time.Now, quiet)
			require.ErrorContains(t, err, test.says)
			require.NotContains(t, fmt.Sprint(err), "pass@")
		})
	}
}

func withAlgorithm(name string) *configv1.Authn {
	cfg := withURL("https://id.example/")
	cfg.Jwt[0].Algorithms = []string{name}
	return cfg
}

func withURL(u string) *configv1.Authn {
	return &configv1.Authn{Jwt: []*configv1.Jwt{{Issuer: "https://id.example", Jwks: &configv1.Jwt_JwksUrl{JwksUrl: u}}}}
}

func TestAuthn_APIKeyAllocatesNothing(t *testing.T) {
	a := newAuthn(t, &configv1.Authn{ApiKeys: []*configv1.ApiKey{apiKeyConfig("web", strings.Repeat("s", 43), "acme-web")}}, time.Now)
	m := checktest.Method(t, rpc.Policy{Access: rpc.Authenticated})
	admit := a.Check(m).Admit
	c := checktest.Call(m, "authorization", "Bearer web."+strings.Repeat("s", 43))
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		c.Consumed = nil
		if admit(c) != nil {
			t.Fail()
		}
	}))
}

func BenchmarkAPIKey(b *testing.B) {
	a := newAuthn(b, &configv1.Authn{ApiKeys: []*configv1.ApiKey{apiKeyConfig("web", strings.Repeat("s", 43), "acme-web")}}, time.Now)
	m := checktest.Method(b, rpc.Policy{Access: rpc.Authenticated})
	admit := a.Check(m).Admit
	c := checktest.Call(m, "x-api-key", "web."+strings.Repeat("s", 43))
	b.ReportAllocs()
	for b.Loop() {
		c.Consumed = nil
		if err := admit(c); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzCredential holds what read promises for anything that a client sends: what it returns is well formed and stands
// in the headers, and never both an error and a credential that would be used.
func FuzzCredential(f *testing.F) {
	for _, s := range []string{"", "Bearer a.b", "bearer a.b.c", "Basic x", "Bearer  a.b", "Bearer\ta", "Bearer a,b", "Bearer", "Bearer \x00"} {
		f.Add("", s)
		f.Add("a.b", s)
	}
	f.Fuzz(func(t *testing.T, key, authorization string) {
		got, err := read(map[string][]string{headerAPIKey: {key}, headerBearer: {authorization}})
		if err != nil {
			var own *rpc.Error
			if !errors.As(err, &own) || own.Code() != codes.Unauthenticated {
				t.Fatalf("%v of %q and %q", err, key, authorization)
			}
			return
		}
		if got.by != byBoth || got.text != key || !strings.HasSuffix(authorization, key) {
			t.Fatalf("%+v of %q and %q", got, key, authorization)
		}
		if wellFormed(got.text) != nil {
			t.Fatalf("%q is not well formed", got.text)
		}
	})
}
