package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// runner is the protobuf project's conformance_test_runner, as it can be started on this machine.
type runner struct {
	path    string
	environ []string
}

// shimSource is C.
//
//go:embed shim/shim.c
var shimSource []byte

// findRunner returns the runner of the npm package in the folder pkg. Where the C library is older than the runner wants,
// that is a changed copy of it in the folder work.
func findRunner(ctx context.Context, pkg, work string) (*runner, error) {
	// Node's names of systems and processors.
	name := "conformance_test_runner-" + runtime.GOOS + "-" + strings.NewReplacer("amd64", "x64").Replace(runtime.GOARCH)
	r := &runner{path: filepath.Join(pkg, "bin", name), environ: os.Environ()}
	if _, err := os.Stat(r.path); err != nil {
		return nil, fmt.Errorf("the package has no runner for %s/%s: %w", runtime.GOOS, runtime.GOARCH, err)
	}
	complaint, err := r.starts(ctx)
	if err != nil || complaint == "" {
		return r, err
	}
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("the runner does not start: %s", complaint)
	}
	return r.adapted(ctx, work)
}

// starts returns what keeps the runner from starting, "" if nothing does. It answers an unknown option with its usage.
func (r *runner) starts(ctx context.Context) (complaint string, err error) {
	cmd := exec.CommandContext(ctx, r.path, "--help")
	cmd.Env = r.environ
	out, err := cmd.CombinedOutput()
	if bytes.Contains(out, []byte("Usage: conformance-test-runner")) {
		return "", nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return fmt.Sprintf("%v: %.1000s", err, bytes.TrimSpace(out)), nil
}

// adapted makes the changed copy. What is preloaded reaches the testee too, which is linked statically and heeds it not.
func (r *runner) adapted(ctx context.Context, work string) (*runner, error) {
	file, err := os.ReadFile(r.path)
	if err != nil {
		return nil, err
	}
	if err := weaken(file, newerVersions); err != nil {
		return nil, fmt.Errorf("%s: %w", r.path, err)
	}
	path, source, shim := filepath.Join(work, "runner"), filepath.Join(work, "shim.c"), filepath.Join(work, "shim.so")
	if err := os.WriteFile(path, file, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(source, shimSource, 0o644); err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, "cc", "-O1", "-shared", "-fPIC", "-o", shim, source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cc %s: %w\n%s", source, err, out)
	}
	adapted := &runner{path: path, environ: append(r.environ, "LD_PRELOAD="+shim)}
	complaint, err := adapted.starts(ctx)
	if err == nil && complaint != "" {
		err = fmt.Errorf("the runner does not start: %s", complaint)
	}
	return adapted, err
}
