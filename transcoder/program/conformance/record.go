package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maximumEdition is the latest edition whose cases are asked.
const maximumEdition = "2023"

// runTimeout bounds the whole run, which takes some seconds.
const runTimeout = 5 * time.Minute

// record has the runner ask everything and writes what was about JSON to testdata. A verdict that exceptions.txt there
// does not expect is an error, after everything is written.
func record(ctx context.Context, out io.Writer, pkg, work, testdata string) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	work, err := filepath.Abs(work)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o755)); err != nil {
		return err
	}
	descriptors, err := compile(ctx, filepath.Join(pkg, "include"))
	if err != nil {
		return err
	}
	s, err := link(ctx, descriptors)
	if err != nil {
		return err
	}
	r, err := findRunner(ctx, pkg, work)
	if err != nil {
		return err
	}
	run, err := r.run(ctx, work, descriptors)
	if err != nil {
		return err
	}
	cases, err := run.cases(s)
	if err != nil {
		return err
	}
	rec := &recording{descriptors, cases}
	if err := rec.save(filepath.Join(testdata, "cases.gz")); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(testdata, "exceptions.txt"))
	if err != nil {
		return err
	}
	exceptions, err := readExceptions(string(text))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d cases about JSON, of which %d fail; docs/semantics.md decides %d otherwise\n", len(cases), rec.failed(), len(exceptions))
	return rec.unexpected(exceptions)
}

// outcome is what a run of the runner left behind.
type outcome struct {
	log        string            // what it says of every case, in the order of its questions
	faults     map[string]string // what it found wrong, by the names of cases
	transcript [][]byte          // questions and answers, in turn
}

// run runs the runner with this very program as the testee.
func (r *runner) run(ctx context.Context, work string, descriptors []byte) (*outcome, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	described, transcript := filepath.Join(work, "descriptors.binpb"), filepath.Join(work, "transcript")
	if err := os.WriteFile(described, descriptors, 0o644); err != nil {
		return nil, err
	}
	var log bytes.Buffer
	cmd := exec.CommandContext(ctx, r.path, "--verbose", "--enforce_recommended", "--maximum_edition", maximumEdition,
		"--output_dir", work, self, "answer", described, transcript)
	cmd.Env, cmd.Stderr = r.environ, &log
	// The status is 1 when a case fails, which is told below; anything else is no verdict.
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		return nil, fmt.Errorf("%w\n%s", err, log.Bytes()[max(0, log.Len()-2000):])
	}
	o := &outcome{log: log.String()}
	if err := os.WriteFile(filepath.Join(work, "log"), log.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if o.faults, err = readFaults(filepath.Join(work, "failing_tests.txt")); err != nil {
		return nil, err
	}
	file, err := os.ReadFile(transcript)
	if err != nil {
		return nil, err
	}
	o.transcript, err = readPieces(bytes.NewReader(file))
	return o, err
}

// readFaults reads the runner's list of failing cases, which it writes only when there are any: a name, "#", and what is
// wrong with the case.
func readFaults(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	faults := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, fault, _ := strings.Cut(strings.TrimSpace(line), "#")
		if name = strings.TrimSpace(name); name != "" {
			faults[name] = "the runner says: " + strings.TrimSpace(fault)
		}
	}
	return faults, nil
}

// The log has a line for each case, and one with numbers for each suite.
var (
	logCase  = regexp.MustCompile(`(?m)^conformance test: name=([^,\s]+),`)
	logSuite = regexp.MustCompile(`(?m)^CONFORMANCE SUITE [A-Z]+: (\d+) successes, (\d+) skipped, (\d+) expected failures, (\d+) unexpected failures\.`)
)

// cases pairs the runner's lines, which have the names, with the transcript, which has not, and returns what is about
// JSON. What does not fit together is an error.
func (o *outcome) cases(s *schema) (cases []kase, err error) {
	names := logCase.FindAllStringSubmatch(o.log, -1)
	passed, skipped := 0, 0
	for t := o.transcript; len(t) >= 2; t = t[2:] {
		q, err := s.ask(t[0])
		if err != nil {
			return nil, err
		}
		if q.messageType == failureSet {
			continue
		}
		if len(names) == 0 {
			return nil, errors.New("the runner names fewer cases than it asked")
		}
		name := names[0][1]
		names = names[1:]
		if q.fromJSON != strings.Contains(name, ".JsonInput.") {
			return nil, fmt.Errorf("%s is not the name of the question at its place", name)
		}
		if !q.aboutJSON() {
			skipped++
			continue
		}
		k := kase{name: name, question: t[0], answer: t[1], fault: o.faults[name]}
		if k.fault == "" {
			passed++
		}
		cases = append(cases, k)
	}
	if len(names) != 0 {
		return nil, errors.New("the runner names more cases than it asked")
	}
	if counted, err := o.counted(); err != nil || counted != (counts{passed, skipped, len(cases) - passed}) {
		return nil, fmt.Errorf("the runner counts %+v, its questions and answers say otherwise: %d passed, %d skipped, %d failed; %v",
			counted, passed, skipped, len(cases)-passed, err)
	}
	return cases, nil
}

type counts struct{ passed, skipped, failed int }

// counted adds up what the runner counted in its suites.
func (o *outcome) counted() (c counts, err error) {
	suites := logSuite.FindAllStringSubmatch(o.log, -1)
	if len(suites) == 0 {
		return c, errors.New("the runner finished no suite")
	}
	for _, m := range suites {
		for i, sum := range []*int{&c.passed, &c.skipped, &c.failed, &c.failed} {
			n, err := strconv.Atoi(m[i+1])
			if err != nil {
				return c, err
			}
			*sum += n
		}
	}
	return c, nil
}
