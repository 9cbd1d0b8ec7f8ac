package process

import (
	"os"
	"path/filepath"
	"strings"
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
	p, err := Start(nil, "sleep", "60")
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

// What a program starts is counted with it, and gone with it.
func TestChildren(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p, err := Start(out, "sh", "-c", "sleep 60 & echo started; wait")
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(p.all()) < 2; {
		if time.Now().After(deadline) {
			t.Fatal("the child was not found")
		}
	}
	pids := p.all()
	if _, err := p.CPU(); err != nil {
		t.Error(err)
	}
	p.Stop()
	for _, pid := range pids {
		for deadline := time.Now().Add(10 * time.Second); runs(pid); {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still there", pid)
			}
		}
	}
	if text, err := os.ReadFile(out.Name()); err != nil || string(text) != "started\n" {
		t.Errorf("standard output has %q, %v", text, err)
	}
}

// runs is false for a process that is dead, also while nobody has asked how it ended.
func runs(pid int) bool {
	stat, err := os.ReadFile(file(pid, "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
