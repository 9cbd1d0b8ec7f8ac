package quota

import (
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func budget(limit, burst int, per rpc.Per) *rpc.Quota {
	return &rpc.Quota{Name: "acme.v1.Orders", Limit: limit, Period: time.Minute, Burst: burst, Per: per}
}

func call(t testing.TB, m *rpc.Method, who, address string) *rpc.Call {
	t.Helper()
	c := checktest.Call(m)
	if who != "" {
		c.Principal = &rpc.Principal{Name: who, Issuer: "api-key"}
	}
	c.Client = netip.MustParseAddr(address)
	return c
}

func TestQuota_RefusesWithWhoWhatAndWhen(t *testing.T) {
	clock := checktest.NewClock()
	m := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(20, 2, rpc.PerPrincipal)})
	admit := New(1000, clock.Now).Check(m).Admit
	c := call(t, m, "acme-web", "192.0.2.1")
	require.NoError(t, admit(c))
	require.NoError(t, admit(c))
	clock.Add(200 * time.Millisecond)

	err := checktest.Error(t, admit(c), "QUOTA_EXCEEDED")
	require.Equal(t, codes.ResourceExhausted, err.Code())
	require.Equal(t, "acme-web may spend 20 a minute on acme.v1.Orders; retry in 3s", err.Message())
	var retry *errdetails.RetryInfo
	var failure *errdetails.QuotaFailure
	for _, d := range err.GRPCStatus().Details() {
		switch d := d.(type) {
		case *errdetails.RetryInfo:
			retry = d
		case *errdetails.QuotaFailure:
			failure = d
		}
	}
	require.Equal(t, 3*time.Second, retry.GetRetryDelay().AsDuration())
	require.Equal(t, "acme-web", failure.GetViolations()[0].GetSubject())

	clock.Add(3*time.Second - 200*time.Millisecond - 1)
	require.Error(t, admit(c), "1 ns too early")
	clock.Add(1)
	require.NoError(t, admit(c))
	require.Error(t, admit(c), "a refusal took nothing, and one token is all that came")
}

func TestQuota_WhoseBucket(t *testing.T) {
	for _, test := range []struct {
		name              string
		per               rpc.Per
		who1, from1       string
		who2, from2       string
		shared            bool
		firstSubjectShown string
	}{
		{"SamePrincipalElsewhere", rpc.PerPrincipal, "a", "192.0.2.1", "a", "192.0.2.2", true, "a"},
		{"OtherPrincipalSameAddress", rpc.PerPrincipal, "a", "192.0.2.1", "b", "192.0.2.1", false, "a"},
		{"AnonymousByAddress", rpc.PerPrincipal, "", "192.0.2.1", "", "192.0.2.1", true, "192.0.2.1"},
		{"AnonymousElsewhere", rpc.PerPrincipal, "", "192.0.2.1", "", "192.0.2.2", false, "192.0.2.1"},
		{"AddressWhoever", rpc.PerAddress, "a", "192.0.2.1", "b", "192.0.2.1", true, "192.0.2.1"},
		{"MappedAddressIsTheSame", rpc.PerAddress, "", "192.0.2.1", "", "::ffff:192.0.2.1", true, "192.0.2.1"},
		{"IPv6NetworkIsOneCaller", rpc.PerAddress, "", "2001:db8::1", "", "2001:db8::ffff:1", true, "2001:db8::/64"},
		{"OtherIPv6Network", rpc.PerAddress, "", "2001:db8::1", "", "2001:db8:0:1::1", false, "2001:db8::/64"},
		{"Everybody", rpc.PerEverybody, "a", "192.0.2.1", "b", "192.0.2.2", true, "everybody together"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(1, 1, test.per)})
			admit := New(1000, checktest.NewClock().Now).Check(m).Admit
			require.NoError(t, admit(call(t, m, test.who1, test.from1)))
			err := admit(call(t, m, test.who1, test.from1))
			require.Contains(t, checktest.Error(t, err, "QUOTA_EXCEEDED").Message(), test.firstSubjectShown+" may")
			if err := admit(call(t, m, test.who2, test.from2)); test.shared {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func TestQuota_IssuersAreTwoPrincipals(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(1, 1, rpc.PerPrincipal)})
	admit := New(1000, checktest.NewClock().Now).Check(m).Admit
	one, two := call(t, m, "a", "192.0.2.1"), call(t, m, "a", "192.0.2.1")
	two.Principal = &rpc.Principal{Name: "a", Issuer: "https://id.example"}
	require.NoError(t, admit(one))
	require.NoError(t, admit(two))
}

func TestQuota_BucketsLiveAcrossSnapshots(t *testing.T) {
	q := New(1000, checktest.NewClock().Now)
	first := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(1, 1, rpc.PerEverybody)})
	require.NoError(t, q.Check(first).Admit(call(t, first, "", "192.0.2.1")))

	same := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(1, 1, rpc.PerEverybody)})
	require.Error(t, q.Check(same).Admit(call(t, same, "", "192.0.2.1")), "the same budget in a new snapshot")

	reshaped := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(2, 2, rpc.PerEverybody)})
	require.NoError(t, q.Check(reshaped).Admit(call(t, reshaped, "", "192.0.2.1")), "a new shape starts full")
}

