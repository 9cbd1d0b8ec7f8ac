package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestRecording_KeepsWhatWasSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cases.gz")
	saved := &recording{descriptors: []byte("d"), cases: []kase{
		{name: "A", question: []byte{}, answer: []byte("\x00"), fault: ""},
		{name: "B", question: []byte("q"), answer: []byte("a"), fault: "wrong"},
	}}
	if err := saved.save(path); err != nil {
		t.Fatal(err)
	}
	loaded, err := load(path)
	if err != nil || !reflect.DeepEqual(loaded, saved) {
		t.Errorf("loaded %+v, %v, want %+v", loaded, err, saved)
	}
}

func TestUnexpected(t *testing.T) {
	rec := &recording{cases: []kase{{name: "Passes"}, {name: "Fails", fault: "is wrong"}}}
	for _, c := range []struct{ name, exceptions, want string }{
		{"ListedFaultIsExpected", "# why\n\n45  Fails\n", ""},
		{"UnlistedFault", "", "Fails: is wrong"},
		{"ListedCasePasses", "45 Fails\n46 Passes", "Passes passes, yet exceptions.txt has it under 46"},
		{"ListedCaseIsGone", "45 Fails\n46 Old", "Old is no case about JSON, yet exceptions.txt has it under 46"},
		{"NoNumber", "Fails", `"Fails" is not a number`},
		{"Twice", "45 Fails\n46 Fails", `"46 Fails" is not a number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			exceptions, err := readExceptions(c.exceptions)
			if err == nil {
				err = rec.unexpected(exceptions)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
