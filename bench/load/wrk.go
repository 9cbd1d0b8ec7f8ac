package load

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// wrkLine is what the script prints when wrk is done: wrk's own figures, unrounded.
const wrkLine = "measured requests %d microseconds %d p50 %d p99 %d connect %d read %d write %d status %d timeout %d"

// REST runs wrk. Any answer but 2xx and 3xx, and any failed connection, is an error.
func REST(ctx context.Context, c Call) (Result, error) {
	script, err := wrkScript(c)
	if err != nil {
		return Result{}, err
	}
	out, err := run(ctx, "wrk", "--threads", "1", "--connections", strconv.Itoa(c.Connections), "--duration", fmt.Sprintf("%ds", c.Seconds),
		"--timeout", "30s", "--script", script, "http://"+c.Address+c.Target)
	if err != nil {
		return Result{}, err
	}
	return parseWrk(out)
}

// wrkScript writes the Lua script that says what to send, and returns its path.
func wrkScript(c Call) (string, error) {
	var lua strings.Builder
	fmt.Fprintf(&lua, "wrk.method = %q\n", c.Verb)
	for _, h := range c.Headers {
		fmt.Fprintf(&lua, "wrk.headers[%q] = %q\n", h[0], h[1])
	}
	if c.Body != nil {
		body := filepath.Join(c.Folder, "wrk-body")
		if err := os.WriteFile(body, c.Body, 0o600); err != nil {
			return "", err
		}
		fmt.Fprintf(&lua, "wrk.body = io.open(%q, \"rb\"):read(\"*a\")\n", body)
	}
	fmt.Fprintf(&lua, `function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("%s\n", summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
`, wrkLine)
	path := filepath.Join(c.Folder, "wrk.lua")
	return path, os.WriteFile(path, []byte(lua.String()), 0o600)
}

func parseWrk(out string) (Result, error) {
	var requests, micros, p50, p99 int
	var failed [5]int
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		n, _ := fmt.Sscanf(lines.Text(), wrkLine, &requests, &micros, &p50, &p99, &failed[0], &failed[1], &failed[2], &failed[3], &failed[4])
		if n < 9 {
			continue
		}
		if failed != [5]int{} {
			return Result{}, fmt.Errorf("wrk: of %d calls failed: connect %d, read %d, write %d, status %d, timeout %d",
				requests, failed[0], failed[1], failed[2], failed[3], failed[4])
		}
		if requests == 0 {
			return Result{}, fmt.Errorf("wrk: no call was answered")
		}
		return Result{requests, time.Duration(micros) * time.Microsecond, time.Duration(p50) * time.Microsecond, time.Duration(p99) * time.Microsecond}, nil
	}
	return Result{}, fmt.Errorf("wrk: its output has no figures: %q", out)
}
