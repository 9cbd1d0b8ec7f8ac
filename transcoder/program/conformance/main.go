// Command conformance puts the protobuf project's own conformance cases to the programs, and keeps them for the tests.
//
//	conformance record PACKAGE WORK TESTDATA
//	conformance answer DESCRIPTORS TRANSCRIPT
//
// `record` runs the runner that the npm package in the folder PACKAGE brings. What it makes on the way goes into the
// folder WORK, which is made anew: what it held before is removed. Every case about JSON, with our answer and the runner's
// verdict, goes into the folder TESTDATA, where the test of this package finds it, so that the test needs neither the
// runner nor the package. `answer` is what the runner starts: it reads questions from its standard input and writes
// answers to its standard output. Read answer.go first.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 4 && args[0] == "record":
		return record(ctx, os.Stdout, args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "answer":
		return serve(ctx, os.Stdin, os.Stdout, args[1], args[2])
	}
	return errors.New("usage: conformance record PACKAGE WORK TESTDATA")
}
