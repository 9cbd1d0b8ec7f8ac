package program

import "testing"

// What a text goes on with behind the number is for the caller to judge.
func TestParseInteger(t *testing.T) {
	for text, want := range map[string]struct {
		v        uint64
		negative bool
		end      int
	}{
		"0": {0, false, 1}, "-0": {0, true, 2}, "-0.0e9": {0, false, 6}, "12,": {12, false, 2}, "1.0": {1, false, 3}, "1e2": {100, false, 3}, "-1.50E+1": {15, true, 8},
		"10e-1": {1, false, 5}, "0.1e1": {1, false, 5}, "18446744073709551615": {1<<64 - 1, false, 20}, "1e19": {1e19, false, 4}, "9999999999999999999": {9999999999999999999, false, 19},
		"0e99999999999":        {0, false, 13},
		"18446744073709551616": {0, false, -1}, "1e20": {0, false, -1}, "1.5": {0, false, -1}, "15e-1": {0, false, -1}, "1e-1": {0, false, -1}, "1e99999999999": {0, false, -1},
		"1e-99999999999": {0, false, -1}, "01": {0, false, 1}, "+1": {0, false, -1}, "": {0, false, -1}, "-": {0, false, -1}, "1.": {0, false, -1}, ".5": {0, false, -1}, "1e": {0, false, -1}, "1e+": {0, false, -1},
	} {
		v, negative, end := parseInteger([]byte(text), 0)
		if end != want.end || end >= 0 && (v != want.v || negative != want.negative) {
			t.Errorf("%q: got %d %v %d, want %+v", text, v, negative, end, want)
		}
	}
}
