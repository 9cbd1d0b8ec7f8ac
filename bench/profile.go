package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

// profileLines is how many functions a profile lists.
const profileLines = 15

// profile is where a process spends its CPU time.
type profile struct {
	packages  string // by package, with their shares
	functions []string
}

// profile loads a contender once more, unmeasured. It wants Linux's perf.
func (b *bench) profile(ctx context.Context, c *contender, s *scenario.Scenario) (*profile, error) {
	perf, err := exec.LookPath("perf")
	if err != nil {
		return nil, fmt.Errorf("perf is not installed")
	}
	data := filepath.Join(b.folder, "perf.data")
	record := exec.CommandContext(ctx, perf, "record", "--quiet", "--freq", "499", "--pid", strconv.Itoa(c.process.PID()), "--output", data)
	if err := record.Start(); err != nil {
		return nil, err
	}
	_, loaded := b.load(ctx, c, s, 3)
	// Interrupted, perf writes what it has; its exit status then says no more than that it was interrupted.
	_ = record.Process.Signal(os.Interrupt)
	_ = record.Wait()
	if loaded != nil {
		return nil, loaded
	}
	out, err := exec.CommandContext(ctx, perf, "report", "--input", data, "--stdio", "--no-children", "--fields", "overhead,sym").Output()
	if err != nil {
		return nil, fmt.Errorf("perf report: %w", err)
	}
	return parseProfile(string(out))
}

// parseProfile takes the shares of packages and the first functions of perf's report, whose lines are
// "  12.34%  [k] name"; [k] is the kernel.
func parseProfile(report string) (*profile, error) {
	var functions []string
	shares := map[string]float64{}
	for line := range strings.Lines(report) {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasSuffix(fields[0], "%") {
			continue
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(fields[0], "%"), 64)
		if err != nil {
			return nil, fmt.Errorf("perf's line %q: %w", line, err)
		}
		name := strings.Join(fields[2:], " ")
		owner := packageOf(name)
		if fields[1] == "[k]" {
			owner, name = "kernel", name+" (kernel)"
		}
		shares[owner] += share
		if len(functions) < profileLines {
			functions = append(functions, fmt.Sprintf("%6s  %s", fields[0], name))
		}
	}
	if len(functions) == 0 {
		return nil, fmt.Errorf("perf saw nothing")
	}
	return &profile{largest(shares), functions}, nil
}

// packageOf is the import path in the name of a Go function. Names without one are the runtime's, in assembly.
func packageOf(name string) string {
	if at := strings.IndexAny(name, "(["); at >= 0 { // a receiver or type arguments
		name = name[:at]
	}
	folder := strings.LastIndex(name, "/") + 1
	base, _, found := strings.Cut(name[folder:], ".")
	switch path := name[:folder] + base; {
	case !found, strings.HasPrefix(path, "internal/"), strings.HasPrefix(path, "runtime"):
		return "Go runtime"
	default:
		return strings.TrimPrefix(path, "github.com/gatehouse-gateway/")
	}
}

// largest lists the largest shares.
func largest(shares map[string]float64) string {
	names := slices.SortedFunc(maps.Keys(shares), func(a, b string) int {
		return cmp.Or(cmp.Compare(shares[b], shares[a]), strings.Compare(a, b))
	})
	var parts []string
	for _, name := range names[:min(len(names), 12)] {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", name, shares[name]))
	}
	return strings.Join(parts, ", ")
}
