package rest

import (
	"net/http"
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
	rc := http.NewResponseController(s.w)
	_ = rc.SetReadDeadline(end) // net/http's always can
	return func() { _ = rc.SetReadDeadline(time.Time{}) }
}
