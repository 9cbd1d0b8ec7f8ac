package gateway

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a response whose client takes some bytes a second, or none. A write that is stuck fails when its deadline is over.
type slow struct {
	*httptest.ResponseRecorder
	rate  int
	ended chan struct{}
}

func (s *slow) Write(data []byte) (int, error) {
	var taken <-chan time.Time
	if s.rate > 0 {
		taken = time.After(time.Duration(len(data)) * time.Second / time.Duration(s.rate))
	}
	select {
	case <-s.ended:
		return 0, http.ErrHandlerTimeout
	case <-taken:
		return len(data), nil
	}
}

func (s *slow) SetWriteDeadline(at time.Time) error {
	if !at.After(time.Now()) {
		close(s.ended)
	}
	return nil
}

// A client is given up when it stands still, and not when it is slow, however much is written at once.
func TestNotStalled(t *testing.T) {
	const limit = 4 * time.Second
	for _, c := range []struct {
		name    string
		rate    int
		stalled bool
	}{{"Stuck", 0, true}, {"Slow", 256 << 10, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &slow{ResponseRecorder: httptest.NewRecorder(), rate: c.rate, ended: make(chan struct{})}
				start := time.Now()
				notStalled(limit, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					n, err := w.Write(make([]byte, 4<<20))
					took := time.Since(start)
					if stalled := err != nil; stalled != c.stalled {
						t.Errorf("%d bytes were written in %s, then %v", n, took, err)
					}
					if c.stalled && (took < limit || took > limit+limit/looks) {
						t.Errorf("it was given up after %s", took)
					}
				})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			})
		})
	}
}
