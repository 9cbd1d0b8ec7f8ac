package transport

import (
	"math"
	"testing"
	"time"
)

// TestFormatTimeout rounds up, in the finest unit that eight digits are enough for.
func TestFormatTimeout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1:                                "1n",
		99_999_999:                       "99999999n",
		100_000_001:                      "100001u",
		time.Second:                      "1000000u",
		100*time.Second + 1:              "100001m",
		200_000 * time.Second:            "200000S",
		100_000_000 * time.Second:        "1666667M",
		math.MaxInt64:                    "2562047H",
		math.MaxInt64 - time.Millisecond: "2562047H",
	} {
		if got := formatTimeout(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}
