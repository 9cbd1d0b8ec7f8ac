package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestDemo starts "gatehouse demo", pastes every line that it prints into a shell, and checks what the comment above
// each line promises.
func TestDemo(t *testing.T) {
	d := startDemo(t)
	if left := d.left(t); len(left) != 1 {
		t.Errorf("while it runs there are %q in the folder for temporary files, want its own", left)
	}
	promises := demoPromises()
	for _, command := range d.commands {
		shape := shapeOf(command)
		t.Run(shape, func(t *testing.T) {
			check := promises[shape]
			if check == nil {
				t.Fatal("nothing is expected of this line")
			}
			delete(promises, shape)
			check(t, d.paste(t, command), d)
		})
	}
	for shape := range promises {
		t.Errorf("not printed: %s", shape)
	}
	d.end(t, os.Interrupt)
	if left := d.left(t); len(left) != 0 {
		t.Errorf("it left %q", left)
	}
}

// TestDemoNextToAnother starts a second one with the public address of the first.
func TestDemoNextToAnother(t *testing.T) {
	first := startDemo(t)
	second := startDemo(t, "--listen", first.rest())
	if first.rest() == second.rest() {
		t.Fatalf("both say %s", first.rest())
	}
	if r := fetch(t, "GET", "http://"+second.rest()+"/v1/shelves", ""); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
}

// demoRun is a running demo.
type demoRun struct {
	process  *exec.Cmd
	stderr   *strings.Builder
	temp     string // folder for its temporary files
	path     string // for the shell that its lines are pasted into
	commands []string
	ended    bool
}

func startDemo(t *testing.T, args ...string) *demoRun {
	t.Helper()
	d := &demoRun{temp: t.TempDir(), stderr: &strings.Builder{}}
	d.path = grpcurlFolder(t) + ":" + os.Getenv("PATH")
	args = append([]string{"demo", "--listen", "127.0.0.1:0", "--listen-grpc", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0"}, args...)
	d.process = exec.Command(testkit.Binary(t), args...)
	d.process.Env = append(os.Environ(), "TMPDIR="+d.temp, "GORACE=exitcode=66")
	d.process.Stderr = d.stderr
	out, err := d.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.end(t, syscall.SIGTERM) })
	timer := time.AfterFunc(longest, func() { _ = d.process.Process.Kill() }) // ends the loop below
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "Gatehouse is running") {
			continue
		}
		d.commands = append(d.commands, line)
		if strings.Contains(line, " routes ") { // the last one
			return d
		}
	}
	t.Fatalf("it ended before it had printed everything: %q", d.commands)
	return nil
}

// rest returns the public listener's address.
func (d *demoRun) rest() string { return addressIn.FindString(d.commands[0]) }

// left returns the temporary files.
func (d *demoRun) left(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(d.temp, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// paste runs a line as a shell would, expects that it ends well, and returns what it prints.
func (d *demoRun) paste(t *testing.T, command string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", command)
	shell.Env = append(os.Environ(), "PATH="+d.path)
	shell.WaitDelay = time.Second
	var stderr strings.Builder
	shell.Stderr = &stderr
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s%s", err, command, out, stderr.String())
	}
	return string(out)
}

// end sends a signal, and expects that the demo ends well and had nothing to complain about. Only the first time has
// an effect.
func (d *demoRun) end(t *testing.T, s os.Signal) {
	t.Helper()
	if d.ended {
		return
	}
	d.ended = true
	_ = d.process.Process.Signal(s)                                           // it may have ended already: Wait says how
	timer := time.AfterFunc(longest, func() { _ = d.process.Process.Kill() }) // Wait says that it was killed
	defer timer.Stop()
	if err := d.process.Wait(); err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	if d.stderr.Len() > 0 {
		t.Errorf("it told its operator:\n%s", d.stderr)
	}
}

// grpcurlFolder returns a folder in which the grpcurl of this module is found by that name.
func grpcurlFolder(t *testing.T) string {
	t.Helper()
	path, err := exec.Command("go", "tool", "-n", "grpcurl").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(strings.TrimSpace(string(path)), filepath.Join(dir, "grpcurl")); err != nil {
		t.Fatal(err)
	}
	return dir
}

var (
	addressIn = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	keyIn     = regexp.MustCompile(`(reader|writer)\.[a-z0-9]+`)
	programIn = regexp.MustCompile(`^\S+/gatehouse\S*`)
)

// shapeOf is a printed line without what differs from run to run.
func shapeOf(command string) string {
	command = addressIn.ReplaceAllString(command, "HOST")
	command = keyIn.ReplaceAllString(command, "$1")
	return programIn.ReplaceAllString(command, "gatehouse")
}
