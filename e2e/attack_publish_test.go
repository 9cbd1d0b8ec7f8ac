package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// registered is a gateway with a registry in which somebody has published already.
func registered(t *testing.T) *testkit.Gateway {
	t.Helper()
	g := testkit.Serve(t, "--data", t.TempDir(), "--default-access", "PUBLIC")
	if err := publishFiles(t, g, "acme/first", map[string]string{"first.proto": `syntax = "proto3";
package first;
import "google/api/annotations.proto";
message Mine {}
service First {
  rpc Get(Mine) returns (Mine) { option (google.api.http) = {get: "/first"}; }
}`}); err != nil {
		t.Fatal(err)
	}
	return g
}

// publishFiles publishes by the registry's API, as no tool would.
func publishFiles(t *testing.T, g *testkit.Gateway, module string, files map[string]string) error {
	t.Helper()
	request := &registryv1.PublishModuleRequest{Module: module}
	for path, text := range files {
		request.Files = append(request.Files, &registryv1.File{Path: path, Content: text})
	}
	_, err := registryv1.NewRegistryClient(dialed(t, g.Admin)).PublishModule(t.Context(), request)
	return err
}

// unpublishable checks that hostile modules are refused in time, and that what is served is what it was.
func unpublishable(t *testing.T, g *testkit.Gateway, modules map[string]map[string]string) {
	t.Helper()
	look := func() string {
		return testkit.Run(t, "routes", "-o", "json", "--admin", g.Admin).Stdout + testkit.Run(t, "modules", "-o", "json", "--admin", g.Admin).Stdout
	}
	before := look()
	for name, files := range modules {
		started := time.Now()
		err := publishFiles(t, g, "evil/module", files)
		if code := status.Code(err); code == codes.OK || code == codes.Internal || code == codes.Unavailable || code == codes.Unknown {
			t.Errorf("%s: %.300v", name, err)
		}
		if took := time.Since(started); tooLong(took) {
			t.Errorf("%s took %v", name, took)
		}
		if r := fetch(t, "GET", "http://"+g.Public+"/first", ""); r.StatusCode != 503 { // it has no backend
			t.Errorf("%s: what was published answers %d %s", name, r.StatusCode, r.Text)
		}
	}
	if after := look(); after != before {
		t.Errorf("what is served was\n%s\nand is\n%s", before, after)
	}
}

// ruled is a module with one rule.
func ruled(expression string) map[string]string {
	return map[string]string{"ruled.proto": fmt.Sprintf(`syntax = "proto3";
package ruled;
import "buf/validate/validate.proto";
message Ruled {
  option (buf.validate.message).cel = {id: "a", message: "never", expression: %q};
  repeated int32 numbers = 1;
  string text = 2;
}
service Rules { rpc Rule(Ruled) returns (Ruled); }`, expression)}
}

// 36: what a rule may cost is known before it serves, and patterns take the time that the text's length takes.
func costlyRules(t *testing.T, s *siege) {
	g := registered(t)
	hundred := "[" + strings.TrimSuffix(strings.Repeat("1,", 100), ",") + "]"
	loops := "true"
	for i := range 5 {
		loops = fmt.Sprintf("%s.all(x%d, %s)", hundred, i, loops)
	}
	fields := "true"
	for i := range 14 {
		fields = fmt.Sprintf("this.numbers.all(x%d, %s)", i, fields)
	}
	unpublishable(t, g, map[string]map[string]string{
		"loops over constants":             ruled(loops),
		"loops over a field":               ruled(fields),
		"exists within all":                ruled(strings.ReplaceAll(loops, ".all(", ".exists(")),
		"map and filter":                   ruled(strings.ReplaceAll(strings.ReplaceAll(loops, ".all(", ".map("), "true)", "1)") + ".size() > 0"),
		"expression of 1 MB":               ruled("this.text != '" + strings.Repeat("x", 1<<20) + "'"),
		"deep expression":                  ruled(strings.Repeat("(", 5000) + "true" + strings.Repeat(")", 5000)),
		"pattern of another kind":          ruled(`this.text.matches('(?=a)b')`),
		"pattern that repeats repetitions": ruled(`this.text.matches('((a{1,1000}){1,1000}){1,1000}')`),
	})
	if err := publishFiles(t, g, "acme/ruled", ruled(`this.numbers.all(x, x > 0) && this.text.matches('^(a|aa)*$')`)); err != nil {
		t.Errorf("an ordinary rule: %v", err)
	}
	text := strings.Repeat("a", 1<<20)
	for pattern, want := range map[string]int{text: 200, text + "!": 400} { // ^((a+)+)?$ takes another kind of engine for ever
		started := time.Now()
		r := fetch(t, "POST", "http://"+s.gateway.Public+"/judged", `{"pattern":"`+pattern+`"}`)
		if took := time.Since(started); r.StatusCode != want || tooLong(took) {
			t.Errorf("1 MB for a pattern: %d %.200s after %v", r.StatusCode, r.Text, took)
		}
	}
	s.backend.Take()
}

