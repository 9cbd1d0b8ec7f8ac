package interceptors_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// guarded is a schema with something for every check.
const guarded = `
syntax = "proto3";
package acme.v1;
import "buf/validate/validate.proto";
import "gatehouse/policy/v1/policy.proto";
message Order {
  string id = 1 [(buf.validate.field).string.min_len = 2];
  int32 discount = 2 [(gatehouse.policy.v1.field).scopes = "discount"];
}
service Orders { rpc Put(Order) returns (Order); }
`

func authnConfig(keys ...string) *configv1.Authn {
	cfg := &configv1.Authn{}
	for i := 0; i+1 < len(keys); i += 2 {
		sum := sha256.Sum256([]byte("s"))
		cfg.ApiKeys = append(cfg.ApiKeys, &configv1.ApiKey{
			Id: keys[i], SecretSha256: hex.EncodeToString(sum[:]), Principal: keys[i], Scopes: strings.Fields(keys[i+1]),
		})
	}
	return cfg
}

func newSet(t testing.TB, cfg interceptors.Config) *interceptors.Set {
	t.Helper()
	set, err := interceptors.New(cfg)
	require.NoError(t, err)
	return set
}

func bind(t testing.TB, set *interceptors.Set, m *rpc.Method) *interceptors.Chain {
	t.Helper()
	list, err := set.List([]*rpc.Method{m}, nil)
	require.NoError(t, err)
	return interceptors.Bind(m, list)
}

// serve runs a call as a driver does, and returns how it ended.
func serve(chain *interceptors.Chain, c *rpc.Call, f *rpc.Frame) error {
	c.Err = chain.Admit(c)
	if c.Err == nil {
		c.Err = chain.Request(c, f)
	}
	chain.Done(c, rpc.StatusOf(c.Err))
	return c.Err
}

func reason(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	own, ok := err.(*rpc.Error)
	require.True(t, ok, err)
	return own.Reason()
}

