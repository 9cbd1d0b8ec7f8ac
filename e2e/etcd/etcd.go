// Package etcd runs real etcd servers, of two releases, for the tests of a gateway in front of one. Read etcd.go for
// the releases, and server.go for how a server is made that answers like every other.
package etcd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tool is the package of the new release's server. The e2e module requires it as a tool, so its version is in go.mod.
const tool = "go.etcd.io/etcd/server/v3"

// Release is one release of etcd.
type Release struct {
	// Version is major.minor, as its binary tells.
	Version string

	binary string
}

// Since reports whether the release is this version, major.minor, or a later one.
func (r Release) Since(version string) bool { return !less(r.Version, version) }

// Built returns the release that the e2e module requires, compiled now. The test's working directory is in that module.
func Built(t testing.TB) Release {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "etcd")
	if out, err := exec.Command("go", "build", "-o", binary, tool).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", tool, err, out)
	}
	return release(t, binary)
}

// Installed returns the release that the system's packages have.
func Installed(t testing.TB) Release {
	t.Helper()
	binary, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatalf("no etcd is installed; run make test-deps, or install etcd-server: %v", err)
	}
	return release(t, binary)
}

var versionLine = regexp.MustCompile(`(?m)^etcd Version: (\d+\.\d+)\.`)

func release(t testing.TB, binary string) Release {
	t.Helper()
	out, err := exec.Command(binary, "--version").Output()
	m := versionLine.FindStringSubmatch(string(out))
	if err != nil || m == nil {
		t.Fatalf("%s --version: %v\n%s", binary, err, out)
	}
	return Release{Version: m[1], binary: binary}
}

// less compares two versions, major.minor.
func less(a, b string) bool {
	var major, minor, otherMajor, otherMinor int
	_, _ = fmt.Sscanf(a, "%d.%d", &major, &minor) // what is no number counts as 0
	_, _ = fmt.Sscanf(b, "%d.%d", &otherMajor, &otherMinor)
	return major < otherMajor || major == otherMajor && minor < otherMinor
}

// published are the .proto files that describe etcd's API to clients, by their path in the module of the API. The rest
// of that module describes what etcd keeps on disk.
var published = []string{"etcdserverpb/rpc.proto", "mvccpb/kv.proto", "authpb/auth.proto", "versionpb/version.proto"}

// Protos returns a folder with the API's .proto files as etcd ships them, at the paths by which they import each other.
func Protos(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.etcd.io/etcd/api/v3").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	root := t.TempDir()
	for _, name := range published {
		data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, "etcd", "api", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
