// Package load drives a gateway with the load generators wrk (REST) and h2load (gRPC) and reads what they measured.
package load

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Call is the request that is sent again and again.
type Call struct {
	Address     string // host:port
	Verb        string
	Target      string // path and query; for gRPC, the full method
	Headers     [][2]string
	Body        []byte
	Connections int
	Streams     int // concurrent calls of one connection, for gRPC
	Seconds     int
	Folder      string // for files that the generator reads and writes; they are written over by the next run
}

// Result is what a load generator measured in one run.
type Result struct {
	Requests int
	Took     time.Duration
	P50, P99 time.Duration
}

// run starts a generator and returns its standard output.
func run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()+out.String()))
	}
	return out.String(), nil
}
