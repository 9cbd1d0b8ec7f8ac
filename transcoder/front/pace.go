package front

import (
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// bodyRateMin is the slowest rate, in bytes a second, at which a body may come: a bad mobile connection has more.
const bodyRateMin = 64 << 10

// BodyTime is how long a body of so many bytes may take on a slow connection.
func BodyTime(size int) time.Duration { return time.Duration(size) * time.Second / bodyRateMin }

// Hurry bounds the time until the body is here: that of the call, and what its size allows on a slow connection. The
// caller calls stop when it is here; a body that is not is never read on.
func (p *Pace) Hurry(env *Env, w http.ResponseWriter, r *http.Request, c *rpc.Call) (stop func()) {
	if env.StallTimeout <= 0 || r.ContentLength == 0 {
		return func() {}
	}
	size := int64(env.BodyBytesMax)
	if r.ContentLength > 0 {
		size = min(size, r.ContentLength)
	}
	end := time.Now().Add(env.StallTimeout + BodyTime(int(size)))
	if deadline, ok := c.Context().Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	p.Set(w, end)
	return func() { p.Set(w, time.Time{}) }
}

// Pace sets until when the client may take for what is read next. Requests of many messages are read in a goroutine that
// outlives the call, when the response is net/http's again. It has a lock of its own, because a reply that nobody takes
// must not keep a request from being read.
type Pace struct {
	mu   sync.Mutex
	over bool
}

// Set sets it; the zero time is no bound.
func (p *Pace) Set(w http.ResponseWriter, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		_ = http.NewResponseController(w).SetReadDeadline(end) // net/http's always can
	}
}

// Stop lets Set do nothing from now on.
func (p *Pace) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}
