package e2e

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestBufCurl calls by `buf curl`, in each of its protocols.
func TestBufCurl(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := testkit.Serve(t, append([]string{"--dev", "--proto", s.proto(t)}, s.backends()...)...)
	schema := testkit.Descriptors(t, testkit.Compile(t, sourcesOf(demo.Modules()[0])))
	for _, protocol := range []string{"connect", "grpc", "grpcweb"} {
		for _, c := range []struct {
			method, request, want string
			ok                    bool
		}{
			{"ListShelves", `{}`, `"shelves/science"`, true},
			{"WatchShelf", `{"name":"shelves/science","limit":2}`, `"KIND_PRESENT"`, true},
			{"GetBook", `{"name":"shelves/science/books/none"}`, "not_found", false},
			{"GetBook", `{"name":""}`, "invalid_argument", false},
		} {
			t.Run(protocol+"/"+c.method, func(t *testing.T) {
				run := exec.CommandContext(bounded(t), "../tools/node_modules/.bin/buf", "curl", "--schema", schema, "--protocol", protocol,
					"--http2-prior-knowledge", "-d", c.request, "http://"+g.Public+"/acme.library.v1.Library/"+c.method)
				run.Env = append(run.Environ(), "HOME="+t.TempDir())
				var stdout, stderr bytes.Buffer
				run.Stdout, run.Stderr = &stdout, &stderr
				err := run.Run()
				if (err == nil) != c.ok || !strings.Contains(stdout.String()+stderr.String(), c.want) {
					t.Errorf("%v (make test-deps installs buf)\n%s%s, want %s", err, stdout.String(), stderr.String(), c.want)
				}
			})
		}
	}
}