func TestQuota_CostAboveBurst(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{Cost: 5, Quota: budget(10, 3, rpc.PerEverybody)})
	require.ErrorContains(t, Vet(m), "one call costs 5")
	err := New(1000, checktest.NewClock().Now).Check(m).Admit(call(t, m, "", "192.0.2.1"))
	require.Contains(t, checktest.Error(t, err, "QUOTA_EXCEEDED").Message(), "holds at most 3")

	m.Policy.Cost = 3
	require.NoError(t, Vet(m))
}

func TestQuota_CostsNothingWithout(t *testing.T) {
	require.Equal(t, rpc.Check{}, New(1000, time.Now).Check(checktest.Method(t, rpc.Policy{})))
	require.NoError(t, Vet(checktest.Method(t, rpc.Policy{})))
}

func TestQuota_MemoryIsBounded(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(1, 1, rpc.PerAddress)})
	q := New(shards, checktest.NewClock().Now)
	admit := q.Check(m).Admit
	c := call(t, m, "", "192.0.2.1")
	for i := range 10_000 {
		c.Client = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		require.NoError(t, admit(c))
	}
	n := 0
	for i := range q.buckets.shards {
		n += q.buckets.shards[i].lru.Len()
	}
	require.LessOrEqual(t, n, shards)
}

// TestBucket_AgreesWithExactArithmetic draws at random and compares with rational numbers.
func TestBucket_AgreesWithExactArithmetic(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		q := rpc.Quota{Limit: 1 + rnd.IntN(1000), Period: time.Duration(1 + rnd.Int64N(int64(time.Hour))), Burst: 1 + rnd.IntN(50)}
		s := newShape(q)
		b := &bucket{tokens: s.burst}
		exact, full := big.NewRat(int64(q.Burst), 1), big.NewRat(int64(q.Burst), 1)
		var now, before uint64
		for range 200 {
			now += rnd.Uint64N(s.period/s.limit*3 + 2)
			exact.Add(exact, new(big.Rat).Mul(new(big.Rat).SetInt(new(big.Int).SetUint64(now-before)), big.NewRat(int64(s.limit), int64(s.period))))
			if exact.Cmp(full) > 0 {
				exact.Set(full)
			}
			before = now
			cost := uint64(1 + rnd.IntN(q.Burst))
			enough := exact.Cmp(new(big.Rat).SetInt64(int64(cost))) >= 0
			wait := b.take(s, cost, now)
			require.Equal(t, enough, wait == 0, "%+v cost %d", q, cost)
			if enough {
				exact.Sub(exact, new(big.Rat).SetInt64(int64(cost)))
				continue
			}
			later := *b
			require.NotZero(t, later.take(s, cost, now+uint64(wait)-1), "1 ns before the promised time")
			later = *b
			require.Zero(t, later.take(s, cost, now+uint64(wait)), "at the promised time")
		}
	}
}

func TestBucket_Extremes(t *testing.T) {
	huge := newShape(rpc.Quota{Limit: 1, Period: math.MaxInt64, Burst: math.MaxUint32})
	b := &bucket{tokens: 0}
	require.Equal(t, never-1, b.take(huge, math.MaxUint32, 1))
	require.Zero(t, (&bucket{tokens: huge.burst}).take(huge, math.MaxUint32, 1))

	fast := newShape(rpc.Quota{Limit: math.MaxInt32, Period: 1, Burst: 1})
	b = &bucket{tokens: 0, at: 10}
	require.NotZero(t, b.take(fast, 1, 5), "time that runs backwards brings nothing")
	require.Zero(t, b.take(fast, 1, 11))
	require.Zero(t, b.take(fast, 1, math.MaxUint64))
}

func TestQuota_NoTokenIsSpentTwice(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(100, 100, rpc.PerEverybody)})
	admit := New(1000, checktest.NewClock().Now).Check(m).Admit
	var admitted atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			c := call(t, m, "", "192.0.2.1")
			for range 50 {
				if admit(c) == nil {
					admitted.Add(1)
				}
			}
		})
	}
	callers.Wait()
	require.EqualValues(t, 100, admitted.Load())
}

func TestQuota_AdmitAllocatesNothing(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{Cost: 1, Quota: budget(1<<30, 1<<30, rpc.PerPrincipal)})
	admit := New(1000, time.Now).Check(m).Admit
	c := call(t, m, "acme-web", "192.0.2.1")
	require.NoError(t, admit(c))
	require.Zero(t, testing.AllocsPerRun(1000, func() { _ = admit(c) }))
}

func BenchmarkQuota(b *testing.B) {
	m := checktest.Method(b, rpc.Policy{Cost: 1, Quota: budget(1<<30, 1<<30, rpc.PerPrincipal)})
	admit := New(BucketsMax, time.Now).Check(m).Admit
	c := call(b, m, "acme-web", "192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		if err := admit(c); err != nil {
			b.Fatal(err)
		}
	}
}
