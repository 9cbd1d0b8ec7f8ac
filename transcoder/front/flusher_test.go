package front_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// rig counts what a Flusher does to a response.
type rig struct {
	mu      sync.Mutex
	f       front.Flusher
	flushes int
	err     error
}

func newRig() *rig {
	r := &rig{}
	r.f = front.Flusher{Mu: &r.mu, Flush: func() error { r.flushes++; return r.err }}
	return r
}

func (r *rig) write(n int) (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range n {
		err = errors.Join(err, r.f.Written())
	}
	return err
}

func (r *rig) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.f.Stop()
}

func (r *rig) flushed() int {
	synctest.Wait() // the sender waits for its next message
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flushes
}

func TestFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		for _, step := range []struct{ messages, flushes int }{{1, 1}, {1, 2}, {5, 3}, {0, 3}, {100, 4}, {1, 5}} {
			if err := r.write(step.messages); err != nil {
				t.Fatal(err)
			}
			if got := r.flushed(); got != step.flushes {
				t.Errorf("after %d more messages: %d flushes, want %d", step.messages, got, step.flushes)
			}
		}
		r.stop()
	})
}

func TestFlusher_TellsTheSenderThatTheClientIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		if err := r.write(1); err != nil {
			t.Fatal(err)
		}
		r.err = errors.New("gone")
		_ = r.write(1) // the flush comes after it
		if n := r.flushed(); n != 2 {
			t.Fatalf("%d flushes", n)
		}
		if err := r.write(1); !errors.Is(err, r.err) {
			t.Errorf("the next message: %v", err)
		}
		if n := r.flushed(); n != 2 {
			t.Errorf("%d flushes of a response that has ended", n)
		}
		r.stop()
	})
}

func TestFlusher_TouchesNothingAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		_ = r.write(1)
		r.mu.Lock()
		_ = r.f.Written()
		r.f.Stop()
		r.f.Stop()
		r.mu.Unlock()
		if n := r.flushed(); n != 1 {
			t.Errorf("%d flushes", n)
		}
	})
}
