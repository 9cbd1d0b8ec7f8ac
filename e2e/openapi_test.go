package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestOpenAPI has the documents of the demo, of the test schemas, and of the gateway's own services judged by the meta-schema of
// OpenAPI 3.1, and read by two generators whose clients have to pass the TypeScript compiler; one of them then calls the gateway.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(folder, name+".json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newShop(t)
	demo := testkit.Serve(t, append(configFile(t, "openapi: {public: true}"), append(s.backends(), "--proto", s.proto(t))...)...)
	write("demo", fetchDocument(t, "http://"+demo.Public+"/openapi.json"))
	write("admin", fetchDocument(t, "http://"+demo.Admin+"/openapi.json?listener=admin"))
	for _, schema := range []string{"semantics", "attack"} {
		r := testkit.Run(t, "openapi", "--descriptors", testkit.Descriptors(t, testkit.Schema(t, schema)))
		if r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		write(schema, []byte(r.Stdout))
	}
	for name, dir := range features(t) {
		r := testkit.Run(t, "openapi", "--proto", dir)
		if r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		write(name, []byte(r.Stdout))
	}
	if out, err := exec.Command("node", filepath.Join("openapi", "check.mjs"), folder).CombinedOutput(); err != nil {
		t.Fatalf("check.mjs: %v; `make test-deps` installs what it needs\n%s", err, out)
	}
	if out, err := exec.Command("node", filepath.Join("openapi", "call.mjs"), folder, "http://"+demo.Public).CombinedOutput(); err != nil {
		t.Errorf("call.mjs: %v\n%s", err, out)
	}
}

// features are folders with the schemas of gateway/testdata/openapi, which have everything that a document can have.
func features(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("../gateway/testdata/openapi/*.txtar")
	if err != nil || len(names) < 5 {
		t.Fatal(names, err)
	}
	dirs := map[string]string{}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".proto") {
				addFile(t, dir, f.Name, string(f.Data))
			}
		}
		dirs[strings.TrimSuffix(filepath.Base(name), ".txtar")] = dir
	}
	return dirs
}

func fetchDocument(t *testing.T, url string) []byte {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %s %v\n%s", url, response.Status, response.Header, text)
	}
	return text
}

// TestOpenAPIEndpoint shows where the document is served, to which methods, and what it leaves out.
func TestOpenAPIEndpoint(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	off := testkit.Serve(t, append(s.backends(), "--proto", s.proto(t))...)
	on := testkit.Serve(t, append(configFile(t, "{openapi: {public: true, title: Books}, cors: {allowed_origins: ['https://a.example']}}"), append(s.backends(), "--proto", s.proto(t))...)...)
	dev := testkit.Serve(t, append(s.backends(), "--proto", s.proto(t), "--dev")...)

	for _, c := range []struct {
		method, url string
		header      http.Header
		status      int
	}{
		{"GET", off.Public + "/openapi.json", nil, 404},
		{"GET", off.Admin + "/openapi.json", nil, 200},
		{"GET", off.Admin + "/openapi.json?listener=admin", nil, 200},
		{"GET", off.Admin + "/openapi.json?listener=internal", nil, 400},
		{"GET", dev.Public + "/openapi.json", nil, 200},
		{"GET", on.Public + "/openapi.json", nil, 200},
		{"HEAD", on.Public + "/openapi.json", nil, 200},
		{"OPTIONS", on.Public + "/openapi.json", nil, 204},
		{"POST", on.Public + "/openapi.json", nil, 405},
		{"DELETE", on.Admin + "/openapi.json", nil, 405},
		{"GET", on.Public + "/openapi.json/", nil, 404},
		{"GET", on.Public + "/openapi.json", http.Header{"If-None-Match": {"*"}}, 304},
	} {
		r := send(t, c.method, "http://"+c.url, c.header)
		if r.StatusCode != c.status {
			t.Errorf("%s %s: %s, want %d", c.method, c.url, r.Status, c.status)
		}
		if allow := r.Header.Get("Allow"); (allow == "GET, HEAD, OPTIONS") != (c.status == 405 || c.status == 204) {
			t.Errorf("%s %s: Allow %q", c.method, c.url, allow)
		}
	}
	first := send(t, "GET", "http://"+on.Public+"/openapi.json", http.Header{"Origin": {"https://a.example"}})
	if first.Header.Get("Access-Control-Allow-Origin") == "" || first.Header.Get("Etag") == "" {
		t.Errorf("headers %v", first.Header)
	}
	if again := send(t, "GET", "http://"+on.Public+"/openapi.json", http.Header{"If-None-Match": {first.Header.Get("Etag")}}); again.StatusCode != 304 {
		t.Errorf("with the ETag: %s", again.Status)
	}
	until(t, "the access log has requests for it", func() bool { return strings.Contains(on.Stdout(), `"path":"/openapi.json"`) })
	text := string(fetchDocument(t, "http://"+on.Public+"/openapi.json?listener=admin"))
	if strings.Contains(text, "Reindex") || strings.Contains(text, "gatehouse.admin") || !strings.Contains(text, `"title": "Books"`) {
		t.Errorf("the public document is not that of the public listener:\n%s", text)
	}
	if own := string(fetchDocument(t, "http://"+on.Admin+"/openapi.json?listener=admin")); !strings.Contains(own, "gatehouse.admin.v1.Admin.ListRoutes") || strings.Contains(own, "acme.") {
		t.Errorf("the admin document is not that of the admin listener:\n%s", own)
	}
}

