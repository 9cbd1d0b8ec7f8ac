package quota

import (
	"math"
	"math/bits"
	"time"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// never is the wait for what a bucket can never hold.
const never = time.Duration(math.MaxInt64)

// shape is a budget prepared for arithmetic. All of it is in integers, so a bucket never gains or loses by rounding:
// with L tokens per period of P ns, t ns bring t·L/P tokens, and the remainder of that division is kept.
type shape struct {
	rpc.Quota
	limit, period, burst uint64
	// fill is after how many ns any bucket is full.
	fill uint64
}

// newShape takes values below 1 as 1.
func newShape(q rpc.Quota) *shape {
	s := &shape{
		Quota:  q,
		limit:  uint64(max(q.Limit, 1)),
		period: uint64(max(q.Period, 1)),
		burst:  uint64(max(q.Burst, 1)),
	}
	s.fill = ceilDiv(s.burst, s.period, 0, s.limit)
	return s
}

// bucket is one caller's tokens at the time of at ns. Its table's lock guards it.
type bucket struct {
	tokens uint64
	rest   uint64 // of a token, in units of 1/period
	at     uint64
}

// take removes cost tokens at the time of now and returns 0; if there are too few it removes none and returns how
// long it takes until there are enough. Time that runs backwards brings nothing.
func (b *bucket) take(s *shape, cost, now uint64) time.Duration {
	b.refill(s, now)
	if b.tokens >= cost {
		b.tokens -= cost
		return 0
	}
	if cost > s.burst {
		return never
	}
	return time.Duration(min(ceilDiv(cost-b.tokens, s.period, b.rest, s.limit), uint64(never)-1))
}

func (b *bucket) refill(s *shape, now uint64) {
	if now <= b.at {
		return
	}
	elapsed := now - b.at
	b.at = now
	if elapsed >= s.fill {
		b.tokens, b.rest = s.burst, 0
		return
	}
	// elapsed < fill keeps the quotient below burst, so the division cannot overflow.
	hi, lo := bits.Mul64(elapsed, s.limit)
	lo, carry := bits.Add64(lo, b.rest, 0)
	gained, rest := bits.Div64(hi+carry, lo, s.period)
	if b.tokens += gained; b.tokens >= s.burst {
		b.tokens, rest = s.burst, 0
	}
	b.rest = rest
}

// ceilDiv returns (a·b − less) / c rounded up, or the largest number if that does not fit. less is at most a·b.
func ceilDiv(a, b, less, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	lo, borrow := bits.Sub64(lo, less, 0)
	hi -= borrow
	if hi >= c {
		return math.MaxUint64
	}
	quotient, remainder := bits.Div64(hi, lo, c)
	if remainder > 0 && quotient < math.MaxUint64 {
		quotient++
	}
	return quotient
}
