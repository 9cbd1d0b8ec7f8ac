package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GRPC runs h2load, over HTTP/2 in cleartext. Any HTTP status but 200 is an error; h2load does not look at grpc-status.
func GRPC(ctx context.Context, c Call) (Result, error) {
	body, log := filepath.Join(c.Folder, "h2load-body"), filepath.Join(c.Folder, "h2load-log")
	if err := os.WriteFile(body, frame(c.Body), 0o600); err != nil {
		return Result{}, err
	}
	if err := os.RemoveAll(log); err != nil { // h2load appends
		return Result{}, err
	}
	args := []string{"--threads", "1", "--clients", strconv.Itoa(c.Connections), "--max-concurrent-streams", strconv.Itoa(c.Streams),
		"--duration", strconv.Itoa(c.Seconds), "--log-file", log, "--data", body,
		"--header", "content-type: application/grpc", "--header", "te: trailers"}
	for _, h := range c.Headers {
		args = append(args, "--header", h[0]+": "+h[1])
	}
	if _, err := run(ctx, "h2load", append(args, "http://"+c.Address+c.Target)...); err != nil {
		return Result{}, err
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return Result{}, err
	}
	return parseH2load(string(text))
}

// frame is a gRPC message with its prefix: not compressed, and its length.
func frame(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// parseH2load reads h2load's log: per request its start in microseconds, its HTTP status, and the microseconds it took.
func parseH2load(log string) (Result, error) {
	var took []int
	first, last := 0, 0
	for line := range strings.Lines(log) {
		var start, status, micros int
		if n, err := fmt.Sscan(line, &start, &status, &micros); n < 3 {
			return Result{}, fmt.Errorf("h2load: line %q of its log: %w", line, err)
		}
		if status != 200 {
			return Result{}, fmt.Errorf("h2load: a call was answered with status %d", status)
		}
		if first == 0 || start < first {
			first = start
		}
		last = max(last, start+micros)
		took = append(took, micros)
	}
	if len(took) == 0 {
		return Result{}, fmt.Errorf("h2load: no call was answered")
	}
	slices.Sort(took)
	return Result{len(took), time.Duration(last-first) * time.Microsecond, percentile(took, 50), percentile(took, 99)}, nil
}

// percentile is the nearest rank of sorted microseconds.
func percentile(sorted []int, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return time.Duration(sorted[max(rank, 1)-1]) * time.Microsecond
}
