package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/gatehouse-gateway/gatehouse/bench/backend"
	"github.com/gatehouse-gateway/gatehouse/bench/load"
	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

// bench measures, one contender at a time; the others idle.
type bench struct {
	options options
	server  *backend.Backend
	folder  string
	results results
}

// sample is one run.
type sample struct {
	cpu      float64 // microseconds per request, of the gateway's process
	rate     float64 // requests per second
	p50, p99 float64 // milliseconds
	peak     float64 // MiB
	allocs   float64 // per request, of Go programs; unknown of others
}

// measure runs one scenario: everybody is checked and warmed up, then come the rounds, A B C, A B C …, so that what else
// happens on the machine hits all alike. Who fails is left out of the scenario, with a line that says so.
func (b *bench) measure(ctx context.Context, s *scenario.Scenario) {
	row := &outcome{scenario: s, samples: map[*contender][]sample{}}
	b.results.outcomes = append(b.results.outcomes, row)
	var ready []*contender
	for _, c := range b.results.contenders {
		if !c.takes(s) {
			continue
		}
		err := b.check(ctx, c, s)
		if err == nil {
			_, err = b.once(ctx, c, s, 1)
		}
		if err != nil {
			b.leaveOut(row, c, err)
			continue
		}
		ready = append(ready, c)
	}
	for round := range b.options.rounds {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", s.Title, round+1, b.options.rounds)
		for _, c := range ready {
			if _, out := row.leftOut[c]; out {
				continue
			}
			got, err := b.once(ctx, c, s, b.options.seconds)
			if err != nil {
				b.leaveOut(row, c, err)
				continue
			}
			row.samples[c] = append(row.samples[c], got)
		}
	}
	b.profileMissed(ctx, row)
}

// profileMissed finds out where the time goes in those who missed a target.
func (b *bench) profileMissed(ctx context.Context, row *outcome) {
	for _, c := range b.results.contenders {
		if len(row.samples[c]) == 0 || !row.missed(c.name) {
			continue
		}
		p, err := b.profile(ctx, c, row.scenario)
		if err != nil {
			b.results.leftOut = append(b.results.leftOut, fmt.Sprintf("the profile of %s in %q: %v", c.name, row.scenario.Title, err))
			continue
		}
		if row.profiles == nil {
			row.profiles = map[*contender]*profile{}
		}
		row.profiles[c] = p
	}
}

func (b *bench) leaveOut(row *outcome, c *contender, err error) {
	fmt.Fprintf(os.Stderr, "%s: %s is left out: %v\n", row.scenario.Title, c.name, err)
	if row.leftOut == nil {
		row.leftOut = map[*contender]error{}
	}
	row.leftOut[c] = err
	delete(row.samples, c)
}

// once loads a contender for some seconds and reads what that cost it.
func (b *bench) once(ctx context.Context, c *contender, s *scenario.Scenario, seconds int) (sample, error) {
	runtime.GC() // of this process, in which the backend is, rather now than while it measures
	calls := b.server.Calls()
	if err := c.process.ResetPeakRSS(); err != nil {
		return sample{}, err
	}
	allocations := counter{address: c.metrics}
	if err := allocations.start(ctx); err != nil {
		return sample{}, err
	}
	before, err := c.process.CPU()
	if err != nil {
		return sample{}, err
	}
	got, err := b.load(ctx, c, s, seconds)
	if err != nil {
		return sample{}, err
	}
	after, err := c.process.CPU()
	if err != nil {
		return sample{}, err
	}
	peak, err := c.process.PeakRSS()
	if err != nil {
		return sample{}, err
	}
	allocs, err := allocations.since(ctx)
	if err != nil {
		return sample{}, err
	}
	// What a generator counts as answered must have been at the backend: h2load takes any 200 for success.
	if reached := b.server.Calls() - calls; reached < int64(got.Requests) {
		return sample{}, fmt.Errorf("%d requests were answered, but the backend had only %d", got.Requests, reached)
	}
	return sample{
		cpu:  float64((after - before).Microseconds()) / float64(got.Requests),
		rate: float64(got.Requests) / got.Took.Seconds(),
		p50:  millis(got.P50), p99: millis(got.P99),
		peak:   float64(peak) / (1 << 20),
		allocs: allocs / float64(got.Requests),
	}, nil
}

func (b *bench) load(ctx context.Context, c *contender, s *scenario.Scenario, seconds int) (load.Result, error) {
	call := load.Call{
		Address: c.address(s), Verb: s.Verb, Target: c.target(s), Headers: slices.Concat(c.headers, s.Headers()), Body: s.Body,
		Connections: s.Connections, Streams: s.Streams, Seconds: seconds, Folder: b.folder,
	}
	if s.GRPC {
		call.Target, call.Body, call.Headers = s.Method, scenario.Wire(s.Request), c.headers
		return load.GRPC(ctx, call)
	}
	return load.REST(ctx, call)
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
