package main

import (
	"fmt"
	"io"
)

// target is a ratio of CPU per request that the project has promised: ours ÷ theirs, at most. Without a promise, the
// ratio is only told.
type target struct {
	scenario string
	ours     string
	theirs   string
	most     float64
}

// noPromise is what a ratio may be that nobody has promised.
const noPromise = 0

var targets = []target{
	{"get", "gatehouse", "grpc-gateway", 0.60},
	{"post", "gatehouse", "grpc-gateway", 0.60},
	{"get", "gatehouse", "vanguard", 0.32},
	{"post", "gatehouse", "vanguard", 0.32},
	{"get", "gatehouse", "floor", 1.15},
	{"post", "gatehouse", "floor", 1.15},
	{"list", "gatehouse", "grpc-gateway", 0.11},
	{"stream", "gatehouse", "grpc-gateway", 0.11},
	{"get", "gatehouse-checks", "grpc-gateway", 0.70},
	{"post", "gatehouse-checks", "grpc-gateway", 0.70},
	{"grpc", "gatehouse", "floor", 1.10},
	{"grpc", "gatehouse-internal", "floor", 1.10},
	{"get", "gatehouse", "envoy", 1},
	{"post", "gatehouse", "envoy", 1},
	{"list", "gatehouse", "envoy", 1},
	{"batch", "gatehouse", "envoy", 1},
	{"stream", "gatehouse", "envoy", 1},
	{"paced", "gatehouse", "grpc-gateway", noPromise},
	{"events", "gatehouse", "grpc-gateway", noPromise},
	{"connect", "gatehouse", "vanguard", noPromise},
	{"grpc-web", "gatehouse", "vanguard", noPromise},
	{"get", "gatehouse", "structured-proxy", noPromise},
	{"post", "gatehouse", "structured-proxy", noPromise},
	{"grpc", "gatehouse", "nginx", noPromise},
	{"grpc", "gatehouse", "haproxy", noPromise},
	{"grpc", "gatehouse", "nghttpx", noPromise},
	{"grpc", "gatehouse-internal", "nginx", noPromise},
	{"grpc", "gatehouse-internal", "haproxy", noPromise},
	{"grpc", "gatehouse-internal", "nghttpx", noPromise},
	{"grpc-stream", "gatehouse", "nginx", noPromise},
	{"grpc-stream", "gatehouse", "haproxy", noPromise},
	{"grpc-stream", "gatehouse", "nghttpx", noPromise},
}

// targets writes the table of what was promised and what was measured.
func (r *results) targets(w io.Writer) {
	fmt.Fprint(w, "\n## Targets\n\nCPU per request, ours ÷ theirs.\n\n| | ours | against | at most | measured | |\n|---|---|---|--:|--:|---|\n")
	for _, t := range targets {
		for _, o := range r.outcomes {
			if o.scenario.Name == t.scenario {
				fmt.Fprintf(w, "| %s | %s | %s | %s |\n", o.scenario.Title, t.ours, t.theirs, t.verdict(o))
			}
		}
	}
}

// verdict is the last three columns.
func (t target) verdict(o *outcome) string {
	most := "–"
	if t.most != noPromise {
		most = fmt.Sprintf("%.2f", t.most)
	}
	ratio, ok := o.ratio(t)
	switch {
	case !ok:
		return most + " | – | not measured"
	case t.most == noPromise:
		return fmt.Sprintf("%s | %.2f | no target", most, ratio)
	case ratio > t.most:
		return fmt.Sprintf("%s | %.2f | **missed**", most, ratio)
	}
	return fmt.Sprintf("%s | %.2f | reached", most, ratio)
}

// missed reports whether one of ours missed a target in this scenario.
func (o *outcome) missed(ours string) bool {
	for _, t := range targets {
		if t.scenario == o.scenario.Name && t.ours == ours && t.most != noPromise {
			if ratio, ok := o.ratio(t); ok && ratio > t.most {
				return true
			}
		}
	}
	return false
}

// ratio is not ok if one of the two was not measured.
func (o *outcome) ratio(t target) (float64, bool) {
	ours, theirs := o.named(t.ours), o.named(t.theirs)
	if len(ours) == 0 || len(theirs) == 0 {
		return 0, false
	}
	return medianOf(ours, cpuOf) / medianOf(theirs, cpuOf), true
}
