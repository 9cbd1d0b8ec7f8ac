package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// recording is what the runner asked about JSON, what we answered, and what it thought of that.
type recording struct {
	descriptors []byte // a FileDescriptorSet: the messages that the cases are about, and the questions
	cases       []kase
}

// kase is one case. ("case" is a word of the language.)
type kase struct {
	name     string
	question []byte // conformance.ConformanceRequest
	answer   []byte // conformance.ConformanceResponse
	fault    string // what the runner says is wrong with the answer; "" if the case passes
}

// save writes the recording: pieces, compressed. The same recording gives the same bytes.
func (r *recording) save(path string) error {
	var file bytes.Buffer
	zip, err := gzip.NewWriterLevel(&file, gzip.BestCompression)
	if err != nil {
		return err
	}
	errs := []error{writePiece(zip, r.descriptors)}
	for _, k := range r.cases {
		for _, piece := range [][]byte{[]byte(k.name), k.question, k.answer, []byte(k.fault)} {
			errs = append(errs, writePiece(zip, piece))
		}
	}
	if err := errors.Join(append(errs, zip.Close())...); err != nil {
		return err
	}
	return os.WriteFile(path, file.Bytes(), 0o644)
}

// load reads what save wrote.
func load(path string) (*recording, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	zip, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pieces, err := readPieces(zip)
	if err != nil || len(pieces)%4 != 1 {
		return nil, fmt.Errorf("%s: %d pieces: %v", path, len(pieces), err)
	}
	r := &recording{descriptors: pieces[0]}
	for p := pieces[1:]; len(p) > 0; p = p[4:] {
		r.cases = append(r.cases, kase{name: string(p[0]), question: p[1], answer: p[2], fault: string(p[3])})
	}
	return r, nil
}

func readPieces(r io.Reader) (pieces [][]byte, err error) {
	for {
		piece, err := readPiece(r)
		if err == io.EOF {
			return pieces, nil
		}
		if err != nil {
			return pieces, err
		}
		pieces = append(pieces, piece)
	}
}

// failed counts the cases that the runner did not let pass.
func (r *recording) failed() (n int) {
	for _, k := range r.cases {
		if k.fault != "" {
			n++
		}
	}
	return n
}

// exception is a line of exceptions.txt: a number of docs/semantics.md, and the name of a case that we fail for its sake.
var exception = regexp.MustCompile(`^(\d+)\s+(\S+)$`)

// readExceptions returns the numbers of the exceptions, by the names of their cases.
func readExceptions(text string) (map[string]string, error) {
	numbers := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := exception.FindStringSubmatch(line)
		if m == nil || numbers[m[2]] != "" {
			return nil, fmt.Errorf("%q is not a number of docs/semantics.md and the name of a case, or the name came before", line)
		}
		numbers[m[2]] = m[1]
	}
	return numbers, nil
}

// unexpected holds the verdicts to the exceptions: a fault without one, and one without a fault, are errors.
func (r *recording) unexpected(exceptions map[string]string) error {
	var errs []error
	seen := map[string]bool{}
	for _, k := range r.cases {
		seen[k.name] = true
		switch number := exceptions[k.name]; {
		case k.fault != "" && number == "":
			errs = append(errs, fmt.Errorf("%s: %s", k.name, k.fault))
		case k.fault == "" && number != "":
			errs = append(errs, fmt.Errorf("%s passes, yet exceptions.txt has it under %s", k.name, number))
		}
	}
	for name, number := range exceptions {
		if !seen[name] {
			errs = append(errs, fmt.Errorf("%s is no case about JSON, yet exceptions.txt has it under %s", name, number))
		}
	}
	return errors.Join(errs...)
}
