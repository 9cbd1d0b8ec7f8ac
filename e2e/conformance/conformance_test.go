// Package conformance puts the cases of the Connect project's conformance suite to the real binary: Connect, gRPC and
// gRPC-Web, by the suite's own clients, against a gateway in front of the suite's reference server. It is a module of its
// own, because the suite brings much that nothing else here needs.
//
// What the gateway does not support is left out in the .yaml files, and what may fail is listed in known-flaky.txt, with the
// reason. Read launch/main.go for how the server under test is made.
package conformance

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

var only = flag.String("only", "", "run only the cases that this pattern of the suite matches")

// patience bounds one matrix.
const patience = 10 * time.Minute

func TestConformance(t *testing.T) {
	r := newRunner(t)
	for name, listener := range map[string]string{"Public": "public", "Internal": "internal"} {
		t.Run(name, func(t *testing.T) { r.run(t, listener) })
	}
}

// runner is the suite's programs and ours, built.
type runner struct {
	suite, launcher      string
	backend, descriptors string
	gateway              string
}

func newRunner(t *testing.T) *runner {
	t.Helper()
	module := output(t, ".", "go", "list", "-m", "-f", "{{.Dir}}", "connectrpc.com/conformance")
	sources, err := compile.ReadDir(filepath.Join(module, "proto"), func(note string) { t.Log(note) })
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	output(t, ".", "go", "build", "-o", bin, "connectrpc.com/conformance/cmd/connectconformance",
		"connectrpc.com/conformance/cmd/referenceserver", "./launch")
	// In its own module, with the versions that it is shipped with.
	build := []string{"go", "build", "-o", bin}
	if testkit.Race() {
		build = append(build, "-race")
	}
	output(t, "../..", append(build, "./cmd/gatehouse")...)
	return &runner{
		suite:       filepath.Join(bin, "connectconformance"),
		launcher:    filepath.Join(bin, "launch"),
		backend:     filepath.Join(bin, "referenceserver"),
		descriptors: testkit.Descriptors(t, testkit.Compile(t, sources)),
		gateway:     filepath.Join(bin, "gatehouse"),
	}
}

// run puts the cases of one matrix to one listener.
func (r *runner) run(t *testing.T, listener string) {
	matrix := listener + ".yaml"
	args := []string{"--mode", "server", "--conf", matrix, "-v"}
	if *only != "" {
		args = append(args, "--run", *only)
	} else {
		args = append(args, "--known-flaky", "@"+casesOf(t, "known-flaky.txt", matrix))
	}
	args = append(args, "--", r.launcher, "-listener", listener,
		"-descriptors", r.descriptors, "-backend", r.backend, "-gateway", r.gateway)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	process := exec.CommandContext(ctx, r.suite, args...)
	process.Env = append(os.Environ(), "GORACE=exitcode=66")
	said, err := process.CombinedOutput()
	if err != nil || bytes.Contains(said, []byte("DATA RACE")) {
		t.Fatalf("%v\n%s", err, said)
	}
	total := totalLine.FindSubmatch(said)
	if total == nil || string(total[1]) == "0" {
		t.Fatalf("no case was run:\n%s", said)
	}
	t.Log(string(total[0]))
}

var totalLine = regexp.MustCompile(`Total cases: (\d+)\n.*`)

// casesOf returns a file with the lines of a list that are about a matrix: those below a heading with its name. The runner
// takes a pattern that fits no case for a mistake.
func casesOf(t *testing.T, list, matrix string) string {
	t.Helper()
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for _, paragraph := range strings.Split(string(text), "\n\n") {
		heading, _, _ := strings.Cut(paragraph, "\n")
		if strings.Contains(heading+" ", " "+matrix+" ") {
			kept = append(kept, paragraph)
		}
	}
	return testkit.File(t, list, []byte(strings.Join(kept, "\n")+"\n"))
}

// output returns what a command prints that runs in a folder.
func output(t *testing.T, folder string, command ...string) string {
	t.Helper()
	process := exec.Command(command[0], command[1:]...)
	process.Dir = folder
	var errs bytes.Buffer
	process.Stderr = &errs
	out, err := process.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out))
}
