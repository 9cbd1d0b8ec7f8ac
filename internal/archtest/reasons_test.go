package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reason finds the reasons that code gives: the second argument of Errorf, the first of Invalid, and the constants
// named after them.
var reason = regexp.MustCompile(`(?:Errorf\([\w.()]+,\s*|Invalid\(|(?:R|r)eason\w*\s*=\s*)"([A-Z][A-Z_]{2,62})"`)

// TestReasonsAreDocumented holds docs/errors.md to the code, in both directions.
func TestReasonsAreDocumented(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, name := range regexp.MustCompile(`[A-Z]+(_[A-Z]+)+|FRAMING|COMPRESSION|CANCELED|INTERNAL|MISDIRECTED`).FindAllString(cells[1], -1) {
				documented[name] = true
			}
		}
	}
	given := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "e2e" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range reason.FindAllStringSubmatch(string(text), -1) {
			given[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(given) < 20 {
		t.Fatalf("only %d reasons were found: the search is broken", len(given))
	}
	for name := range given {
		if !documented[name] {
			t.Errorf("docs/errors.md says nothing of %s", name)
		}
	}
	for name := range documented {
		if !given[name] && !isCode(name) {
			t.Errorf("docs/errors.md has %s, which no code gives", name)
		}
	}
}

// isCode reports whether a name is a gRPC code, of which the page has a table too.
func isCode(name string) bool {
	return strings.Contains(" OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED FAILED_PRECONDITION ", " "+name+" ")
}
