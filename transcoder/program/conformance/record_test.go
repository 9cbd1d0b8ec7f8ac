package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutcome: names and verdicts of the runner's log are given to the questions at their places, and a log that does not
// fit is refused.
func TestOutcome(t *testing.T) {
	rec, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	s, err := link(t.Context(), rec.descriptors)
	if err != nil {
		t.Fatal(err)
	}
	first, second := rec.cases[0], rec.cases[1]
	log := func(successes, skipped, failed int, names ...string) string {
		var b strings.Builder
		for _, name := range names {
			fmt.Fprintf(&b, "conformance test: name=%s, request=x, response=y\n", name)
		}
		fmt.Fprintf(&b, "\nCONFORMANCE SUITE FAILED: %d successes, %d skipped, 0 expected failures, %d unexpected failures.\n", successes, skipped, failed)
		return b.String()
	}
	otherKind := strings.NewReplacer(".ProtobufInput.", ".JsonInput.", ".JsonInput.", ".ProtobufInput.")
	for _, c := range []struct{ name, log, refused string }{
		{"Fits", log(1, 0, 1, first.name, second.name), ""},
		{"NameIsMissing", log(1, 0, 1, first.name), "names fewer cases"},
		{"NameIsLeft", log(1, 0, 1, first.name, second.name, first.name), "names more cases"},
		{"NameOfAnotherKind", log(1, 0, 1, otherKind.Replace(first.name), second.name), "is not the name of the question"},
		{"AnotherCount", log(2, 0, 0, first.name, second.name), "the runner counts"},
		{"NoSuite", "conformance test: name=" + first.name + ",\nconformance test: name=" + second.name + ",\n", "finished no suite"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &outcome{
				log: c.log, faults: map[string]string{second.name: "wrong"},
				transcript: [][]byte{first.question, first.answer, second.question, second.answer},
			}
			cases, err := o.cases(s)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v, want %s", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(cases) != 2 || cases[0].name != first.name || cases[0].fault != "" || cases[1].name != second.name || cases[1].fault != "wrong" {
				t.Errorf("cases are %q", cases)
			}
		})
	}
}

func TestReadFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "failing_tests.txt")
	if faults, err := readFaults(path); err != nil || len(faults) != 0 {
		t.Errorf("without a list: %v, %v", faults, err)
	}
	if err := os.WriteFile(path, []byte("A.B # is # wrong\nC.D\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	faults, err := readFaults(path)
	if err != nil || len(faults) != 2 || faults["A.B"] != "the runner says: is # wrong" || faults["C.D"] == "" {
		t.Errorf("read %q, %v", faults, err)
	}
}
