// Package archtest holds the architecture's arrows as a test: who may import whom.
package archtest

import (
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/gatehouse-gateway/gatehouse"

// A rule says what the packages below a folder may import from this module. The first rule that matches a package
// counts. Everything a package imports beyond its own folder must stand in the rule; "=" before a path means exactly
// that package and not what lies below it.
var rules = []struct {
	folder string
	may    []string
	why    string
}{
	{"rpc", nil, "the words know nobody"},
	{"internal/gen", []string{"internal/gen"}, "generated schemas know only each other"},
	{"proto", nil, "generated, and public: users' generated code imports it"},
	{"internal/reach", nil, "asks descriptors only; programs and checks share what it finds out about types"},
	{"internal/archtest", []string{"internal/gen"}, "reads imports and schemas"},
	{"internal/testkit", []string{"rpc", "internal/gen", "registry/compile"}, "test parts compile test schemas as the product does"},

	{"transcoder/route", nil, "a pure data structure"},
	{"transcoder/program", []string{"rpc", "internal/gen", "internal/reach"}, "translation needs the error type only"},
	{"transcoder/front/compress", nil, "content codings, a leaf that fronts share"},
	{"transcoder/front/cors", nil, "origins, a leaf that configuration and fronts share"},
	{"transcoder/front/framed", []string{"rpc", "=transcoder/front", "transcoder/front/compress", "transcoder/program"}, "messages with lengths, which the fronts of the gRPC family share"},
	{"transcoder/front/fronttest", []string{"rpc", "transcoder/front", "transcoder/program", "transcoder/route", "internal/gen"}, "the contract of every front"},
	{"transcoder/front/grpc", []string{"rpc", "=transcoder/front", "transcoder/front/framed", "transcoder/front/compress", "transcoder/program", "transcoder/route", "internal/gen"}, "a front knows the contract, never another front"},
	{"transcoder/front/grpcweb", []string{"rpc", "=transcoder/front", "transcoder/front/framed", "transcoder/front/compress", "transcoder/program", "transcoder/route", "internal/gen"}, "a front knows the contract, never another front"},
	{"transcoder/front/connect", []string{"rpc", "=transcoder/front", "transcoder/front/framed", "transcoder/front/compress", "transcoder/program", "transcoder/route", "internal/gen"}, "a front knows the contract, never another front"},
	{"transcoder/front/websocket", []string{"rpc", "=transcoder/front", "transcoder/front/cors", "transcoder/program", "transcoder/route", "internal/gen"}, "a front knows the contract, never another front"},
	{"transcoder/front/rest", []string{"rpc", "=transcoder/front", "transcoder/front/compress", "transcoder/front/cors", "transcoder/program", "transcoder/route", "internal/gen"}, "a front knows the contract, never another front"},
	{"transcoder/front", []string{"rpc", "transcoder/program", "transcoder/route"}, "route and program are the leaves that fronts share"},
	{"transcoder", []string{"rpc", "transcoder"}, "the table of fronts"},

	{"interceptors/recovery", []string{"rpc", "internal/gen"}, "a leaf"},
	{"interceptors/telemetry", []string{"rpc", "internal/gen"}, "a leaf"},
	{"interceptors/accesslog", []string{"rpc", "internal/gen"}, "a leaf"},
	{"interceptors/deadline", []string{"rpc", "internal/gen"}, "a leaf"},
	{"interceptors/authn", []string{"rpc", "internal/gen"}, "a leaf"},
	{"interceptors/quota", []string{"rpc", "internal/gen"}, "a leaf"},
	{"interceptors/authz", []string{"rpc", "internal/gen", "internal/reach"}, "a leaf"},
	{"interceptors/validate", []string{"rpc", "internal/gen", "internal/reach"}, "a leaf"},
	{"interceptors", []string{"rpc", "internal/gen", "interceptors"}, "the list of checks"},

	{"registry/compile", []string{"rpc", "internal/gen", "registry/compile"}, "sources to files"},
	{"registry/check", []string{"rpc", "internal/gen", "=registry/compile"}, "checks read compiled files"},
	{"registry/store", []string{"rpc", "internal/gen", "=registry", "registry/store/storetest", "=registry/compile"}, "a store keeps revisions"},
	{"registry/service", []string{"rpc", "internal/gen", "registry"}, "the registry's gRPC face"},
	{"registry", []string{"rpc", "internal/gen", "registry"}, "the life cycle"},

	{"gateway/openapi", []string{"rpc", "internal/gen", "=transcoder/front", "transcoder/program", "transcoder/route"}, "describes what routes and policies are, and joins nothing"},
	{"gateway/backend/transport", nil, "HTTP/2 and gRPC: it knows bytes, not our calls"},
	{"gateway/backend", []string{"rpc", "internal/gen"}, "connections know calls and frames only"},
	{"gateway/config", []string{"rpc", "internal/gen", "gateway/backend", "registry/compile", "transcoder/front/cors"}, "configuration parses targets and origins"},
	{"gateway", []string{"rpc", "internal/gen", "gateway", "transcoder", "interceptors", "registry"}, "joins everything"},

	{"cmd", []string{"rpc", "internal/gen", "gateway", "registry", "cmd", "internal/demo"}, "verbs start the gateway or talk to one"},
	{"internal/demo", []string{"internal/gen", "internal/demo"}, "the demo's backends are ordinary gRPC servers"},
}

func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-e", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{range .TestImports}} test:{{.}}{{end}}{{range .XTestImports}} test:{{.}}{{end}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(strings.TrimPrefix(fields[0], module), "/")
		rule := ruleOf(pkg)
		if rule < 0 {
			t.Errorf("package %s has no rule: add one line to archtest with the reason for its place", pkg)
			continue
		}
		seen++
		for _, imported := range fields[1:] {
			inTest := strings.HasPrefix(imported, "test:")
			imported = strings.TrimPrefix(imported, "test:")
			if !strings.HasPrefix(imported, module+"/") {
				continue
			}
			imported = strings.TrimPrefix(imported, module+"/")
			if inTest && (strings.HasPrefix(imported, "internal/") || strings.HasSuffix(imported, "test")) {
				continue // tests of every room use the test kit, generated code, and contracts such as fronttest
			}
			if !allowed(rule, imported) {
				t.Errorf("%s imports %s: %s (%s)", pkg, imported, rules[rule].folder, rules[rule].why)
			}
		}
	}
	if seen < 5 {
		t.Fatalf("only %d packages were looked at: the list is broken", seen)
	}
}

