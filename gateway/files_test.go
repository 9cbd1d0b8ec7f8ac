package gateway

import (
	"math"
	"testing"
)

func TestShares(t *testing.T) {
	for _, c := range []struct{ files, most, public, internal int }{
		{math.MaxInt32, 10_000, 10_000, math.MaxInt32 - 1024 - 10_000},
		{65_536, 10_000, 10_000, 65_536 - 1024 - 10_000},
		{1024, 10_000, 672, 224},
		{1024, 100, 100, 796},
		{256, 10_000, 144, 48},
		{64, 10_000, 1, 1},
	} {
		if public, internal := shares(c.files, c.most); public != c.public || internal != c.internal {
			t.Errorf("%d files, %d connections: %d and %d, want %d and %d", c.files, c.most, public, internal, c.public, c.internal)
		}
	}
}
