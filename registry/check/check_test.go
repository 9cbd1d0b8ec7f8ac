package check_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/gatehouse-gateway/gatehouse/registry/check"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

var update = flag.Bool("update", false, "rewrite the section want of testdata/*.txtar")

// TestCheck checks each testdata/*.txtar. Its last section, want, is the remarks.
func TestCheck(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("testdata: %v, %v", names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sources, want := compile.Sources{}, ""
			var kept []txtar.File
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
					continue
				}
				sources[f.Name] = f.Data
				kept = append(kept, f)
			}
			got := remarks(t, sources)
			if *update {
				archive.Files = append(kept, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// remarks compiles and checks sources, and returns the remarks as text.
func remarks(t testing.TB, sources compile.Sources) string {
	t.Helper()
	found, err := check.Check(t.Context(), compiled(t, sources))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, d := range found {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

func compiled(t testing.TB, sources compile.Sources) *compile.Files {
	t.Helper()
	result, err := compile.Compile(t.Context(), sources)
	if err != nil {
		t.Fatal(err)
	}
	return result.Files
}

func TestCheck_RefusesLargeOptions(t *testing.T) {
	source := `syntax = "proto3"; package acme; import "buf/validate/validate.proto";
message M { string s = 1 [(buf.validate.field).cel = {id: "large" expression: "%s"}]; }`
	for _, tc := range []struct {
		bytes int
		want  string
	}{
		{60 << 10, ""},
		{64 << 10, "a.proto:2:13: the options of acme.M.s take 64 KiB, more than the 64 KiB"},
	} {
		rule := "true" + strings.Repeat(" ", tc.bytes-4)
		got := remarks(t, compile.Sources{"a.proto": fmt.Appendf(nil, source, rule)})
		if got != tc.want && (tc.want == "" || !strings.HasPrefix(got, tc.want)) {
			t.Errorf("%d bytes: %q, want %q", tc.bytes, got, tc.want)
		}
	}
}

func TestCheck_RefusesTooMuchWorkTogether(t *testing.T) {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\npackage acme;\nimport \"buf/validate/validate.proto\";\nmessage M {\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  repeated int32 f%d = %d [(buf.validate.field).cel = {id: \"slow\" expression: "+
			"\"this.all(a, this.all(b, this.all(c, this.all(d, this.all(e, this.all(f, this.all(g, a < b)))))))\"}];\n", i, i+1)
	}
	b.WriteString("}\n")
	if got := remarks(t, compile.Sources{"a.proto": []byte(b.String())}); !strings.Contains(got, "together") {
		t.Errorf("remarks %.300q", got)
	}
}

func TestCheck_DeepAndRecursiveTypesEnd(t *testing.T) {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\npackage acme;\nimport \"buf/validate/validate.proto\";\nmessage M {\n")
	b.WriteString("  option (buf.validate.message).cel = {id: \"m\" expression: \"this.f0.f1.size() >= 0\"};\n")
	for i := range 100 {
		fmt.Fprintf(&b, "  repeated M f%d = %d;\n", i+1, i+2)
	}
	b.WriteString("  M f0 = 1;\n}\n")
	if got := remarks(t, compile.Sources{"a.proto": []byte(b.String())}); got != "" {
		t.Errorf("remarks %q", got)
	}
}

func TestCheck_StopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	files := compiled(t, compile.Sources{"a.proto": []byte("syntax = \"proto3\"; message M {}")})
	if _, err := check.Check(ctx, files); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func ExampleCheck() {
	result, err := compile.Compile(context.Background(), compile.Sources{"acme/v1/order.proto": []byte(`syntax = "proto3";
package acme.v1;
import "buf/validate/validate.proto";
message Order {
  int32 count = 1 [(buf.validate.field).string.min_len = 1];
}`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := check.Check(context.Background(), result.Files)
	fmt.Println(found, err)
	// Output: [acme/v1/order.proto:5:3: a validation rule of acme.v1.Order.count does not compile: expected rule "buf.validate.FieldRules.int32", got "buf.validate.FieldRules.string" on field "acme.v1.Order.count"] <nil>
}
