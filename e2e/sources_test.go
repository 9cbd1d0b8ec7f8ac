package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestFixedSchema serves the library from each kind of source, without a registry.
func TestFixedSchema(t *testing.T) {
	s := newShop(t)
	descriptors := testkit.Descriptors(t, testkit.Compile(t, sourcesOf(demo.Modules()[0])))
	for name, args := range map[string][]string{
		"Descriptors":       {"--descriptors", descriptors, "--backend", s.library},
		"Proto":             {"--proto", s.librarySrc, "--backend", s.library},
		"Reflection":        {"--reflect", "--backend", s.library},
		"ReflectionV1Alpha": {"--reflect", "--backend", oldLibrary(t)},
	} {
		t.Run(name, func(t *testing.T) {
			g := testkit.Serve(t, append(args, "--dev")...)
			says(t, g.Stderr(), "level=WARN", "--dev: every method is public")
			// A route of the annotations, and the one that every method has; with --dev no key is needed.
			if r := fetch(t, "GET", "http://"+g.Public+"/v1/"+origin, ""); r.StatusCode != 200 {
				t.Errorf("%d %s", r.StatusCode, r.Text)
			}
			if r := fetch(t, "POST", "http://"+g.Public+"/acme.library.v1.Library/CreateShelf", `{"shelf": {"name": "shelves/`+strings.ToLower(name)+`"}}`); r.StatusCode != 200 {
				t.Errorf("%d %s", r.StatusCode, r.Text)
			}
			// The rules in the options have come along.
			if r := fetch(t, "POST", "http://"+g.Public+"/v1/shelves", `{"name": "no shelf"}`); r.StatusCode != 400 {
				t.Errorf("%d %s", r.StatusCode, r.Text)
			}
			library := libraryv1.NewLibraryClient(dialed(t, g.GRPC))
			if _, err := library.ListShelves(t.Context(), &libraryv1.ListShelvesRequest{}); err != nil {
				t.Errorf("gRPC: %v", err)
			}
		})
	}
}

// TestAddressPrecedence says where to listen in a file, a variable and a flag: the flag wins over the variable, that
// over the file.
func TestAddressPrecedence(t *testing.T) {
	s := newShop(t)
	inFile, inEnv, inFlag := silentPort(t), silentPort(t), silentPort(t)
	args := append([]string{"serve", "--dev", "--reflect", "--backend", s.library, "--listen-grpc", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0"},
		configFile(t, "listen: "+inFile)...)
	serves := func(want string, args ...string) {
		t.Helper()
		g := testkit.Start(t, args...)
		defer g.Stop(t)
		if g.Public != want {
			t.Errorf("it listens on %s, want %s", g.Public, want)
		}
		if r := fetch(t, "GET", "http://"+want+"/v1/shelves", ""); r.StatusCode != 200 {
			t.Errorf("%d %s", r.StatusCode, r.Text)
		}
	}
	serves(inFile, args...)
	t.Setenv("GATEHOUSE_LISTEN", inEnv)
	serves(inEnv, args...)
	serves(inFlag, append(args, "--listen", inFlag)...)
}

// TestWithoutDev shows that nothing is open unless somebody says so: the library without its options.
func TestWithoutDev(t *testing.T) {
	s := newShop(t)
	bare := folderWith(t, "bare.proto", `syntax = "proto3"; package acme.library.v1;
message ListShelvesRequest {} message ListShelvesResponse {}
service Library { rpc ListShelves(ListShelvesRequest) returns (ListShelvesResponse); }`)
	args := []string{"--proto", bare, "--backend", s.library}
	for level, want := range map[string]int{"": 403, "DENIED": 403, "AUTHENTICATED": 401, "INTERNAL": 404, "PUBLIC": 200} {
		t.Run(fmt.Sprintf("Default%s", level), func(t *testing.T) {
			args := args
			if level != "" {
				args = append(args, "--default-access", level)
			}
			g := testkit.Serve(t, args...)
			if r := fetch(t, "POST", "http://"+g.Public+"/acme.library.v1.Library/ListShelves", "{}"); r.StatusCode != want {
				t.Errorf("%d %s, want %d", r.StatusCode, r.Text, want)
			}
		})
	}
}

// oldLibrary serves the library with reflection as it was before it had a version 1, and returns its address.
func oldLibrary(t *testing.T) string {
	t.Helper()
	server := grpc.NewServer()
	libraryv1.RegisterLibraryServer(server, demo.NewLibrary())
	reflectionv1alpha.RegisterServerReflectionServer(server, reflection.NewServer(reflection.ServerOptions{Services: server}))
	target, _ := serveOn(t, "127.0.0.1:0", server)
	return target
}

// silentPort returns an address at which nobody listens. It is not the one that other tests and their connections have,
// so nobody comes to its port before whoever it is for.
func silentPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
