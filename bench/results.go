package main

import (
	"fmt"
	"io"
	"math"
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
	inProcess  *inProcess // nil if they were not run
}

// outcome is one scenario's.
type outcome struct {
	scenario *scenario.Scenario
	samples  map[*contender][]sample
	leftOut  map[*contender]error
	profiles map[*contender]*profile // of those who missed a target
}

// write makes the page, in a file or on standard output.
func (r *results) write(path string) error {
	var page strings.Builder
	r.intro(&page)
	r.targets(&page)
	for _, o := range r.outcomes {
		r.outcome(&page, o)
	}
	r.codecs(&page)
	if path == "" {
		_, err := io.WriteString(os.Stdout, page.String())
		return err
	}
	return os.WriteFile(path, []byte(page.String()), 0o644)
}

// flushPolicy says when a stream's messages leave each gateway.
const flushPolicy = `Of a stream, Gatehouse flushes whenever no further message is already waiting; grpc-gateway and dynamicpb + protojson flush
  each message; the floor leaves it to net/http; Envoy, structured-proxy, nginx, haproxy and nghttpx do as they come.`

func (r *results) intro(w io.Writer) {
	m := r.machine
	fmt.Fprintf(w, `# Gatehouse and its peers, side by side

Written by %[1]smake bench%[1]s; do not edit. What is called is in [scenario/](scenario/scenario.go), how each peer is set up in
[peers/](peers/), [gatehouse.go](gatehouse.go), [envoy.go](envoy.go), [structuredproxy.go](structuredproxy.go) and [proxies.go](proxies.go).

- **CPU** is the time of the gateway's process alone (with its workers, where these are processes), user and kernel, by the
  operating system's account, per request.
- %[2]d rounds of %[3]d s each, interleaved (A B C, A B C …), after a second to warm up; figures are medians, with the least and the most
  for CPU. Latencies are those at full load, of all connections together: they follow from throughput.
- Before it is timed, each gateway's answer (status and JSON value) and the request that the backend got are compared with what they
  must be, message by message. Who answers otherwise is left out, with a line that says so.
- **Allocations** are objects on the heap of a Go process, by the runtime's count before and after each run, per request; for
  Gatehouse it is go_memstats_mallocs_total at the admin listener's /metrics. What is not written in Go does not tell.
- Same backend for all, with replies that are encoded beforehand; cleartext, keep-alive, no compression; every process may use
  all cores, with the load generator and the backend on the same ones; what has workers has as many as there are cores.
- Gatehouse: the real binary with an empty chain, which is: no authentication, quota or validation, metrics on, access log off. The
  rows with checks and with the access log say so. Five validation rules are those on the request that is sent, be they one on each
  of five fields or two on one; of the batch's five, two are judged for every item.
- structured-proxy does not start with path variables of several segments, such as {parent=shelves/*}: its routes have one segment,
  with the slash escaped. What it binds is compared like everybody's. It writes fields that are not set, which others leave out:
  that is more to write.
- %[9]s

Machine: %[4]d cores (%[5]s), %[6]s, Linux %[7]s. Load average when it began: %[8]s.
`, "`", r.options.rounds, r.options.seconds, m.cores, m.cpu, m.os, m.kernel, m.load, flushPolicy)
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
	fmt.Fprint(w, "| | CPU µs/request | least–most | Gatehouse ÷ this | requests/s | p50 ms | p99 ms | peak RSS MiB | allocations |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
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
		fmt.Fprintf(w, "| %s | %s | %s–%s | %s | %.0f | %.2f | %.2f | %.0f | %s |\n", c.title, micros(cpu), micros(least), micros(most), ratio,
			medianOf(samples, rateOf), medianOf(samples, p50Of), medianOf(samples, p99Of), medianOf(samples, peakOf), count(medianOf(samples, allocsOf)))
	}
	for _, c := range r.contenders {
		if err := o.leftOut[c]; err != nil {
			fmt.Fprintf(w, "\nLeft out: %s: %s.\n", c.name, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
	for _, c := range r.contenders {
		if p := o.profiles[c]; p != nil {
			fmt.Fprintf(w, "\nA target is missed. Where %s spends its CPU time, by package: %s. By function, without what it calls:\n\n```\n%s\n```\n",
				c.name, p.packages, strings.Join(p.functions, "\n"))
		}
	}
}

// count is a dash for what is not known.
func count(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.0f", v)
}

// micros has one digit behind the point where that says something.
func micros(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
