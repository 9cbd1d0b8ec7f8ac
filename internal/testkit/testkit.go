// Package testkit is what the tests of several rooms share: test schemas, a gRPC backend that answers by script, the
// real binary as a process, and HTTP requests sent byte by byte.
//
// Everything takes the test it works for, fails it when something goes wrong, and cleans up when it ends.
package testkit

import (
	"context"
	"embed"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

//go:embed testdata
var testdata embed.FS

// Schema compiles the test schema testdata/<name>.
func Schema(t testing.TB, name string) *compile.Files {
	t.Helper()
	sources := compile.Sources{}
	dir := "testdata/" + name
	entries, err := testdata.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".proto") {
			if sources[e.Name()], err = testdata.ReadFile(dir + "/" + e.Name()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return Compile(t, sources)
}

// Compile compiles .proto sources by path.
func Compile(t testing.TB, sources compile.Sources) *compile.Files {
	t.Helper()
	result, err := compile.Compile(context.Background(), sources)
	if err != nil {
		t.Fatal(err)
	}
	return result.Files
}

// Descriptors writes a schema to a file for serve --descriptors and returns the file's name.
func Descriptors(t testing.TB, files *compile.Files) string {
	t.Helper()
	data, err := files.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return File(t, "descriptors.binpb", data)
}

// File writes a file into a folder of its own and returns its path.
func File(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Race reports whether the race detector is on, which makes everything several times slower.
func Race() bool { return raceEnabled }
