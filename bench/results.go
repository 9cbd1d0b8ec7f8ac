package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

// results is everything that RESULTS.md says.
type results struct {
	machine    machine
	options    options
	contenders []*contender
	leftOut    []string
	outcomes   []*outcome
}

// outcome is one scenario's.
type outcome struct {
	scenario *scenario.Scenario
	samples  map[*contender][]sample
	leftOut  map[*contender]error
}

// write makes the page, in a file or on standard output.
func (r *results) write(path string) error {
	var page strings.Builder
	r.intro(&page)
	r.targets(&page)
	for _, o := range r.outcomes {
		r.outcome(&page, o)
	}
	if path == "" {
		_, err := io.WriteString(os.Stdout, page.String())
		return err
	}
	return os.WriteFile(path, []byte(page.String()), 0o644)
}

func (r *results) intro(w io.Writer) {
	m := r.machine
	fmt.Fprintf(w, `# Gatehouse and its peers, side by side

Written by %[1]smake bench%[1]s; do not edit. What is called is in [scenario/](scenario/scenario.go), how each peer is set up in
[peers/](peers/), [gatehouse.go](gatehouse.go) and [envoy.go](envoy.go).

- **CPU** is the time of the gateway's process alone, user and kernel, by the operating system's account, per request.
- %[2]d rounds of %[3]d s each, interleaved (A B C, A B C …), after a second to warm up; figures are medians, with the least and the most
  for CPU. Latencies are those at full load, of all connections together: they follow from throughput.
- Before it is timed, each gateway's answer (status and JSON value) and the request that the backend got are compared with what they
  must be. Who answers otherwise is left out, with a line that says so.
- Same backend for all, with replies that are encoded beforehand; cleartext, keep-alive, no compression; every process may use
  all cores, with the load generator and the backend on the same ones; Envoy has as many workers as there are cores.
- Gatehouse: the real binary with metrics on and access log off; the schema has no policies or rules, but for the rows with checks.
  Of a stream, Gatehouse, grpc-gateway and dynamicpb + protojson flush each message; the floor leaves it to net/http, Envoy to
  itself.

Machine: %[4]d cores (%[5]s), %[6]s, Linux %[7]s. Load average when it began: %[8]s.
`, "`", r.options.rounds, r.options.seconds, m.cores, m.cpu, m.os, m.kernel, m.load)
	if m.busy() {
		fmt.Fprint(w, "The machine was shared with other programs while this ran: throughput and latency suffer from that, CPU per request less: see the spread.\n")
	}
	fmt.Fprintf(w, "\nVersions: %s.\n", strings.Join(versions(r.options, r.ran), "; "))
	for _, line := range r.leftOut {
		fmt.Fprintf(w, "\nLeft out: %s.\n", line)
	}
}

func (r *results) ran(name string) bool {
	for _, c := range r.contenders {
		if c.name == name {
			return true
		}
	}
	return false
}

func (r *results) targets(w io.Writer) {
	fmt.Fprint(w, "\n## Targets\n\nCPU per request, ours ÷ theirs.\n\n| | ours | against | at most | measured | |\n|---|---|---|--:|--:|---|\n")
	for _, t := range targets {
		o, ratio, ok := r.ratio(t)
		if !ok {
			continue
		}
		verdict := "reached"
		if ratio > t.most {
			verdict = "**missed**"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %.2f | %.2f | %s |\n", o.scenario.Title, t.ours, t.theirs, t.most, ratio, verdict)
	}
}

// ratio is not ok if one of the two was not measured.
func (r *results) ratio(t target) (*outcome, float64, bool) {
	for _, o := range r.outcomes {
		ours, theirs := o.named(t.ours), o.named(t.theirs)
		if o.scenario.Name == t.scenario && len(ours) > 0 && len(theirs) > 0 {
			return o, medianOf(ours, cpuOf) / medianOf(theirs, cpuOf), true
		}
	}
	return nil, 0, false
}

func (o *outcome) named(name string) []sample {
	for c, samples := range o.samples {
		if c.name == name {
			return samples
		}
	}
	return nil
}

func (r *results) outcome(w io.Writer, o *outcome) {
	generator := fmt.Sprintf("wrk, %d connections", o.scenario.Connections)
	call := fmt.Sprintf("`%s %s`", o.scenario.Verb, o.scenario.Target)
	if o.scenario.GRPC {
		generator = fmt.Sprintf("h2load, %d connections with %d calls at a time", o.scenario.Connections, o.scenario.Streams)
		call = "`" + o.scenario.Method + "`"
	}
	fmt.Fprintf(w, "\n## %s\n\n%s; %s.\n\n", o.scenario.Title, call, generator)
	fmt.Fprint(w, "| | CPU µs/request | least–most | Gatehouse ÷ this | requests/s | p50 ms | p99 ms | peak RSS MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	ours := o.named("gatehouse")
	for _, c := range r.contenders {
		samples := o.samples[c]
		if len(samples) == 0 {
			continue
		}
		cpu := medianOf(samples, cpuOf)
		least, most := spreadOf(samples, cpuOf)
		ratio := "–"
		if len(ours) > 0 && cpu > 0 {
			ratio = fmt.Sprintf("%.2f", medianOf(ours, cpuOf)/cpu)
		}
		fmt.Fprintf(w, "| %s | %s | %s–%s | %s | %.0f | %.2f | %.2f | %.0f |\n", c.title, micros(cpu), micros(least), micros(most), ratio,
			medianOf(samples, rateOf), medianOf(samples, p50Of), medianOf(samples, p99Of), medianOf(samples, peakOf))
	}
	for _, c := range r.contenders {
		if err := o.leftOut[c]; err != nil {
			fmt.Fprintf(w, "\nLeft out: %s: %s.\n", c.name, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
}

// micros has one digit behind the point where that says something.
func micros(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
