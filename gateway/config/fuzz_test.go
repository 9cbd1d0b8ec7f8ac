package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"buf.build/go/protoyaml"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"
)

// FuzzLoad reads any text as a file: nothing panics, what is wrong has a place inside of the file, and what was taken
// is taken again as it was, and means the same, when it is written out with its defaults.
func FuzzLoad(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, seed := range archive.Files {
			f.Add(seed.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := newLoader()
		l.problems = decode("f", data, l.cfg, l.places)
		last := strings.Count(string(data), "\n") + 1
		for _, p := range l.problems {
			if p.at.source != "f" || p.at.line < 1 || p.at.line > last || p.at.column < 1 {
				t.Errorf("%s: %s", p.at, p.message)
			}
		}
		cfg, err := l.finish()
		var wrong *Error
		if err != nil {
			if !errors.As(err, &wrong) || len(wrong.Problems) == 0 || strings.Count(err.Error(), "\n")+1 != len(wrong.Problems) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		text, err := protoyaml.MarshalOptions{UseProtoNames: true}.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		again := newLoader()
		again.problems = decode("again", text, again.cfg, again.places)
		if cfg2, err := again.finish(); err != nil || !proto.Equal(cfg, cfg2) {
			t.Fatalf("%v\nof\n%s", err, text)
		}
	})
}
