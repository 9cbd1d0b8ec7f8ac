package compile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

func TestReadDir(t *testing.T) {
	outside := tree(t, "secret.proto", "syntax = \"proto3\";")
	dir := tree(t,
		"a.proto", "a", "deep/er/b.proto", "b", "real/c.proto", "c", "README.md", "no",
		".git/d.proto", "no", ".hidden.proto", "no", "node_modules/x/e.proto", "no", "deep/node_modules/f.proto", "no")
	for link, target := range map[string]string{
		"inside.proto":  "a.proto",
		"outside.proto": filepath.Join(outside, "secret.proto"),
		"nowhere.proto": "missing.proto",
		"folder":        "real",
		"out":           outside,
		"loop.proto":    "loop.proto",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	var notes []string
	sources, err := compile.ReadDir(dir, func(note string) { notes = append(notes, strings.TrimPrefix(note, dir+"/")) })
	if err != nil {
		t.Fatal(err)
	}
	if got := sources.Paths(); !slices.Equal(got, []string{"a.proto", "deep/er/b.proto", "inside.proto", "real/c.proto"}) {
		t.Errorf("got %q", got)
	}
	if string(sources["inside.proto"]) != "a" {
		t.Errorf("the link has %q", sources["inside.proto"])
	}
	want := []string{
		"folder is a link to a folder; what is there is left out",
		"loop.proto is a link that leads out of the folder or nowhere; it is left out",
		"nowhere.proto is a link that leads out of the folder or nowhere; it is left out",
		"out is a link that leads out of the folder or nowhere; it is left out",
		"outside.proto is a link that leads out of the folder or nowhere; it is left out",
	}
	if !slices.Equal(notes, want) {
		t.Errorf("notes: %q", notes)
	}
}

func TestReadDirRefuses(t *testing.T) {
	huge := tree(t, "a.proto", "x")
	if err := os.Truncate(filepath.Join(huge, "a.proto"), 16<<20+1); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(huge, "a.proto")
	for name, test := range map[string]struct{ dir, want string }{
		"NoSuchFolder": {filepath.Join(huge, "none"), "no such file"},
		"NotAFolder":   {file, "not a directory"},
		"Empty":        {t.TempDir(), "there are no .proto files in it"},
		"TooLarge":     {huge, "16 MiB, the most that can be compiled"},
		"NotUTF8":      {tree(t, "x/a.proto", "// \xff"), "x/a.proto is not UTF-8"},
	} {
		if _, err := compile.ReadDir(test.dir, func(string) {}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tree writes files, given as pairs of path and text, into a new folder.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
