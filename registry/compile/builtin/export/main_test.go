package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/registry/compile/builtin"
)

func TestExport_ReplacesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "include")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "stale.proto")
	if err := os.WriteFile(stale, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := export(dir, builtin.Annotations()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("what the folder held before is still there: %v", err)
	}
	for _, file := range builtin.Annotations() {
		text, err := os.ReadFile(filepath.Join(dir, file.Path()))
		if err != nil || !strings.Contains(string(text), "package "+string(file.Package())+";") {
			t.Errorf("%s: %v", file.Path(), err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left beside the folder: %v, %v", left, err)
	}
}
