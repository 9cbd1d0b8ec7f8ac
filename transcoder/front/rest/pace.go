package rest

import (
	"net/http"
	"sync"
	"time"
)

// bodyRateMin is the slowest rate, in bytes a second, at which a body may come: a bad mobile connection has more.
const bodyRateMin = 64 << 10

// hurry bounds the time until the body is here: that of the call, and what its size allows on a slow connection. The
// caller calls stop when it is here; a body that is not is never read on.
func (s *stream) hurry() (stop func()) {
	if s.env.StallTimeout <= 0 || s.r.ContentLength == 0 {
		return func() {}
	}
	size := int64(s.env.BodyBytesMax)
	if s.r.ContentLength > 0 {
		size = min(size, s.r.ContentLength)
	}
	end := time.Now().Add(s.env.StallTimeout + time.Duration(size)*time.Second/bodyRateMin)
	if deadline, ok := s.call.Context().Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	s.pace.set(s.w, end)
	return func() { s.pace.set(s.w, time.Time{}) }
}

// pace sets until when the client may take for what is read next. Requests of many messages are read in a goroutine that
// outlives the call, when the response is net/http's again. It has a lock of its own, because a reply that nobody takes
// must not keep a request from being read.
type pace struct {
	mu   sync.Mutex
	over bool
}

func (p *pace) set(w http.ResponseWriter, end time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		_ = http.NewResponseController(w).SetReadDeadline(end) // net/http's always can
	}
}

func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
}
