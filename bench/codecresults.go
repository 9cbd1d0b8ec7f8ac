package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// codecs writes what the benchmarks in process gave: one table for each direction, and one for the router.
func (r *results) codecs(w io.Writer) {
	if r.inProcess == nil {
		return
	}
	fmt.Fprintf(w, `
## In process

Benchmarks of [transcoder/program](../transcoder/program/bench_payloads_test.go) and transcoder/route, %d rounds of 100 ms each,
interleaved; medians, with the least and the most. Every output is compared with protojson's before it is timed.
`, r.options.rounds)
	r.inProcess.codecTable(w, "WireToJSON", "Wire to JSON", "generated+protojson", "dynamicpb+protojson", "hyperpb+protojson")
	r.inProcess.codecTable(w, "JSONToWire", "JSON to wire", "generated+protojson", "dynamicpb+protojson", "tokenizer")
	r.inProcess.routerTable(w)
}

// codecTable has a line for each payload, and the ratios of the program to other ways.
func (p *inProcess) codecTable(w io.Writer, benchmark, title string, others ...string) {
	payloads := p.payloads(benchmark)
	if len(payloads) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s\n\n| | program ns | least–most | allocations |", title)
	for _, other := range others {
		fmt.Fprintf(w, " program ÷ %s |", strings.Replace(other, "+", " + ", 1))
	}
	fmt.Fprintf(w, "\n|---|--:|--:|--:|%s\n", strings.Repeat("--:|", len(others)))
	for _, payload := range payloads {
		name := benchmark + "/" + payload + "/program"
		fmt.Fprintf(w, "| %s | %s |", payload, p.nanosAndAllocs(name))
		for _, other := range others {
			fmt.Fprintf(w, " %.3f |", p.ratio(benchmark, payload, other))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "| **worst** | | | |")
	for _, other := range others {
		ratio, payload := p.worst(benchmark, other)
		fmt.Fprintf(w, " %.3f, %s |", ratio, payload)
	}
	fmt.Fprint(w, "\n| **geometric mean** | | | |")
	for _, other := range others {
		fmt.Fprintf(w, " %.3f |", p.mean(benchmark, other))
	}
	fmt.Fprintln(w)
}

func (p *inProcess) routerTable(w io.Writer) {
	sizes := p.payloads("Router")
	if len(sizes) == 0 {
		return
	}
	fmt.Fprint(w, "\n### Router\n\n| routes | ns/match | least–most | allocations |\n|--:|--:|--:|--:|\n")
	for _, size := range sizes {
		fmt.Fprintf(w, "| %s | %s |\n", size, p.nanosAndAllocs("Router/"+size))
	}
}

// nanosAndAllocs is three columns.
func (p *inProcess) nanosAndAllocs(name string) string {
	all := p.values(name, func(f figure) float64 { return f.nanos })
	return fmt.Sprintf("%s | %s–%s | %s", micros(p.nanos(name)), micros(slices.Min(all)), micros(slices.Max(all)), count(p.allocs(name)))
}
