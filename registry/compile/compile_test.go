package compile_test

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
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

var update = flag.Bool("update", false, "rewrite the section want of testdata/compile/*.txtar")

// TestCompile compiles each testdata/compile/*.txtar. Its last section, want, is what a publisher gets to read.
func TestCompile(t *testing.T) {
	names, err := filepath.Glob("testdata/compile/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("testdata: %v, %v", names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sources := compile.Sources{}
			want := &txtar.File{Name: "want"}
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = &archive.Files[i]
					continue
				}
				sources[f.Name] = f.Data
			}
			got := outcome(compile.Compile(t.Context(), sources))
			if *update {
				rewrite(t, name, archive, got)
				return
			}
			if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
		})
	}
}

// outcome is what a compilation gave, as text: the error, or the warnings, files and services.
func outcome(result *compile.Result, err error) string {
	if err != nil {
		return err.Error() + "\n"
	}
	var b strings.Builder
	for _, w := range result.Warnings {
		fmt.Fprintln(&b, w)
	}
	for _, f := range result.Files.Set().GetFile() {
		fmt.Fprintln(&b, "file", f.GetName())
	}
	for _, s := range result.Files.Services() {
		fmt.Fprintln(&b, "service", s.FullName())
	}
	return b.String()
}

func rewrite(t *testing.T, name string, archive *txtar.Archive, got string) {
	t.Helper()
	var files []txtar.File
	for _, f := range archive.Files {
		if f.Name != "want" {
			files = append(files, f)
		}
	}
	archive.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

const libraryProto = `syntax = "proto3";
package acme.library.v1;

import "google/api/annotations.proto";
import "gatehouse/policy/v1/policy.proto";

// Library lends books.
service Library {
  // GetBook finds one book.
  rpc GetBook(GetBookRequest) returns (Book) {
    option (google.api.http) = {get: "/v1/{name=shelves/*/books/*}"};
    option (gatehouse.policy.v1.method) = {access: PUBLIC};
  }
}

message GetBookRequest { string name = 1; }
message Book { string name = 1; }
`

func compileLibrary(t testing.TB) *compile.Files {
	t.Helper()
	result, err := compile.Compile(t.Context(), compile.Sources{"acme/library/v1/library.proto": []byte(libraryProto)})
	if err != nil {
		t.Fatal(err)
	}
	return result.Files
}

func TestCompile_OptionsAreReadableWithGeneratedTypes(t *testing.T) {
	method := compileLibrary(t).Services()[0].Methods().Get(0)
	rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
	if got, want := rule.GetGet(), "/v1/{name=shelves/*/books/*}"; got != want {
		t.Errorf("google.api.http: get %q, want %q", got, want)
	}
	policy, _ := proto.GetExtension(method.Options(), policyv1.E_Method).(*policyv1.MethodPolicy)
	if got, want := policy.GetAccess(), policyv1.Access_PUBLIC; got != want {
		t.Errorf("gatehouse.policy.v1.method: access %v, want %v", got, want)
	}
}

func TestCompile_KeepsComments(t *testing.T) {
	service := compileLibrary(t).Services()[0]
	got := service.ParentFile().SourceLocations().ByDescriptor(service).LeadingComments
	if want := " Library lends books.\n"; got != want {
		t.Errorf("comment %q, want %q", got, want)
	}
}

func TestCompile_RefusesSources(t *testing.T) {
	big := strings.Repeat("//\n", 350_000)
	many := compile.Sources{}
	for i := range 10_001 {
		many[fmt.Sprintf("f%d.proto", i)] = []byte(`syntax = "proto3";`)
	}
	heavy := compile.Sources{}
	for i := range 17 {
		heavy[fmt.Sprintf("f%d.proto", i)] = []byte(big[:1<<20])
	}
	for _, tc := range []struct {
		name    string
		sources compile.Sources
		want    string
	}{
		{"Nothing", nil, "no .proto files"},
		{"TooManyFiles", many, "10001 files are more than the 10000"},
		{"FileTooLarge", compile.Sources{"a.proto": []byte(big)}, "a.proto: this file is larger than 1 MiB"},
		{"TooLargeTogether", heavy, "larger than 16 MiB"},
		{"NotProto", compile.Sources{"a.txt": nil}, `file "a.txt": only files that end in .proto`},
		{"Absolute", compile.Sources{"/a.proto": nil}, `file "/a.proto": a path must be relative`},
		{"Parent", compile.Sources{"../a.proto": nil}, `file "../a.proto": a path must be relative`},
		{"Unclean", compile.Sources{"a//b.proto": nil}, `file "a//b.proto": a path must be relative`},
		{"Backslash", compile.Sources{`a\b.proto`: nil}, "no backslashes"},
		{"Control", compile.Sources{"a\x1b.proto": nil}, "no control characters"},
		{"LongPath", compile.Sources{strings.Repeat("a", 1025) + ".proto": nil}, "too long"},
		{"Nesting", compile.Sources{"a.proto": []byte("\n" + strings.Repeat("message A{", 101))}, "a.proto:2: brackets are nested more than 100 deep"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := compile.Compile(t.Context(), tc.sources)
			if failed := new(compile.Error); !errors.As(err, &failed) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestCompile_BracketsInStringsAndCommentsDoNotNest(t *testing.T) {
	brackets := strings.Repeat("{", 200)
	source := "syntax = \"proto3\"; // " + brackets + "\n/* " + brackets + " */ option java_package = '\\'" + brackets + "';\n"
	if _, err := compile.Compile(t.Context(), compile.Sources{"a.proto": []byte(source)}); err != nil {
		t.Error(err)
	}
}

func TestCompile_RefusesTooMuch(t *testing.T) {
	for _, tc := range []struct{ name, source, want string }{
		{"Statements", strings.Repeat(";\n", 400_000), "400001 statements, more than the 400000"},
		{"LineWork", strings.Repeat(" ", 100_000), "too long to compile"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := compile.Compile(t.Context(), compile.Sources{"a.proto": []byte(`syntax = "proto3";` + tc.source)})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %.200v, want %q", err, tc.want)
			}
		})
	}
}

func TestCompile_ListsErrorsToABound(t *testing.T) {
	source := `syntax = "proto3"; message M {` + strings.Repeat("Missing f = 1;\n", 80) + "}"
	_, err := compile.Compile(t.Context(), compile.Sources{"a.proto": []byte(source)})
	failed := new(compile.Error)
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	if len(failed.Diagnostics) != 50 || failed.More != 29 {
		t.Errorf("%d diagnostics and %d more", len(failed.Diagnostics), failed.More)
	}
}

func TestCompile_StopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compile.Compile(ctx, compile.Sources{"a.proto": []byte(libraryProto)}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func ExampleCompile() {
	_, err := compile.Compile(context.Background(), compile.Sources{
		"acme/v1/order.proto": []byte("syntax = \"proto3\";\npackage acme.v1;\nmessage Order {\n\tMoney price = 1;\n}\n"),
	})
	fmt.Println(err)
	// Output:
	// acme/v1/order.proto:4:9: field acme.v1.Order.price: unknown type Money
	//   	Money price = 1;
	//   	^
}