// 37: a schema that is made to harm is refused, and nothing of it is served.
func hostileSchemas(t *testing.T, _ *siege) {
	g := registered(t)
	file := func(text string) map[string]string {
		return map[string]string{"evil.proto": "syntax = \"proto3\";\n" + text}
	}
	many := func(n int, line string) string { return strings.Repeat(line, n) }
	var messages, nested strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&messages, "message M%d{}\n", i)
	}
	for i := range 5000 {
		fmt.Fprintf(&nested, "message N%d {", i)
	}
	unpublishable(t, g, map[string]map[string]string{
		"200 000 messages":     file("package evil;\n" + messages.String()),
		"messages in messages": file("package evil;\n" + nested.String() + many(5000, "}")),
		"imports in a circle": {
			"a.proto": "syntax = \"proto3\";\nimport \"b.proto\";\n", "b.proto": "syntax = \"proto3\";\nimport \"a.proto\";\n",
		},
		"import of itself":      {"a.proto": "syntax = \"proto3\";\nimport \"a.proto\";\n"},
		"import of the machine": file(`import "/etc/passwd";`),
		"path upwards":          {"../evil.proto": "syntax = \"proto3\";\n"},
		"path of the machine":   {"/etc/evil.proto": "syntax = \"proto3\";\n"},
		"path with a line":      {"a\nb.proto": "syntax = \"proto3\";\n"},
		"option of 1 MB":        file("package evil;\nimport \"google/api/annotations.proto\";\nmessage M {}\nservice S { rpc A(M) returns (M) { option (google.api.http) = {get: \"/" + many(1<<20, "x") + "\"}; } }"),
		"routes that conflict":  file("package evil;\nimport \"google/api/annotations.proto\";\nmessage M { string a = 1; string b = 2; }\nservice S {\n  rpc A(M) returns (M) { option (google.api.http) = {get: \"/evil/{a}\"}; }\n  rpc B(M) returns (M) { option (google.api.http) = {get: \"/evil/{b}\"}; }\n}"),
		"route of another":      file("package evil;\nimport \"google/api/annotations.proto\";\nmessage M {}\nservice S { rpc A(M) returns (M) { option (google.api.http) = {get: \"/first\"}; } }"),
		"symbol of another":     file("package first;\nmessage Mine {}"),
		"service of another":    file("package first;\nmessage M {}\nservice First { rpc Get(M) returns (M); }"),
		"file of another":       {"first.proto": "syntax = \"proto3\";\npackage evil;\n"},
		"symbol of google":      file("package google.protobuf;\nmessage Timestamp {}"),
		"no end":                file("package evil;\nmessage M {"),
		"message set":           {"evil.proto": "syntax = \"proto2\";\npackage evil;\nmessage M { option message_set_wire_format = true; extensions 4 to max; }"},
		"wildcards everywhere":  file("package evil;\nimport \"google/api/annotations.proto\";\nmessage M { string a = 1; }\nservice S { rpc A(M) returns (M) { option (google.api.http) = {get: \"/" + many(5000, "*/") + "{a}\"}; } }"),
	})
	// A copy of a built-in file is left out, and the true one used.
	if err := publishFiles(t, g, "acme/copy", map[string]string{
		"google/api/http.proto": "syntax = \"proto3\";\npackage google.api;\nmessage Http {}\n",
		"copy.proto":            "syntax = \"proto3\";\npackage copy;\nimport \"google/api/annotations.proto\";\nmessage M {}\nservice S { rpc A(M) returns (M) { option (google.api.http) = {get: \"/copy\"}; } }",
	}); err != nil {
		t.Errorf("a module with a copy of google/api/http.proto: %v", err)
	}
	if err := publishFiles(t, g, "acme/second", file("package second;\nimport \"first.proto\";\nmessage M { first.Mine mine = 1; }")); err != nil {
		t.Errorf("an ordinary module: %v", err)
	}
	for path, want := range map[string]int{"/copy": 503, "/evil": 404, "/first": 503} {
		if r := fetch(t, "GET", "http://"+g.Public+path, ""); r.StatusCode != want {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Text)
		}
	}
}
