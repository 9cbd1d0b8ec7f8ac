// Package config reads the gateway's configuration: a YAML file, environment variables and flags become one
// configv1.Config that is complete, checked, and safe to start from. What is wrong is reported all at once, each thing
// with its place: file, line and column, the flag, or the variable. Read settings.go first: it is the table of what can
// be set from where; check.go says what a file must fulfil beyond the rules in proto/gatehouse/config/v1.
package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// fileBytesMax is the largest file that is read. The 10000 API keys that a file may hold take a tenth of it.
const fileBytesMax = 16 << 20

// Load reads a configuration file, fills in the defaults and checks the result. Flags and the environment play no part.
// An error is an *Error. Relative paths in the file start at the working directory.
func Load(file string) (*configv1.Config, error) {
	l := newLoader()
	l.file(file)
	return l.finish()
}

// loader collects a configuration layer by layer, the weakest first, and remembers where each setting came from.
type loader struct {
	cfg      *configv1.Config
	places   map[string]place // by path, as protovalidate writes paths: backends[0].target
	problems []problem
	reported map[string]bool // paths with a problem
}

func newLoader() *loader {
	return &loader{cfg: &configv1.Config{}, places: map[string]place{}, reported: map[string]bool{}}
}

func (l *loader) file(name string) {
	data, err := readFile(name)
	if err != nil {
		l.report(place{source: name}, "", "cannot be read: %v", err)
		return
	}
	l.problems = append(l.problems, decode(name, data, l.cfg, l.places)...)
}

// readFile reads a file or a pipe.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err == nil && len(data) > fileBytesMax {
		err = errors.New("larger than 16 MiB")
	}
	return data, bare(err)
}

// bare takes the operation and the path off an error that will be reported beside the path.
func bare(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// finish completes and checks what the layers gave. A configuration that could not be read as a whole is not judged:
// a misspelled key would be reported a second time, as missing.
func (l *loader) finish() (*configv1.Config, error) {
	if len(l.problems) == 0 {
		l.cfg = WithDefaults(l.cfg)
		l.validate()
		l.check()
	}
	if len(l.problems) > 0 {
		return nil, newError(l.problems)
	}
	return l.cfg, nil
}