// send returns a response whose body was read and closed.
func send(t *testing.T, method, url string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response
}

// TestOpenAPIRouteGoesFirst shows that what somebody publishes at the document's path is served there.
func TestOpenAPIRouteGoesFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	addFile(t, dir, "a.proto", `syntax = "proto3"; package a.v1; import "google/api/annotations.proto";
service S { rpc Get(M) returns (M) { option (google.api.http) = {get: "/openapi.json"}; } }
message M {}`)
	g := testkit.Serve(t, "--dev", "--proto", dir)
	if r := send(t, "GET", "http://"+g.Public+"/openapi.json", nil); r.StatusCode != 503 { // it has no backend
		t.Errorf("%s, want what the route answers", r.Status)
	}
	if r := send(t, "GET", "http://"+g.Admin+"/openapi.json", nil); r.StatusCode != 200 {
		t.Errorf("%s on the admin listener", r.Status)
	}
}

// TestOpenAPICommand prints the same document from a gateway and from its sources.
func TestOpenAPICommand(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	dir := s.proto(t)
	g := testkit.Serve(t, append(s.backends(), "--proto", dir)...)
	live, offline := testkit.Run(t, "openapi", "--admin", g.Admin), testkit.Run(t, "openapi", "--proto", dir)
	if live.Code != 0 || offline.Code != 0 || live.Stdout != offline.Stdout || !json.Valid([]byte(live.Stdout)) {
		t.Fatalf("live %+v\noffline %+v", live, offline)
	}
	if own := testkit.Run(t, "openapi", "--admin", g.Admin, "--listener", "admin"); !strings.Contains(own.Stdout, "gatehouse.admin.v1.Admin.ListRoutes") {
		t.Errorf("%+v", own)
	}
	if inYAML := testkit.Run(t, "openapi", "--proto", dir, "--yaml"); !strings.HasPrefix(inYAML.Stdout, "openapi: 3.1.1\n") {
		t.Errorf("%+v", inYAML)
	}
	for want, args := range map[string][]string{
		"say public or admin":    {"--admin", g.Admin, "--listener", "internal"},
		"there is no REST":       {"--proto", dir, "--listener", "nowhere"},
		"no gateway answers at":  {"--admin", "127.0.0.1:1"},
		"there is no schema":     {"--dev"},
		"so certificates have n": {"--admin", g.Admin, "--admin-ca", "x"},
	} {
		if r := testkit.Run(t, append([]string{"openapi"}, args...)...); r.Code != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, want) {
			t.Errorf("openapi %v: %+v, want %q", args, r, want)
		}
	}
}

// TestOpenAPIFollowsPublishing shows that a new schema has a new document.
func TestOpenAPIFollowsPublishing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := testkit.Serve(t, append(configFile(t, "openapi: {public: true}"), "--data", t.TempDir())...)
	paths := regexp.MustCompile(`"(/v1/[^"]*)": \{`)
	url := "http://" + g.Public + "/openapi.json"
	if text := fetchDocument(t, url); paths.Match(text) {
		t.Fatalf("before anything is published:\n%s", text)
	}
	before := send(t, "GET", url, nil).Header.Get("Etag")
	if r := testkit.Run(t, "publish", s.librarySrc, "--module", "acme/library", "--backend", s.library, "--admin", g.Admin); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	text := fetchDocument(t, url)
	found := paths.FindAllSubmatch(text, -1)
	if !slices.ContainsFunc(found, func(m [][]byte) bool { return string(m[1]) == "/v1/shelves" }) {
		t.Errorf("after publishing:\n%s", text)
	}
	if !strings.Contains(string(text), `"version": "1"`) || send(t, "GET", url, nil).Header.Get("Etag") == before {
		t.Errorf("the document has no new version: %.300s", text)
	}
}
