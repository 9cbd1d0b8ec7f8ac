// Package leak finds goroutines of ours that a test left behind.
package leak

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

const (
	module   = "github.com/gatehouse-gateway/gatehouse/"
	patience = 5 * time.Second // far more than a goroutine needs to hear that it should end
)

// Check makes the test fail if, when everything else was cleaned up, goroutines that run or were started by code of
// this module are left that were not there before. Call it first; it is not for tests that run in parallel.
func Check(t testing.TB) { t.Helper(); check(t, patience) }

func check(t testing.TB, patience time.Duration) {
	t.Helper()
	before := ours()
	t.Cleanup(func() {
		// A goroutine that was told to end may need a moment for it.
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		end := time.After(patience)
		for {
			left := ours()
			for id := range before {
				delete(left, id)
			}
			if len(left) == 0 {
				return
			}
			select {
			case <-tick.C:
			case <-end:
				for _, stack := range left {
					t.Errorf("goroutine left behind:\n%s", stack)
				}
				return
			}
		}
	})
}

// ours returns the stacks of the goroutines that have to do with this module, by goroutine, without the test's own.
func ours() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	found := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, module) && !strings.Contains(stack, "testing.tRunner") && !strings.Contains(stack, "testing.(*F).Fuzz") {
			id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
			found[id] = stack
		}
	}
	return found
}
