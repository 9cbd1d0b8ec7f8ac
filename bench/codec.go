package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// inProcess is the benchmarks that need no network: by name, as in "WireToJSON/small/program", one figure per round.
type inProcess struct {
	names   []string // in the order in which they ran
	figures map[string][]figure
}

// figure is what one round of one benchmark gave.
type figure struct{ nanos, allocs float64 }

// benchmarks are the product's, built by `go test -c`.
var benchmarks = []struct{ program, pattern string }{
	{"program.test", "^Benchmark(WireToJSON|JSONToWire)$"},
	{"route.test", "^BenchmarkRouter$"},
}

// runBenchmarks runs each program once per round, so that rounds are interleaved here too.
func runBenchmarks(ctx context.Context, o options) (*inProcess, error) {
	all := &inProcess{figures: map[string][]figure{}}
	for round := range o.rounds {
		fmt.Fprintf(os.Stderr, "In process: round %d of %d\n", round+1, o.rounds)
		for _, b := range benchmarks {
			out, err := exec.CommandContext(ctx, filepath.Join(o.programs, b.program),
				"-test.run", "^$", "-test.bench", b.pattern, "-test.benchtime", "100ms", "-test.benchmem").CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("%s: %w: %s", b.program, err, short(string(out)))
			}
			all.add(string(out))
		}
	}
	return all, nil
}

// add reads lines such as "BenchmarkRouter/10-2   100   85.1 ns/op   0 B/op   0 allocs/op".
func (p *inProcess) add(out string) {
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if at := strings.LastIndex(name, "-"); at > 0 { // the number of cores
			if _, err := strconv.Atoi(name[at+1:]); err == nil {
				name = name[:at]
			}
		}
		if p.figures[name] == nil {
			p.names = append(p.names, name)
		}
		p.figures[name] = append(p.figures[name], figure{unit(fields, "ns/op"), unit(fields, "allocs/op")})
	}
}

// unit is the number before a unit.
func unit(fields []string, name string) float64 {
	if at := slices.Index(fields, name); at > 0 {
		if v, err := strconv.ParseFloat(fields[at-1], 64); err == nil {
			return v
		}
	}
	return unknown
}

// nanos is the median; unknown without a figure.
func (p *inProcess) nanos(name string) float64 {
	return p.median(name, func(f figure) float64 { return f.nanos })
}

func (p *inProcess) allocs(name string) float64 {
	return p.median(name, func(f figure) float64 { return f.allocs })
}

func (p *inProcess) median(name string, of func(figure) float64) float64 {
	if len(p.figures[name]) == 0 {
		return unknown
	}
	return median(p.values(name, of))
}

func (p *inProcess) values(name string, of func(figure) float64) (values []float64) {
	for _, f := range p.figures[name] {
		values = append(values, of(f))
	}
	return values
}

// payloads lists the second part of a benchmark's names, in the order in which they ran.
func (p *inProcess) payloads(benchmark string) (names []string) {
	for _, name := range p.names {
		if parts := strings.Split(name, "/"); parts[0] == benchmark && len(parts) > 1 && !slices.Contains(names, parts[1]) {
			names = append(names, parts[1])
		}
	}
	return names
}

// ratio is what the program takes ÷ what another codec takes.
func (p *inProcess) ratio(benchmark, payload, codec string) float64 {
	return p.nanos(benchmark+"/"+payload+"/program") / p.nanos(benchmark+"/"+payload+"/"+codec)
}

// worst is the highest ratio of all payloads, and whose it is.
func (p *inProcess) worst(benchmark, codec string) (ratio float64, payload string) {
	for _, name := range p.payloads(benchmark) {
		if r := p.ratio(benchmark, name, codec); r > ratio {
			ratio, payload = r, name
		}
	}
	return ratio, payload
}

// mean is the geometric mean of the ratios.
func (p *inProcess) mean(benchmark, codec string) float64 {
	sum, payloads := 0.0, p.payloads(benchmark)
	for _, name := range payloads {
		sum += math.Log(p.ratio(benchmark, name, codec))
	}
	return math.Exp(sum / float64(len(payloads)))
}
