package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// backend is the suite's reference server, which speaks gRPC over cleartext HTTP/2 here.
type backend struct {
	process *exec.Cmd
	target  string
}

func startBackend(binary string) (*backend, error) {
	b := &backend{process: exec.Command(binary, "-json")}
	b.process.Stdin = strings.NewReader(`{"protocol": "PROTOCOL_GRPC", "httpVersion": "HTTP_VERSION_2"}`)
	b.process.Stderr = os.Stderr
	stdout, err := b.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.process.Start(); err != nil {
		return nil, err
	}
	var at listening
	if err := json.NewDecoder(stdout).Decode(&at); err != nil {
		b.stop()
		return nil, fmt.Errorf("the reference server does not say where it is: %w", err)
	}
	b.target = fmt.Sprintf("grpc://%s:%d", at.Host, at.Port)
	return b, nil
}

// stop ends the process at once: whoever stops it has ended its calls.
func (b *backend) stop() {
	_ = b.process.Process.Kill() // it may have ended already
	_ = b.process.Wait()         // it was killed
}
