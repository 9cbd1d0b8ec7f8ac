package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// shelves has a service whose publisher lets callers choose fields, and one for which only the operator may say so.
const shelves = `syntax = "proto3";
package shelves;
import "gatehouse/policy/v1/policy.proto";
import "google/api/annotations.proto";
message Shelf {
  string display_name = 1;
  repeated Book books = 2;
  string next = 3;
}
message Book {
  string title = 1;
  int32 pages = 2;
}
service Open {
  option (gatehouse.policy.v1.service).json = {partial_responses: true emit_defaults: true};
  rpc Get(Shelf) returns (Shelf) { option (google.api.http) = {post: "/open" body: "*"}; }
}
service Closed {
  rpc Get(Shelf) returns (Shelf) { option (google.api.http) = {post: "/closed" body: "*"}; }
}
`

// TestPartialResponses: where a publisher or the operator allows it, callers choose the fields of replies.
func TestPartialResponses(t *testing.T) {
	files := testkit.Compile(t, compile.Sources{"shelves.proto": []byte(shelves)})
	backend := testkit.NewBackend(t, files)
	args := []string{"--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", backend.Target}
	settings := filepath.Join(t.TempDir(), "gatehouse.yaml")
	text := "services:\n- match: shelves.Closed\n  json: {partial_responses: true}\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	published := testkit.Serve(t, args...)
	overridden := testkit.Serve(t, append(args, "--config", settings)...)
	const body = `{"displayName":"a","books":[{"title":"A","pages":1},{"title":"B"}],"next":"n"}`
	for _, row := range []struct {
		name    string
		gateway *testkit.Gateway
		request testCase
		status  int
		want    string // the reply, or the reason
	}{
		{"Parameter", published, withBody("POST", "/open?$fields=books.title,next", body), 200, `{"books":[{"title":"A"},{"title":"B"}],"next":"n"}`},
		{"ShortParameter", published, withBody("POST", "/open?fields=display_name", body), 200, `{"displayName":"a"}`},
		{"Escaped", published, withBody("POST", "/open?%24fields=displayName%2Cnext", body), 200, `{"displayName":"a","next":"n"}`},
		{"Header", published, withBody("POST", "/open", body, "X-Goog-FieldMask: books.pages"), 200, `{"books":[{"pages":1},{"pages":0}]}`},
		{"DefaultsOfNothingElse", published, withBody("POST", "/open?$fields=next", `{}`), 200, `{"next":""}`},
		{"Everything", published, withBody("POST", "/open?$fields=*", `{}`), 200, `{"displayName":"","books":[],"next":""}`},
		{"Unknown", published, withBody("POST", "/open?$fields=books.titel", body), 400, "INVALID_FIELD_MASK"},
		{"NotAllowed", published, withBody("POST", "/closed?$fields=next", body), 400, "UNKNOWN_PARAMETER"},
		{"OperatorAllows", overridden, withBody("POST", "/closed?$fields=next", body), 200, `{"next":"n"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			backend.Take()
			r := testkit.Raw(t, row.gateway.Public, "POST", row.request.wire())
			calls := len(backend.Take())
			if r.StatusCode == http.StatusOK {
				if row.status != 200 || r.Text != row.want || calls != 1 {
					t.Errorf("got %d %s after %d calls, want %d %s", r.StatusCode, r.Text, calls, row.status, row.want)
				}
				return
			}
			if f := failureOf(t, r); r.StatusCode != row.status || f.reason() != row.want || calls != 0 {
				t.Errorf("got %d %s after %d calls, want %d %s", r.StatusCode, r.Text, calls, row.status, row.want)
			}
		})
	}
}
