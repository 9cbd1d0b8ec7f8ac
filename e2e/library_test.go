package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// shop is the demo's two backends, running, and their sources in folders.
type shop struct {
	library, orders       string // targets
	librarySrc, ordersSrc string // folders
}

func newShop(t *testing.T) shop {
	t.Helper()
	var s shop
	for i, m := range demo.Modules() {
		dir := t.TempDir()
		for path, text := range m.Sources {
			addFile(t, dir, path, text)
		}
		target, _ := serveOn(t, "127.0.0.1:0", m.Server)
		if i == 0 {
			s.library, s.librarySrc = target, dir
		} else {
			s.orders, s.ordersSrc = target, dir
		}
	}
	return s
}

// backends returns the flags that send the calls of both services to their backends.
func (s shop) backends() []string {
	return []string{"--backend", "acme.library.v1.*=" + s.library, "--backend", "acme.orders.v1.*=" + s.orders}
}

// proto returns a folder with the sources of both modules.
func (s shop) proto(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, from := range []string{s.librarySrc, s.ordersSrc} {
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sourcesOf returns the sources of a module of the demo.
func sourcesOf(m demo.Module) compile.Sources {
	sources := compile.Sources{}
	for path, text := range m.Sources {
		sources[path] = []byte(text)
	}
	return sources
}

// addFile writes a file below a folder.
func addFile(t *testing.T, dir, path, text string) {
	t.Helper()
	file := filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveOn serves on an address and returns it, with a function that stops the server at once.
func serveOn(t *testing.T, address string, s *grpc.Server) (target string, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(listener) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("backend: %v", err)
		}
	})
	return listener.Addr().String(), s.Stop
}

// configFile writes a configuration, put together from parts, and returns the flags that read it.
func configFile(t *testing.T, parts ...string) []string {
	t.Helper()
	return []string{"--config", testkit.File(t, "gatehouse.yaml", []byte(strings.Join(parts, "\n")))}
}

// keysYAML is the authn part of a configuration, with the demo's two keys and one whose holder may write, and not more.
func keysYAML() string {
	return "authn:\n  api_keys:\n" + keyYAML("reader", "orders") + keyYAML("scribe", "library.write") +
		keyYAML("writer", "orders", "library.write", "library.admin")
}

// keyYAML is one entry; the secret of a key is its id with "-secret".
func keyYAML(id string, scopes ...string) string {
	sum := sha256.Sum256([]byte(id + "-secret"))
	return fmt.Sprintf("    - {id: %s, secret_sha256: %s, principal: p-%s, scopes: [%s]}\n",
		id, hex.EncodeToString(sum[:]), id, strings.Join(scopes, ", "))
}

// keyOf is what the caller with a key sends.
func keyOf(id string) string { return id + "." + id + "-secret" }
