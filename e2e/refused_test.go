package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// refusedModules are modules that must not be published, each for one reason, and what the refusal has to name.
func refusedModules() map[string]struct {
	source string
	names  []string
} {
	return map[string]struct {
		source string
		names  []string
	}{
		"message set": {`syntax = "proto2";
package bad;
message Old {
  option message_set_wire_format = true;
  extensions 4 to max;
}
`, []string{"bad.proto:3", "bad.Old"}},
		"CEL that does not compile": {`syntax = "proto3";
package bad;
import "buf/validate/validate.proto";
message Ruled {
  string a = 1 [(buf.validate.field).cel = {
    id: "a.b"
    message: "never"
    expression: "this.no_such_thing == "
  }];
}
service Rules {
  rpc Rule(Ruled) returns (Ruled);
}
`, []string{"bad.proto", "bad.Ruled", "a.b"}},
		"CEL of a wrong type": {`syntax = "proto3";
package bad;
import "buf/validate/validate.proto";
message Ruled {
  string a = 1 [(buf.validate.field).cel = {
    id: "a.type"
    message: "never"
    expression: "this > 1"
  }];
}
service Rules {
  rpc Rule(Ruled) returns (Ruled);
}
`, []string{"bad.proto", "bad.Ruled", "a.type"}},
		"route that is taken": {`syntax = "proto3";
package bad;
import "google/api/annotations.proto";
message Shelves {}
service Thief {
  rpc List(Shelves) returns (Shelves) {
    option (google.api.http) = {get: "/v1/shelves"};
  }
}
`, []string{"bad.Thief.List", "acme.library.v1.Library.ListShelves", "/v1/shelves"}},
		"variable of no field": {`syntax = "proto3";
package bad;
import "google/api/annotations.proto";
message Shelves {}
service Lost {
  rpc Get(Shelves) returns (Shelves) {
    option (google.api.http) = {get: "/bad/{id}"};
  }
}
`, []string{"bad.proto", "bad.Lost.Get", "id"}},
		"name that is taken": {`syntax = "proto3";
package acme.library.v1;
message Shelf {}
`, []string{"bad.proto:3", "acme.library.v1.Shelf"}},
		"no .proto at all": {"This is no schema.\n", []string{"bad.proto:1:1"}},
	}
}

// TestRefusedModules shows that a module that cannot be served is refused by name, and that what is served goes on.
func TestRefusedModules(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := testkit.Serve(t, "--dev", "--data", t.TempDir())
	publish(t, g, s.librarySrc, "acme/library", "--backend", s.library)
	for name, m := range refusedModules() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "bad.proto"), []byte(m.source), 0o600); err != nil {
				t.Fatal(err)
			}
			said := testkit.Run(t, "publish", dir, "--module", "acme/bad", "--admin", g.Admin)
			if said.Code != 1 {
				t.Errorf("gatehouse publish: exit status %d, want 1", said.Code)
			}
			for _, name := range m.names {
				if !strings.Contains(said.Stderr, name) {
					t.Errorf("the refusal does not name %s:\n%s", name, said.Stderr)
				}
			}
			if r := fetch(t, "GET", "http://"+g.Public+"/v1/shelves", ""); r.StatusCode != http.StatusOK {
				t.Errorf("a method that was served answers %s now", r.Status)
			}
		})
	}
}
