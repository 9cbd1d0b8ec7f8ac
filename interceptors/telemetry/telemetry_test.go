package telemetry_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/interceptors/telemetry"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func newTelemetry(t testing.TB, now func() time.Time) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.New(now)
	require.NoError(t, err)
	return tel
}

func scrape(t testing.TB, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	require.Equal(t, 200, w.Code)
	return w.Body.String()
}

func TestTelemetry_CallsByMethodAndCode(t *testing.T) {
	clock := checktest.NewClock()
	tel := newTelemetry(t, clock.Now)
	m := checktest.Method(t, rpc.Policy{})
	run := func(code codes.Code) {
		check := tel.Check(m) // anew each time, as in a new snapshot
		c := checktest.Call(m)
		c.Started = clock.Now()
		require.NoError(t, check.Admit(c))
		require.Contains(t, scrape(t, tel), `gatehouse_calls_in_flight{listener="public"} 1`)
		clock.Add(20 * time.Millisecond)
		check.Done(c, status.New(code, ""))
	}
	run(codes.OK)
	run(codes.OK)
	run(codes.NotFound)
	run(codes.Code(999))

	text := scrape(t, tel)
	for _, line := range []string{
		`gatehouse_calls_total{code="OK",listener="public",method="acme.v1.Orders.Get",protocol="rest"} 2`,
		`gatehouse_calls_total{code="NOT_FOUND",listener="public",method="acme.v1.Orders.Get",protocol="rest"} 1`,
		`gatehouse_calls_total{code="UNKNOWN",listener="public",method="acme.v1.Orders.Get",protocol="rest"} 1`,
		`gatehouse_calls_in_flight{listener="public"} 0`,
		`gatehouse_call_duration_seconds_bucket{method="acme.v1.Orders.Get",protocol="rest",le="0.01"} 0`,
		`gatehouse_call_duration_seconds_bucket{method="acme.v1.Orders.Get",protocol="rest",le="0.025"} 4`,
		`gatehouse_call_duration_seconds_count{method="acme.v1.Orders.Get",protocol="rest"} 4`,
	} {
		require.Contains(t, text, line)
	}
}

func TestTelemetry_OtherCounters(t *testing.T) {
	tel := newTelemetry(t, time.Now)
	tel.Ignored("field", 3)
	tel.Ignored("field", 1)
	tel.Ignored("header", 1)
	tel.Unrouted(rpc.ListenerPublic, "rest", 404)
	tel.Unrouted(rpc.ListenerPublic, "rest", 404)
	require.NoError(t, tel.Counter("gatehouse_lost", "Lost things.", func() uint64 { return 12 }))
	text := scrape(t, tel)
	for _, line := range []string{
		`gatehouse_ignored_total{kind="field"} 4`,
		`gatehouse_ignored_total{kind="header"} 1`,
		`gatehouse_unrouted_requests_total{listener="public",protocol="rest",status="404"} 2`,
		`gatehouse_lost_total 12`,
		`go_goroutines `,
	} {
		require.Contains(t, text, line)
	}
}

func TestTelemetry_LabelsAreBounded(t *testing.T) {
	tel := newTelemetry(t, time.Now)
	for i := range 100 {
		tel.Ignored(fmt.Sprint("kind", i), 1)
	}
	m := checktest.Method(t, rpc.Policy{})
	for i := range 6000 {
		other := *m
		other.Descriptor = named{m.Descriptor, fmt.Sprintf("acme.v1.Orders.M%d", i)}
		c := checktest.Call(&other)
		check := tel.Check(&other)
		require.NoError(t, check.Admit(c))
		check.Done(c, status.New(codes.OK, ""))
	}
	text := scrape(t, tel)
	require.Equal(t, 5001, strings.Count(text, "\ngatehouse_calls_total{"))
	require.Contains(t, text, `method="other",protocol="rest"} 1000`)
	require.LessOrEqual(t, strings.Count(text, "\ngatehouse_ignored_total{"), 33)
	require.Contains(t, text, `gatehouse_ignored_total{kind="other"} 68`)
}

func TestTelemetry_TwoGatewaysInOneProcess(t *testing.T) {
	one, two := newTelemetry(t, time.Now), newTelemetry(t, time.Now)
	one.Ignored("field", 1)
	require.Contains(t, scrape(t, one), "gatehouse_ignored_total{")
	require.NotContains(t, scrape(t, two), "gatehouse_ignored_total{")
}

func BenchmarkTelemetry(b *testing.B) {
	tel := newTelemetry(b, time.Now)
	m := checktest.Method(b, rpc.Policy{})
	check, c, ok := tel.Check(m), checktest.Call(m), status.New(codes.OK, "")
	b.ReportAllocs()
	for b.Loop() {
		_ = check.Admit(c)
		check.Done(c, ok)
	}
}