func TestChain_OrderOfRefusals(t *testing.T) {
	clock := checktest.NewClock()
	set := newSet(t, interceptors.Config{Now: clock.Now, Authn: authnConfig("reader", "", "writer", "write", "boss", "write discount")})
	m := checktest.Methods(t, guarded, rpc.Policy{
		Access: rpc.Authenticated, Scopes: []string{"write"}, Cost: 1, Timeout: time.Second,
		Quota: &rpc.Quota{Name: "orders", Limit: 2, Period: time.Minute, Burst: 2},
	})["Put"]
	chain := bind(t, set, m)
	for _, test := range []struct{ name, key, body, reason string }{
		{"Anonymous", "", `{}`, "MISSING_CREDENTIAL"},
		{"WrongKey", "reader.x", `{}`, "INVALID_CREDENTIAL"},
		{"NoScope", "reader.s", `{}`, "SCOPE_MISSING"},
		{"NoScopeAgain", "reader.s", `{}`, "SCOPE_MISSING"},
		{"ProbingForPermissionsCostsBudget", "reader.s", `{}`, "QUOTA_EXCEEDED"},
		{"ValidationBeforeFields", "writer.s", `{"id":"a","discount":1}`, "VALIDATION_FAILED"},
		{"Fields", "writer.s", `{"id":"ab","discount":1}`, "FIELD_SCOPE_MISSING"},
		{"EverythingInOrder", "boss.s", `{"id":"ab","discount":1}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := checktest.Call(m)
			if test.key != "" {
				c = checktest.Call(m, "x-api-key", test.key)
			}
			c.Started = clock.Now()
			require.Equal(t, test.reason, reason(t, serve(chain, c, checktest.Frame(t, m.Input, test.body))))
		})
	}
	w := httptest.NewRecorder()
	set.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`gatehouse_calls_total{code="UNAUTHENTICATED",listener="public",method="acme.v1.Orders.Put",protocol="rest"} 2`,
		`gatehouse_calls_total{code="OK",listener="public",method="acme.v1.Orders.Put",protocol="rest"} 1`,
		`gatehouse_calls_in_flight{listener="public"} 0`,
	} {
		require.Contains(t, w.Body.String(), line)
	}
}

func TestChain_DeniedIsForbiddenForEverybody(t *testing.T) {
	set := newSet(t, interceptors.Config{Authn: authnConfig("a", "")})
	m := checktest.Method(t, rpc.Policy{Access: rpc.Denied, AccessRule: "default_access"})
	chain := bind(t, set, m)
	require.Equal(t, "ACCESS_DENIED", reason(t, chain.Admit(checktest.Call(m))))
	require.Equal(t, "ACCESS_DENIED", reason(t, chain.Admit(checktest.Call(m, "x-api-key", "a.s"))))
	require.Equal(t, "INVALID_CREDENTIAL", reason(t, chain.Admit(checktest.Call(m, "x-api-key", "a.x"))))
}

func TestChain_BindsOnlyWhatAMethodNeeds(t *testing.T) {
	chain := bind(t, newSet(t, interceptors.Config{}), checktest.Method(t, rpc.Policy{Access: rpc.Public}))
	require.False(t, chain.ReadsRequests(), "a method without rules passes undecoded")
	require.False(t, chain.ReadsReplies())
	require.False(t, chain.Waits())
	chain = bind(t, newSet(t, interceptors.Config{}), checktest.Methods(t, guarded, rpc.Policy{Access: rpc.Public})["Put"])
	require.True(t, chain.ReadsRequests())
}

func TestList_RefusesWhatCouldNeverWork(t *testing.T) {
	set := newSet(t, interceptors.Config{})
	m := checktest.Method(t, rpc.Policy{Access: rpc.Public, Cost: 2, Quota: &rpc.Quota{Name: "q", Limit: 1, Period: 1, Burst: 1}})
	_, err := set.List([]*rpc.Method{m}, nil)
	require.ErrorContains(t, err, "acme.v1.Orders.Get")
	broken := strings.Replace(guarded, "string.min_len = 2", `cel = {id: "x", expression: "this +"}`, 1)
	m = checktest.Methods(t, broken, rpc.Policy{Access: rpc.Public})["Put"]
	_, err = set.List([]*rpc.Method{m}, &protoregistry.Types{})
	require.ErrorContains(t, err, "acme.v1.Order.id")
}

func TestNew_NamesTheCheckThatCannotBeBuilt(t *testing.T) {
	_, err := interceptors.New(interceptors.Config{Authn: &configv1.Authn{ApiKeys: []*configv1.ApiKey{{Id: "a", SecretSha256: "?"}}}})
	require.ErrorContains(t, err, `authn: api key "a"`)
}

func TestSet_SecretsNeverReachALog(t *testing.T) {
	var log bytes.Buffer
	set := newSet(t, interceptors.Config{AccessLog: &log, Authn: authnConfig("a", "")})
	m := checktest.Methods(t, guarded, rpc.Policy{Access: rpc.Authenticated})["Put"]
	chain := bind(t, set, m)
	for _, md := range [][]string{
		{"x-api-key", "a.canary"}, {"x-api-key", "canary"}, {"authorization", "Bearer canary.canary"},
		{"authorization", "Bearer canary.canary.canary"}, {"authorization", "Basic canary"}, {"x-api-key", "a.s", "x-canary", "canary"},
	} {
		_ = serve(chain, checktest.Call(m, md...), checktest.Frame(t, m.Input, `{"id":"ab"}`))
	}
	r := httptest.NewRequest("GET", "/no/such?token=canary", nil)
	r.Header.Set("Authorization", "canary")
	set.Unrouted(rpc.ListenerPublic)("rest", "id1", 404, r)
	set.Ignored("field", 2)

	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = set.Run(ctx) })
	cancel()
	running.Wait()
	require.Equal(t, 7, strings.Count(log.String(), "\n"), log.String())
	require.NotContains(t, log.String(), "canary")
	require.Contains(t, log.String(), `"path":"/no/such","http":404,"protocol":"rest","listener":"public","client":"192.0.2.1"`)

	w := httptest.NewRecorder()
	set.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.NotContains(t, w.Body.String(), "canary")
	require.Contains(t, w.Body.String(), `gatehouse_unrouted_requests_total{listener="public",protocol="rest",status="404"} 1`)
	require.Contains(t, w.Body.String(), `gatehouse_ignored_total{kind="field"} 2`)
	require.Contains(t, w.Body.String(), `gatehouse_access_log_dropped_total 0`)
}

func TestSet_RunEndsWithoutWork(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, newSet(t, interceptors.Config{}).Run(ctx))
}

// BenchmarkChain is the header checks of an ordinary call: telemetry, deadline, authn by key, quota, scopes; and with
// the access log.
func BenchmarkChain(b *testing.B) {
	for _, with := range []string{"FiveChecks", "AndAccessLog"} {
		b.Run(with, func(b *testing.B) {
			cfg := interceptors.Config{Authn: authnConfig("web", "write")}
			if with == "AndAccessLog" {
				cfg.AccessLog = discard{}
			}
			set := newSet(b, cfg)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go set.Run(ctx)
			m := checktest.Method(b, rpc.Policy{
				Access: rpc.Authenticated, Scopes: []string{"write"}, Cost: 1, Timeout: time.Second,
				Quota: &rpc.Quota{Name: "orders", Limit: 1 << 30, Period: time.Minute, Burst: 1 << 30},
			})
			chain := bind(b, set, m)
			c, ok := checktest.Call(m, "x-api-key", "web.s"), status.New(codes.OK, "")
			b.ReportAllocs()
			for b.Loop() {
				c.Consumed, c.Principal = nil, nil
				if err := chain.Admit(c); err != nil {
					b.Fatal(err)
				}
				chain.Done(c, ok)
			}
		})
	}
}

// discard takes everything.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
