// Command bench measures Gatehouse and its peers side by side, on loopback, before the same backend, and writes
// RESULTS.md. `make bench` builds what it needs and runs it. Read scenario/scenario.go for what is called,
// contenders.go for who is, and rounds.go for how.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/gatehouse-gateway/gatehouse/bench/backend"
	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

// options are the command line.
type options struct {
	programs        string
	envoy           string
	structuredProxy string
	rounds          int
	seconds         int
	scenarios       string
	peers           string
	results         string
}

func main() {
	var o options
	flag.StringVar(&o.programs, "programs", "../.build/bench", "`FOLDER` with gatehouse, the peers and the benchmarks, built")
	flag.StringVar(&o.envoy, "envoy", "", "`FILE` of the Envoy program; without it, Envoy is left out")
	flag.StringVar(&o.structuredProxy, "structured-proxy", "", "`FILE` of the structured-proxy program; without it, structured-proxy is left out")
	flag.IntVar(&o.rounds, "rounds", 9, "how often each contender is measured, one after the other")
	flag.IntVar(&o.seconds, "seconds", 2, "how long each measurement takes")
	flag.StringVar(&o.scenarios, "scenarios", "", "only these `NAMES`, separated by commas: "+strings.Join(scenarioNames(), ", "))
	flag.StringVar(&o.peers, "peers", "", "only these `NAMES`: "+strings.Join(contenderNames, ", "))
	flag.StringVar(&o.results, "results", "", "`FILE` to write the results to; without it, they are printed")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	if err := o.valid(); err != nil {
		return err
	}
	scenarios := scenario.All()
	server, err := backend.Start(scenarios)
	if err != nil {
		return err
	}
	defer server.Stop()
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	m := machineNow()
	field, err := startAll(o, server.Address(), folder)
	if err != nil {
		return err
	}
	defer field.stop()
	b := &bench{options: o, server: server, folder: folder, results: results{machine: m, options: o, contenders: field.contenders, leftOut: field.leftOut}}
	for _, s := range scenarios {
		if ctx.Err() == nil && chosen(o.scenarios, s.Name) {
			b.measure(ctx, s)
		}
	}
	if chosen(o.scenarios, codecs) {
		field.stop() // nobody is needed any more, and nobody is to disturb
		if b.results.inProcess, err = runBenchmarks(ctx, o); err != nil && ctx.Err() == nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted; nothing is written")
	}
	return b.results.write(o.results)
}

// contenderNames are those that -peers takes.
var contenderNames = []string{
	"gatehouse", "gatehouse-internal", "gatehouse-checks", "gatehouse-log", "floor", "grpc-gateway", "dynamic", "vanguard", "envoy",
	"structured-proxy", "nginx", "haproxy", "nghttpx",
}

// codecs is the name by which -scenarios has the benchmarks in process.
const codecs = "codecs"

func scenarioNames() (names []string) {
	for _, s := range scenario.All() {
		names = append(names, s.Name)
	}
	return append(names, codecs)
}

func (o options) valid() error {
	if o.rounds < 1 || o.seconds < 1 {
		return fmt.Errorf("-rounds and -seconds are at least 1")
	}
	for _, list := range []struct {
		flag, names string
		known       []string
	}{{"-scenarios", o.scenarios, scenarioNames()}, {"-peers", o.peers, contenderNames}} {
		for name := range strings.SplitSeq(list.names, ",") {
			if list.names != "" && !slices.Contains(list.known, name) {
				return fmt.Errorf("%s: there is no %q; there are %s", list.flag, name, strings.Join(list.known, ", "))
			}
		}
	}
	return nil
}

// chosen reports whether a list of names, separated by commas, has a name; the empty list has all.
func chosen(names, name string) bool {
	return names == "" || strings.Contains(","+names+",", ","+name+",")
}
