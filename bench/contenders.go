package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/bench/process"
	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

// contender is a gateway that runs. Two contenders may be two listeners of one process.
type contender struct {
	name    string // as -peers takes it
	title   string // as RESULTS.md has it
	rest    string // host:port; empty if it takes no REST
	grpc    string // host:port; empty if it takes no gRPC
	only    []string
	headers [][2]string
	plain   bool   // has the routes of PlainSchema
	zeros   bool   // writes fields that are not set, and cannot be told not to
	raw     bool   // answers REST with encoded protobuf
	web     bool   // speaks Connect and gRPC-Web where it speaks REST
	metrics string // host:port that tells the allocations; empty if it does not
	process *process.Process
}

// takes reports whether the contender is measured in a scenario.
func (c *contender) takes(s *scenario.Scenario) bool {
	return c.address(s) != "" && (s.Web == "" || c.web) && (c.only == nil || slices.Contains(c.only, s.Name))
}

func (c *contender) address(s *scenario.Scenario) string {
	if s.GRPC {
		return c.grpc
	}
	return c.rest
}

// target is the path and the query that a scenario has here.
func (c *contender) target(s *scenario.Scenario) string {
	if c.plain {
		return s.Plain
	}
	return s.Target
}

// field is all who run.
type field struct {
	options    options
	backend    string
	folder     string
	bare       string // descriptors
	checked    string // descriptors with validation rules
	plain      string // descriptors with simple routes
	contenders []*contender
	processes  []*process.Process
	leftOut    []string // with the reason
}

// startAll starts the contenders that were chosen. One that does not start is left out, but for Gatehouse.
func startAll(o options, backend, folder string) (*field, error) {
	f := &field{options: o, backend: backend, folder: folder}
	if err := f.writeSchemas(); err != nil {
		return nil, err
	}
	for _, start := range []struct {
		names []string
		start func() ([]*contender, error)
	}{
		{[]string{"gatehouse", "gatehouse-internal"}, f.startGatehouse},
		{[]string{"gatehouse-checks"}, f.startGatehouseChecks},
		{[]string{"gatehouse-log"}, f.startGatehouseLog},
		{[]string{"floor"}, f.startFloor},
		{[]string{"grpc-gateway"}, f.startGRPCGateway},
		{[]string{"dynamic"}, f.startDynamic},
		{[]string{"vanguard"}, f.startVanguard},
		{[]string{"envoy"}, f.startEnvoy},
		{[]string{"structured-proxy"}, f.startStructuredProxy},
		{[]string{"nginx"}, f.startNginx},
		{[]string{"haproxy"}, f.startHAProxy},
		{[]string{"nghttpx"}, f.startNghttpx},
	} {
		if !slices.ContainsFunc(start.names, func(name string) bool { return chosen(o.peers, name) }) {
			continue
		}
		started, err := start.start()
		if err != nil {
			f.leftOut = append(f.leftOut, fmt.Sprintf("%s: %v", start.names[0], err))
			continue
		}
		f.contenders = append(f.contenders, slices.DeleteFunc(started, func(c *contender) bool { return !chosen(o.peers, c.name) })...)
	}
	if len(f.contenders) == 0 {
		return nil, fmt.Errorf("nobody to measure: %v", f.leftOut)
	}
	return f, nil
}

// stop ends all processes.
func (f *field) stop() {
	for _, p := range f.processes {
		p.Stop()
	}
}

// writeSchemas writes the descriptors that contenders read.
func (f *field) writeSchemas() error {
	f.bare, f.checked, f.plain = filepath.Join(f.folder, "schema.binpb"), filepath.Join(f.folder, "checked.binpb"), filepath.Join(f.folder, "plain.binpb")
	for path, set := range map[string]proto.Message{f.bare: scenario.Schema(), f.checked: scenario.CheckedSchema(), f.plain: scenario.PlainSchema()} {
		if err := os.WriteFile(path, scenario.Wire(set), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// start runs a program and waits until it listens.
func (f *field) start(listens, program string, args ...string) (*process.Process, error) {
	return f.startTo(nil, listens, program, args...)
}

// startTo sends the program's standard output to a file, if there is one.
func (f *field) startTo(stdout *os.File, listens, program string, args ...string) (*process.Process, error) {
	p, err := process.Start(stdout, program, args...)
	if err != nil {
		return nil, err
	}
	f.processes = append(f.processes, p)
	return p, p.Listens(listens)
}

func (f *field) program(name string) string { return filepath.Join(f.options.programs, name) }

// startPeer runs one of the programs in peers/, which all have the same flags.
func (f *field) startPeer(name, program, title string) (*contender, error) {
	addresses, err := free(3)
	if err != nil {
		return nil, err
	}
	p, err := f.start(addresses[0], f.program(program), "-listen", addresses[0], "-listen-grpc", addresses[1],
		"-listen-stats", addresses[2], "-backend", f.backend, "-descriptors", f.bare)
	return &contender{name: name, title: title, rest: addresses[0], grpc: addresses[1], metrics: addresses[2], process: p}, err
}

// free finds ports of the loopback interface that nobody listens on.
func free(n int) (addresses []string, err error) {
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close() // at the end, so that no port is found twice
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}