func TestArrowsRefuse(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		want          bool
	}{
		{"rpc", "internal/gen/gatehouse/policy/v1", false},
		{"transcoder/front/rest", "transcoder/front/grpc", false},
		{"transcoder/front/rest", "transcoder/front", true},
		{"interceptors/authn", "interceptors/quota", false},
		{"interceptors", "interceptors/quota", true},
		{"registry", "gateway", false},
		{"gateway", "registry/check", true},
	} {
		if got := allowed(ruleOf(c.pkg), c.imported); got != c.want {
			t.Errorf("%s may import %s: %v, want %v", c.pkg, c.imported, got, c.want)
		}
	}
}

func ruleOf(pkg string) int {
	for i, r := range rules {
		if pkg == r.folder || strings.HasPrefix(pkg, r.folder+"/") {
			return i
		}
	}
	return -1
}

func allowed(rule int, imported string) bool {
	for _, may := range append([]string{rules[rule].folder}, rules[rule].may...) {
		exact, only := strings.CutPrefix(may, "=")
		if exact == "internal/gen" && strings.HasPrefix(imported, "proto/") {
			return true // generated too, but public, because users' generated code imports it
		}
		if imported == exact || !only && strings.HasPrefix(imported, may+"/") {
			return true
		}
	}
	return false
}
