// Command launch is what the runner of the conformance suite starts as the server under test: a gateway, in front of the
// suite's reference server as a gRPC backend. The runner says on standard input what it wants, TLS say, and is told on
// standard output where the gateway listens; the server lives until the runner sends SIGTERM.
//
// Read run first. What is exchanged with the runner is in compat.go; the two processes are in backend.go and gateway.go.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"
)

// parts are the files that a server is made of, and which of the gateway's listeners is tested.
type parts struct {
	descriptors, gateway, backend, listener string
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("launch: ")
	var p parts
	flag.StringVar(&p.descriptors, "descriptors", "", "the suite's schema, a FileDescriptorSet")
	flag.StringVar(&p.gateway, "gateway", "", "the gatehouse binary")
	flag.StringVar(&p.backend, "backend", "", "the suite's reference server")
	flag.StringVar(&p.listener, "listener", "public", "the listener under test: public or internal")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, p); err != nil {
		log.Fatal(err)
	}
}

// run starts the server, says where it is, and stops it when ctx ends. The gateway ends before its backend, so that no
// call that still runs sees a backend die.
func run(ctx context.Context, p parts) error {
	suite, err := newSuite(p.descriptors)
	if err != nil {
		return err
	}
	wanted, err := suite.read(os.Stdin)
	if err != nil {
		return err
	}
	backend, err := startBackend(p.backend)
	if err != nil {
		return err
	}
	defer backend.stop()
	dir, err := os.MkdirTemp("", "gatehouse-conformance-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	gateway, err := startGateway(ctx, p, dir, wanted, backend.target)
	if err != nil {
		return err
	}
	if err := suite.write(os.Stdout, gateway.listening); err != nil {
		return errors.Join(err, gateway.stop())
	}
	<-ctx.Done()
	return gateway.stop()
}
