// Package quota gives every caller a budget: a token bucket in memory, per principal, per address, or one for all.
// Read quota.go first; bucket.go is the arithmetic, buckets.go the bounded table.
package quota

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// BucketsMax is how many buckets one gateway remembers, about 20 MB when full. Beyond it the bucket that went unused
// longest is forgotten: it had the longest time to fill up again, and a full bucket and no bucket are the same.
const BucketsMax = 100_000

// shapesMax bounds how many budgets of past and present snapshots are told apart.
const shapesMax = 65_536

// Quota is the interceptor. It lives across snapshots: as long as a budget's name and shape stay the same, so do its
// buckets; a changed shape starts with full ones. It is safe for concurrent use.
type Quota struct {
	now     func() time.Time
	start   time.Time
	buckets *buckets

	mu     sync.Mutex
	shapes *simplelru.LRU[rpc.Quota, *shape]
}

// New returns a Quota that remembers at most bucketsMax buckets, by the clock now.
func New(bucketsMax int, now func() time.Time) *Quota {
	shapes, err := simplelru.NewLRU[rpc.Quota, *shape](shapesMax, nil)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &Quota{now: now, start: now(), buckets: newBuckets(bucketsMax), shapes: shapes}
}

// Vet reports what could never work: a method whose one call costs more than its bucket can hold.
func Vet(m *rpc.Method) error {
	q := m.Policy.Quota
	if q == nil || m.Policy.Cost <= q.Burst {
		return nil
	}
	return fmt.Errorf("method %s: one call costs %d, but its quota %q holds at most %d; raise burst or lower cost",
		m.Name(), m.Policy.Cost, q.Name, q.Burst)
}

// Check returns nothing for a method without a quota. One call, however many messages it streams, costs Policy.Cost
// once, when its headers are admitted; a refused call takes nothing. Callers are principals with their issuer, or
// addresses: whole for IPv4, the /64 network for IPv6, because one host commonly owns all of it.
func (q *Quota) Check(m *rpc.Method) rpc.Check {
	if m.Policy.Quota == nil {
		return rpc.Check{}
	}
	s, cost := q.shape(*m.Policy.Quota), uint64(max(m.Policy.Cost, 1))
	return rpc.Check{Admit: func(c *rpc.Call) error {
		wait := q.buckets.take(key(s, c), cost, uint64(q.now().Sub(q.start)))
		if wait == 0 {
			return nil
		}
		return refuse(c, s, cost, wait)
	}}
}

// shape returns the one value that stands for a budget's name and shape.
func (q *Quota) shape(budget rpc.Quota) *shape {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s, ok := q.shapes.Get(budget); ok {
		return s
	}
	s := newShape(budget)
	q.shapes.Add(budget, s)
	return s
}

// key says whose bucket a call draws from.
func key(s *shape, c *rpc.Call) bucketKey {
	switch {
	case s.Per == rpc.PerEverybody:
		return bucketKey{shape: s}
	case s.Per == rpc.PerPrincipal && c.Principal != nil:
		return bucketKey{shape: s, issuer: c.Principal.Issuer, name: c.Principal.Name}
	}
	return bucketKey{shape: s, network: network(c.Client)}
}

// network returns what of an address a caller cannot choose.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// refuse says who may spend what, and when to come back; fronts make a Retry-After of the RetryInfo.
func refuse(c *rpc.Call, s *shape, cost uint64, wait time.Duration) error {
	subject := who(s, c)
	if wait == never {
		return rpc.Errorf(codes.ResourceExhausted, "QUOTA_EXCEEDED",
			"one call of %s costs %d, but the budget %s holds at most %d; ask the gateway's operator to raise its burst",
			c.Method.Name(), cost, s.Name, s.Burst).Meta("quota", s.Name)
	}
	wait = rounded(wait)
	return rpc.Errorf(codes.ResourceExhausted, "QUOTA_EXCEEDED", "%s may spend %d %s on %s; retry in %s",
		subject, s.Limit, every(s.Period), s.Name, wait).
		Meta("quota", s.Name).
		With(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)},
			&errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{
				Subject:     subject,
				Description: fmt.Sprintf("%d %s on %s", s.Limit, every(s.Period), s.Name),
				QuotaId:     s.Name,
				QuotaValue:  int64(s.Limit),
			}}})
}

// who names the bucket's owner.
func who(s *shape, c *rpc.Call) string {
	switch {
	case s.Per == rpc.PerEverybody:
		return "everybody together"
	case s.Per == rpc.PerPrincipal && c.Principal != nil:
		return c.Principal.Name
	case !c.Client.IsValid():
		return "a caller without an address"
	case network(c.Client).Is6():
		return network(c.Client).String() + "/64"
	}
	return network(c.Client).String()
}

// every writes a period as people say it.
func every(period time.Duration) string {
	switch period {
	case time.Second:
		return "a second"
	case time.Minute:
		return "a minute"
	case time.Hour:
		return "an hour"
	case 24 * time.Hour:
		return "a day"
	}
	return "every " + period.String()
}

// rounded rounds up to what is worth reading: whole seconds, or milliseconds below one.
func rounded(wait time.Duration) time.Duration {
	unit := time.Second
	if wait < time.Second {
		unit = time.Millisecond
	}
	return (wait + unit - 1).Truncate(unit)
}
