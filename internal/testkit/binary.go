package testkit

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Gateway is a running gatehouse.
type Gateway struct {
	// Public, GRPC and Admin are the addresses of its listeners.
	Public, GRPC, Admin string

	process *exec.Cmd
	ended   chan struct{}
	stopped sync.Once

	stdout, stderr output
	told           chan string // what stacks asks for
}

// output keeps what a process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Binary builds the command and returns its path. It is built once for each test binary, with the race detector if that
// has it.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

const command = "github.com/gatehouse-gateway/gatehouse/cmd/gatehouse"

// build puts the binary under a name of its own and renames it, because tests of other packages may be doing the same.
// Each checkout has a folder of its own, told by where this file is.
var build = sync.OnceValues(func() (string, error) {
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("gatehouse-testkit-%d-%08x", os.Getuid(), crc32.ChecksumIEEE([]byte(here))))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "gatehouse")
	args := []string{"build"}
	if raceEnabled {
		path += "-race"
		args = append(args, "-race")
	}
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	if out, err := exec.Command("go", append(args, "-o", fresh, command)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", command, err, out)
	}
	return path, os.Rename(fresh, path)
})

// Serve starts "gatehouse serve" on free loopback ports with further arguments, and waits until it listens. When the
// test and its clients have ended, nothing may be left of their calls. Then it is told to stop, and must do so without
// an error and without a data race.
func Serve(t testing.TB, args ...string) *Gateway {
	t.Helper()
	return Start(t, onFreePorts(args)...)
}

// Start is Serve with the arguments as they are, the verb first.
func Start(t testing.TB, args ...string) *Gateway {
	t.Helper()
	return start(t, newProcess(t, args))
}

// ServeWithin is Serve for a process that cannot have more than so many files open.
func ServeWithin(t testing.TB, files int, args ...string) *Gateway {
	t.Helper()
	process := newProcess(t, nil)
	process.Args = append([]string{"sh", "-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(files), process.Path}, onFreePorts(args)...)
	process.Path = "/bin/sh"
	return start(t, process)
}

func start(t testing.TB, process *exec.Cmd) *Gateway {
	t.Helper()
	g := &Gateway{process: process, ended: make(chan struct{}), told: make(chan string, 1)}
	g.process.Stdout = &g.stdout
	pipe, err := g.process.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.end(t) })
	ready := make(chan struct{})
	go g.read(pipe, ready)
	select {
	case <-ready:
	case <-g.ended:
		t.Fatalf("gatehouse ended at start:\n%s", g.Stderr())
	case <-time.After(patience):
		t.Fatalf("gatehouse does not listen after %v:\n%s", patience, g.Stderr())
	}
	return g
}

// Refused runs "gatehouse serve" with arguments that it must refuse: it exits with 1 and returns what it says.
func Refused(t testing.TB, args ...string) string {
	t.Helper()
	r := Run(t, onFreePorts(args)...)
	if r.Code != 1 {
		t.Fatalf("gatehouse serve %s: exit status %d, want 1\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout + r.Stderr
}

// Ended is a process that ended.
type Ended struct {
	Code           int
	Stdout, Stderr string
}

// Run runs the binary until it ends by itself; one that does not is killed, and its code is -1.
func Run(t testing.TB, args ...string) Ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	process := newProcess(t, args)
	var stdout, stderr bytes.Buffer
	process.Stdout, process.Stderr = &stdout, &stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer context.AfterFunc(ctx, func() { _ = process.Process.Kill() })() // nothing to kill: it has ended
	_ = process.Wait()                                                    // its exit status is in ProcessState
	return Ended{process.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func onFreePorts(args []string) []string {
	return append([]string{"serve", "--listen", "127.0.0.1:0", "--listen-grpc", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0"}, args...)
}

func newProcess(t testing.TB, args []string) *exec.Cmd {
	t.Helper()
	process := exec.Command(Binary(t), args...)
	process.Env = append(os.Environ(), "GORACE=exitcode=66")
	return process
}

// Stdout returns the access log so far.
func (g *Gateway) Stdout() string { return g.stdout.String() }

// Stderr returns what it has told its operator so far.
func (g *Gateway) Stderr() string { return g.stderr.String() }

// Signal sends a signal to the process.
func (g *Gateway) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := g.process.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the process at once, as a crash would.
func (g *Gateway) Kill(t testing.TB) {
	t.Helper()
	g.stopped.Do(func() {
		_ = g.process.Process.Kill() // it may have ended already
		<-g.ended
	})
}

// MemoryPeak returns the most memory that the process has held so far, in bytes.
func (g *Gateway) MemoryPeak(t testing.TB) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.process.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var kilobytes int64
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	t.Fatalf("no VmHWM in:\n%s", text)
	return 0
}

// Wait waits for the end of the process and returns its exit status.
func (g *Gateway) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-g.ended:
	case <-time.After(patience):
		_ = g.process.Process.Kill()
		<-g.ended
		t.Errorf("gatehouse did not end; it was killed\n%s", g.Stderr())
	}
	return g.process.ProcessState.ExitCode()
}

// Stop sends SIGTERM and expects a clean end. It may be called once more, to no effect.
func (g *Gateway) Stop(t testing.TB) {
	t.Helper()
	g.stopped.Do(func() { g.stop(t) })
}

func (g *Gateway) stop(t testing.TB) {
	t.Helper()
	_ = g.process.Process.Signal(syscall.SIGTERM) // it may have ended already
	if code := g.Wait(t); code != 0 {
		t.Errorf("gatehouse ended with %d\n%s", code, g.Stderr())
	}
	if strings.Contains(g.Stderr(), "WARNING: DATA RACE") {
		t.Errorf("data race in gatehouse\n%s", g.Stderr())
	}
}

// end stops a gateway that its test has not ended.
func (g *Gateway) end(t testing.TB) {
	t.Helper()
	if !t.Failed() { // else that is what its test is told
		g.stopped.Do(func() {
			g.comeToRest(t)
			g.stop(t)
			if strings.Contains(g.Stderr(), `msg="calls have not ended"`) {
				t.Errorf("gatehouse says that a call has kept its snapshot\n%s", g.Stderr())
			}
		})
	}
	g.Stop(t)
}

// read keeps stderr but for stacks that were asked for, finds the line that names the addresses, and notes the end.
func (g *Gateway) read(pipe io.Reader, ready chan<- struct{}) {
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadString('\n')
		if strings.HasPrefix(line, "goroutine profile: ") {
			g.told <- stacksFrom(lines)
			continue
		}
		_, _ = g.stderr.Write([]byte(line)) // a buffer never fails
		if m := listening.FindStringSubmatch(line); m != nil && g.Public == "" {
			g.Public, g.GRPC, g.Admin = m[1], m[2], m[3]
			close(ready)
		}
		if err != nil {
			break
		}
	}
	_ = g.process.Wait() // its exit status is in ProcessState
	close(g.ended)
}

var listening = regexp.MustCompile(`msg=listening public=(\S+) grpc=(\S+) admin=(\S+)`)
