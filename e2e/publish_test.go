package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestPublish is the life of modules in one store, told in order.
func TestPublish(t *testing.T) {
	p := &publisher{t: t, shop: newShop(t), data: t.TempDir()}
	p.start()
	for _, step := range []struct {
		name string
		test func(*testing.T, *publisher)
	}{
		{"NothingYet", nothingYet},
		{"AnswersWhenPublishReturns", answersAtOnce},
		{"SameContentChangesNothing", sameContent},
		{"CompileErrorLikeACompilers", compileError},
		{"RouteConflictNamesBoth", routeConflict},
		{"BrokenRuleIsRefused", brokenRule},
		{"MessageSetIsRefused", messageSet},
		{"BackendMustBeAllowed", backendNotAllowed},
		{"DryRunChecksOnly", dryRun},
		{"NoBackendIsAWarning", noBackend},
		{"ConfigurationWinsOverPublisher", configurationWins},
		{"RoutesTable", routesTable},
		{"RestartKeepsEverything", restartKeeps},
		{"DeletedIsGone", deleted},
		{"NoGateway", noGateway},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.test(t, p) }) {
			t.FailNow() // the others build on it
		}
	}
}

// publisher is a gateway with a store, and what is published to it.
type publisher struct {
	shop
	t       *testing.T // what the gateway lives as long as
	data    string
	gateway *testkit.Gateway
}

// start starts the gateway, in place of the one that ran.
func (p *publisher) start(args ...string) {
	p.t.Helper()
	if p.gateway != nil {
		p.gateway.Stop(p.t)
	}
	p.gateway = testkit.Serve(p.t, append([]string{"--data", p.data, "--default-access", "PUBLIC"}, args...)...)
}

// run runs a verb against the gateway.
func (p *publisher) run(t *testing.T, args ...string) testkit.Ended {
	t.Helper()
	return testkit.Run(t, append(args, "--admin", p.gateway.Admin)...)
}

// publish publishes sources as a module.
func (p *publisher) publish(t *testing.T, module, path, source string, args ...string) testkit.Ended {
	t.Helper()
	return p.run(t, append([]string{"publish", folderWith(t, path, source), "--module", module}, args...)...)
}

// get fetches a path from the public listener.
func (p *publisher) get(t *testing.T, path string) *testkit.Response {
	t.Helper()
	return fetch(t, "GET", "http://"+p.gateway.Public+path, "")
}

// unchanged runs f, and checks that it left what is published and served as it was.
func (p *publisher) unchanged(t *testing.T, f func()) {
	t.Helper()
	look := func() string {
		text := ""
		for _, path := range []string{"/v1/modules", "/v1/routes"} {
			r := fetch(t, "GET", "http://"+p.gateway.Admin+path, "")
			if r.StatusCode != 200 {
				t.Fatalf("%s: %d %s", path, r.StatusCode, r.Text)
			}
			text += r.Text
		}
		return text
	}
	before := look()
	f()
	if after := look(); after != before {
		t.Errorf("it changed something; before\n%safter\n%s", before, after)
	}
	if r := p.get(t, "/v1/shelves"); r.StatusCode != 200 {
		t.Errorf("what was published before: %d %s", r.StatusCode, r.Text)
	}
}

// folderWith writes a file into a folder of its own and returns the folder.
func folderWith(t *testing.T, path, source string) string {
	t.Helper()
	dir := t.TempDir()
	addFile(t, dir, path, source)
	return dir
}

// refuses checks that a verb failed with what it should say.
func refuses(t *testing.T, r testkit.Ended, parts ...string) {
	t.Helper()
	if r.Code != 1 || r.Stdout != "" {
		t.Errorf("exit status %d, stdout %q; want 1 and nothing", r.Code, r.Stdout)
	}
	says(t, r.Stderr, parts...)
}

func succeeds(t *testing.T, r testkit.Ended, parts ...string) {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("exit status %d\n%s", r.Code, r.Stderr)
	}
	says(t, r.Stdout, parts...)
}

func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

// service is a source with one service of one method.
func service(pkg, verbAndPath, more string) string {
	return fmt.Sprintf(`syntax = "proto3";
package %s;
import "google/api/annotations.proto";
message Note { string id = 1; }
service Pings {
  rpc Ping(Note) returns (Note) { option (google.api.http) = {%s}; }
}
%s`, pkg, verbAndPath, more)
}

