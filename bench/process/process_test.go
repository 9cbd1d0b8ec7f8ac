package process

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const after = " S 1 1 1 0 -1 4194304 100 0 0 0 123 45 7 8 20 0 9 0 1234"
	for name, stat := range map[string]string{"Plain": "42 (envoy)" + after, "SpacesAndParentheses": "42 (a) b (c))" + after} {
		if got, err := parseStat(stat); err != nil || got != 1680*time.Millisecond {
			t.Errorf("%s: got %v, %v; want 1.68s", name, got, err)
		}
	}
	for _, stat := range []string{"", "42 (envoy) S 1 1", "42 (envoy) S 1 1 1 0 -1 4194304 100 0 0 0 x 45 7"} {
		if got, err := parseStat(stat); err == nil {
			t.Errorf("%q: got %v, want an error", stat, got)
		}
	}
}

func TestParsePeak(t *testing.T) {
	if got, err := parsePeak("Name:\tenvoy\nVmPeak:\t  999 kB\nVmHWM:\t   12345 kB\n"); err != nil || got != 12345<<10 {
		t.Errorf("got %d, %v; want %d", got, err, 12345<<10)
	}
	if got, err := parsePeak("Name:\tenvoy\n"); err == nil {
		t.Errorf("got %d, want an error", got)
	}
}

func TestOwnCost(t *testing.T) {
	p, err := Start("sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if _, err := p.CPU(); err != nil {
		t.Error(err)
	}
	if err := p.ResetPeakRSS(); err != nil {
		t.Error(err)
	}
	if peak, err := p.PeakRSS(); err != nil || peak < 1<<12 {
		t.Errorf("peak RSS %d, %v", peak, err)
	}
}
