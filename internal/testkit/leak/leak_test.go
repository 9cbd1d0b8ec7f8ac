package leak

import (
	"testing"
	"time"
)

// recorder is a test that notes its failures.
type recorder struct {
	testing.TB
	cleanups []func()
	failed   bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Cleanup(f func())      { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestCheck(t *testing.T) {
	t.Run("EndedIsFine", func(t *testing.T) {
		r := &recorder{TB: t}
		check(r, patience)
		done := make(chan struct{})
		go func() { close(done) }()
		<-done
		r.cleanups[0]()
		if r.failed {
			t.Error("a goroutine that ended was reported")
		}
	})
	t.Run("LeftIsReported", func(t *testing.T) {
		r := &recorder{TB: t}
		check(r, 50*time.Millisecond)
		stop := make(chan struct{})
		defer close(stop)
		go func() { <-stop }()
		r.cleanups[0]()
		if !r.failed {
			t.Error("a goroutine that is left was not reported")
		}
	})
}