func nothingYet(t *testing.T, p *publisher) {
	if r := p.get(t, "/v1/shelves"); r.StatusCode != 404 {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	succeeds(t, p.run(t, "modules"), "MODULE")
}

func answersAtOnce(t *testing.T, p *publisher) {
	r := p.run(t, "publish", p.librarySrc, "--module", "acme/library", "--backend", p.library)
	succeeds(t, r, "published acme/library: revision 1, 1 file, ")
	if r := p.get(t, "/v1/shelves"); r.StatusCode != 200 || !strings.Contains(r.Text, "shelves/history") {
		t.Errorf("REST: %d %s", r.StatusCode, r.Text)
	}
	for name, address := range map[string]string{"public": p.gateway.Public, "internal": p.gateway.GRPC} {
		reply, err := libraryv1.NewLibraryClient(dialed(t, address)).ListShelves(t.Context(), &libraryv1.ListShelvesRequest{})
		if err != nil || len(reply.GetShelves()) != 2 {
			t.Errorf("gRPC, %s: %v, %v", name, reply, err)
		}
	}
}

func sameContent(t *testing.T, p *publisher) {
	p.unchanged(t, func() {
		r := p.run(t, "publish", p.librarySrc, "--module", "acme/library", "--backend", p.library)
		succeeds(t, r, "unchanged acme/library: revision 1 has it already")
	})
}

func compileError(t *testing.T, p *publisher) {
	dir := folderWith(t, "acme/bad.proto", "syntax = \"proto3\";\npackage acme.bad;\nmessage M {\n\tstring a = 1;\n  Missing b = 2;\n}\n")
	p.unchanged(t, func() {
		r := p.run(t, "publish", dir, "--module", "acme/bad")
		refuses(t, r, filepath.Join(dir, "acme/bad.proto")+":5:3: ", "Missing")
		if m := regexp.MustCompile(`\n( *)Missing b = 2;\n( *)\^\n`).FindStringSubmatch(r.Stderr); m == nil || m[1] != m[2] {
			t.Errorf("the line, and a caret below what is wrong, are not in\n%s", r.Stderr)
		}
	})
}

func routeConflict(t *testing.T, p *publisher) {
	p.unchanged(t, func() {
		r := p.publish(t, "acme/rival", "rival.proto", service("rival.v1", `get: "/v1/shelves"`, ""), "--backend", p.library)
		refuses(t, r, "acme.library.v1.Library.ListShelves", "rival.v1.Pings.Ping", "GET /v1/shelves", "rival.proto:6:")
	})
}

func brokenRule(t *testing.T, p *publisher) {
	source := service("rules.v1", `get: "/v1/rules"`, `import "buf/validate/validate.proto"; message Bad { string a = 1 [(buf.validate.field).cel = {id: "a.b", expression: "this.size() +"}]; }`)
	p.unchanged(t, func() {
		refuses(t, p.publish(t, "acme/rules", "rules.proto", source), "rules.proto:8:", "a.b")
	})
}

func messageSet(t *testing.T, p *publisher) {
	source := "syntax = \"proto2\";\npackage old;\nmessage Old {\n  option message_set_wire_format = true;\n  extensions 4 to max;\n}\n"
	p.unchanged(t, func() {
		refuses(t, p.publish(t, "acme/old", "old.proto", source), "old.proto:", "old.Old")
	})
}

func backendNotAllowed(t *testing.T, p *publisher) {
	p.unchanged(t, func() {
		for target, why := range map[string]string{
			"10.1.2.3:80": "allowed_backends", "metadata.internal:80": "allowed_backends", "127.1:80": "not an IPv4 address in full",
		} {
			r := p.publish(t, "acme/far", "far.proto", service("far.v1", `get: "/v1/far"`, ""), "--backend", target)
			refuses(t, r, "acme/far", target, why)
		}
	})
}

func dryRun(t *testing.T, p *publisher) {
	p.unchanged(t, func() {
		r := p.publish(t, "acme/dry", "dry.proto", service("dry.v1", `get: "/v1/dry"`, ""), "--backend", p.library, "--dry-run")
		succeeds(t, r, "checked acme/dry: 1 file", "nothing was published")
		if r := p.get(t, "/v1/dry"); r.StatusCode != 404 {
			t.Errorf("%d %s", r.StatusCode, r.Text)
		}
		refuses(t, p.publish(t, "acme/dry", "dry.proto", service("dry.v1", `get: "/v1/{nothing}"`, ""), "--dry-run"), "nothing")
	})
}

func noBackend(t *testing.T, p *publisher) {
	r := p.publish(t, "acme/lone", "lone.proto", service("lone.v1", `get: "/v1/lone/{id}"`, ""))
	succeeds(t, r, "published acme/lone: revision 2, 1 file, 1 warning")
	says(t, r.Stderr, "warning", "lone.v1.Pings")
	failed := p.get(t, "/v1/lone/1")
	f := failureOf(t, failed)
	if failed.StatusCode != 503 || f.Status != "UNAVAILABLE" || f.reason() != "BACKEND_MISSING" {
		t.Errorf("%d %s", failed.StatusCode, failed.Text)
	}
	says(t, f.Message, "publish --backend", "serve --backend", "backends")
	_, err := libraryv1.NewLibraryClient(dialed(t, p.gateway.GRPC)).ListShelves(t.Context(), &libraryv1.ListShelvesRequest{})
	if err != nil {
		t.Errorf("the other module: %v", err)
	}
}

// configurationWins shows that serve --backend goes before what the publisher named. The orders backend does not know
// the library's methods.
func configurationWins(t *testing.T, p *publisher) {
	p.start("--backend", "acme.library.v1.*="+p.orders)
	_, err := libraryv1.NewLibraryClient(dialed(t, p.gateway.Public)).ListShelves(t.Context(), &libraryv1.ListShelvesRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("the published backend answers: %v", err)
	}
	p.start()
	if r := p.get(t, "/v1/shelves"); r.StatusCode != 200 {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
}

func routesTable(t *testing.T, p *publisher) {
	table := p.run(t, "routes")
	succeeds(t, table)
	for _, want := range []string{
		`(?m)^VERB +PATH +METHOD +ACCESS +BODY +STREAMING`,
		`(?m)^GET +/v1/shelves +acme.library.v1.Library.ListShelves +PUBLIC +- +unary +` + p.library,
		`(?m)^GET +/v1/lone/\{id\} +lone.v1.Pings.Ping +PUBLIC +- +unary +- `,
		`(?m)^DELETE +/v1/\{name=shelves/\*/books/\*\} +acme.library.v1.Library.DeleteBook +AUTHENTICATED .*library.admin$`,
	} {
		if !regexp.MustCompile(want).MatchString(table.Stdout) {
			t.Errorf("no line like %s in\n%s", want, table.Stdout)
		}
	}
	internal := p.run(t, "routes", "--listener", "internal")
	succeeds(t, internal, "/acme.library.v1.Library/ReindexBooks")
	if strings.Contains(table.Stdout, "ReindexBooks") {
		t.Errorf("the public table has an internal method:\n%s", table.Stdout)
	}
}

func restartKeeps(t *testing.T, p *publisher) {
	p.unchanged(t, func() { p.start() })
	r := p.run(t, "publish", p.librarySrc, "--module", "acme/library", "--backend", p.library)
	succeeds(t, r, "unchanged acme/library: revision 2 has it already")
}

func deleted(t *testing.T, p *publisher) {
	succeeds(t, p.run(t, "modules", "delete", "acme/lone"), "deleted acme/lone: revision 3")
	if r := p.get(t, "/v1/lone/1"); r.StatusCode != 404 {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	p.unchanged(t, func() {
		refuses(t, p.run(t, "modules", "delete", "acme/lone"), "acme/lone", "gatehouse modules")
	})
}

func noGateway(t *testing.T, p *publisher) {
	p.gateway.Stop(t)
	r := p.run(t, "publish", p.librarySrc, "--module", "acme/library")
	refuses(t, r, "no gateway answers at "+p.gateway.Admin, "gatehouse serve")
	if n := strings.Count(r.Stderr, "\n"); n != 1 {
		t.Errorf("%d lines, want 1:\n%s", n, r.Stderr)
	}
}
