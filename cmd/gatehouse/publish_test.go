package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	adminv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/admin/v1"
	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry"
	"github.com/gatehouse-gateway/gatehouse/registry/service"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// adminKey is what the listener under test wants.
const adminKey = "s3cret"

// newAdminServer returns what answers on an admin listener: a registry on an empty folder, and a table of routes.
func newAdminServer(t *testing.T) *grpc.Server {
	t.Helper()
	s, err := registry.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r, err := registry.New(t.Context(), registry.Options{Store: s, Allowed: func(target string) error {
		if strings.HasPrefix(target, "127.0.0.1:") {
			return nil
		}
		return errors.New("only loopback is allowed here")
	}})
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.UnaryInterceptor(wantKey))
	registryv1.RegisterRegistryServer(g, service.New(func() *registry.Registry { return r }))
	adminv1.RegisterAdminServer(g, routes{})
	t.Cleanup(g.Stop)
	return g
}

// adminAddress returns the address of an admin listener without TLS.
func adminAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newAdminServer(t)
	go g.Serve(l)
	return l.Addr().String()
}

func wantKey(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer "+adminKey {
		return nil, rpc.Errorf(codes.Unauthenticated, "ADMIN_KEY_MISSING", "the admin key is missing or wrong").GRPCStatus().Err()
	}
	return handle(ctx, req)
}

// routes serves one table for each listener.
type routes struct {
	adminv1.UnimplementedAdminServer
}

func (routes) ListRoutes(_ context.Context, req *adminv1.ListRoutesRequest) (*adminv1.ListRoutesResponse, error) {
	return &adminv1.ListRoutesResponse{Revision: 3, Routes: []*adminv1.Route{{
		Verb: "GET", Path: "/" + req.GetListener() + "/{id}", Method: "acme.v1.Orders.Get", Access: policyv1.Access_AUTHENTICATED,
		Streaming: "unary", Backend: "127.0.0.1:50051", Scopes: []string{"a", "b"},
	}}}, nil
}

// result is what a verb printed, and its error.
type result struct{ out, err, failure string }

func run(t *testing.T, cmd *cobra.Command, args ...string) result {
	t.Helper()
	var out, err strings.Builder
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&err)
	failure := cmd.ExecuteContext(t.Context())
	r := result{out: out.String(), err: err.String()}
	if failure != nil {
		r.failure = failure.Error()
	}
	return r
}

// tree writes files, given as path, content, path, content …, below a new folder, and returns it.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, filepath.FromSlash(files[i]))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	orderPath = "acme/v1/order.proto"
	order     = "syntax = \"proto3\";\npackage acme.v1;\nmessage Order { string id = 1; }\nservice Orders { rpc Get(Order) returns (Order); }\n"
)

func TestPublish(t *testing.T) {
	t.Setenv(adminKeyEnv, adminKey)
	address := adminAddress(t)
	dir := tree(t, orderPath, order, "acme/v1/more.proto", "syntax = \"proto3\";\n")
	publish := func(args ...string) result {
		return run(t, newPublish(), append([]string{"--admin", address}, args...)...)
	}
	for _, step := range []struct {
		name string
		args []string
		want result
	}{
		{"DryRun", []string{dir, "--module", "acme/orders", "--backend", "127.0.0.1:1", "--dry-run"},
			result{out: "checked acme/orders: 2 files, 0 warnings; nothing was published\n"}},
		{"Published", []string{dir, "--module", "acme/orders", "--backend", "127.0.0.1:1"},
			result{out: "published acme/orders: revision 1, 2 files, 0 warnings, backend 127.0.0.1:1\n"}},
		{"Unchanged", []string{dir, "--module", "acme/orders", "--backend", "127.0.0.1:1"},
			result{out: "unchanged acme/orders: revision 1 has it already\n"}},
		{"KeepsItsBackend", []string{dir, "--module", "acme/orders"},
			result{out: "unchanged acme/orders: revision 1 has it already\n"}},
		{"Warning", []string{dir, "--module", "acme/orders", "--no-backend"},
			result{out: "published acme/orders: revision 2, 2 files, 1 warning\n",
				err: "warning: nothing says where the calls of acme.v1.Orders go, so they will fail; publish with a backend, or name one in the gateway's configuration\n"}},
		{"RefusedWithoutDiagnostics", []string{dir, "--module", "acme/orders", "--backend", "10.0.0.1:1"},
			result{failure: "module acme/orders may not send its calls to 10.0.0.1:1: only loopback is allowed here"}},
		{"NoModule", []string{dir}, result{failure: "--module is missing; name the module, for example --module acme/orders"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if got := publish(step.args...); got != step.want {
				t.Errorf("got  %q\nwant %q", got, step.want)
			}
		})
	}
	t.Run("CompileErrorsHavePlacesInThePublishersFiles", func(t *testing.T) {
		t.Chdir(tree(t, "protos/a.proto", "syntax = \"proto3\";\nimport \"b.proto\";\nmessage A { Strin s = 1; }\n", "protos/b.proto", "syntax = \"proto3\";\nmessage B {\n\tint32 i = 0;\n}\n"))
		got := publish("protos", "--module", "acme/a")
		want := result{
			err:     "protos/b.proto:3:19: tag number 0 must be greater than zero\n  \tint32 i = 0;\n  \t          ^\n",
			failure: "acme/a was refused, 1 error; nothing changed",
		}
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
	t.Run("ErrorsThatAreNotListedAreCounted", func(t *testing.T) {
		imports := ""
		for i := range 200 {
			imports += fmt.Sprintf("import \"none%d.proto\";\n", i)
		}
		got := publish(tree(t, "a.proto", "syntax = \"proto3\";\n"+imports), "--module", "acme/a")
		if got.failure != "acme/a was refused, 200 errors; nothing changed" || !strings.Contains(got.err, "none0.proto") {
			t.Errorf("got %q", got)
		}
	})
}

func TestAdminListener(t *testing.T) {
	dir := tree(t, orderPath, order)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	address := adminAddress(t)
	secure := httptest.NewUnstartedServer(newAdminServer(t))
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	files := tree(t,
		"key", adminKey+"\n",
		"keys", "two words",
		"ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})),
		"not.pem", "x",
		"other.pem", otherAuthority(t))
	file := func(name string) string { return filepath.Join(files, name) }

	for _, test := range []struct {
		name    string
		args    []string
		out     string
		failure []string
	}{
		{"Nobody", []string{"--admin", closed.Addr().String()}, "",
			[]string{"no gateway answers at " + closed.Addr().String(), "connection refused", "--admin"}},
		{"NoPort", []string{"--admin", "localhost"}, "", []string{"--admin localhost: it must be HOST:PORT"}},
		{"KeyFile", []string{"--admin", address, "--admin-key-file", file("key")}, "published acme/orders: revision 1", nil},
		{"Scheme", []string{"--admin", "http://" + address + "/", "--admin-key-file", file("key")}, "unchanged", nil},
		{"NoKey", []string{"--admin", address}, "", []string{"the admin key is missing or wrong"}},
		{"OddKey", []string{"--admin", address, "--admin-key-file", file("keys")}, "", []string{"keys: the admin key must be one word"}},
		{"NoKeyFile", []string{"--admin", address, "--admin-key-file", file("none")}, "", []string{"none: no such file"}},
		{"TLS", []string{"--admin", secure.URL, "--admin-ca", file("ca.pem"), "--admin-key-file", file("key")}, "published acme/orders: revision 1", nil},
		{"UnknownAuthority", []string{"--admin", secure.URL, "--admin-key-file", file("key")}, "", []string{"no gateway answers at https://127", "certificate"}},
		{"OtherAuthority", []string{"--admin", secure.URL, "--admin-ca", file("other.pem"), "--admin-key-file", file("key")}, "", []string{"no gateway answers at https://127", "certificate"}},
		{"NoCertificateInFile", []string{"--admin", secure.URL, "--admin-ca", file("not.pem")}, "", []string{"not.pem: there is no certificate in it"}},
		{"CertificateWithoutTLS", []string{"--admin", address, "--admin-ca", file("ca.pem")}, "", []string{"write https://" + address}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, newPublish(), append(test.args, dir, "--module", "acme/orders", "--backend", "127.0.0.1:1")...)
			if !strings.HasPrefix(got.out, test.out) || (got.failure == "") != (test.failure == nil) {
				t.Errorf("got %q", got)
			}
			for _, text := range test.failure {
				if !strings.Contains(got.failure, text) {
					t.Errorf("%q is not in %s", text, got.failure)
				}
			}
			if strings.Contains(got.failure, "\n") {
				t.Errorf("more than one line: %s", got.failure)
			}
		})
	}
}

// otherAuthority returns the certificate of an authority that signed nothing.
func otherAuthority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
}

func TestRoutes(t *testing.T) {
	t.Setenv(adminKeyEnv, adminKey)
	address := adminAddress(t)
	got := run(t, newRoutes(), "--admin", address)
	want := "VERB  PATH          METHOD              ACCESS         BODY  STREAMING  BACKEND          SCOPES\n" +
		"GET   /public/{id}  acme.v1.Orders.Get  AUTHENTICATED  -     unary      127.0.0.1:50051  a,b\n"
	if got != (result{out: want}) {
		t.Errorf("got %q", got)
	}
	got = run(t, newRoutes(), "--admin", address, "--listener", "internal", "--output", "json")
	for _, text := range []string{`      "path": "/internal/{id}",`, `      "access": "AUTHENTICATED",`, `  "revision": "3"`} {
		if !strings.Contains(got.out, text) {
			t.Errorf("%s is not in %q", text, got)
		}
	}
	if got := run(t, newRoutes(), "--admin", address, "--output", "xml"); got.failure != "--output xml: it must be table or json" {
		t.Errorf("got %q", got)
	}
}

func TestModules(t *testing.T) {
	t.Setenv(adminKeyEnv, adminKey)
	address := adminAddress(t)
	modules := func(args ...string) result { return run(t, newModules(), append(args, "--admin", address)...) }
	if got := modules(); got != (result{out: "MODULE  FILES  BACKEND  DIGEST  PUBLISHED\n"}) {
		t.Errorf("nothing published: %q", got)
	}
	if got := run(t, newPublish(), tree(t, orderPath, order), "--module", "acme/orders", "--admin", address); got.failure != "" {
		t.Fatal(got.failure)
	}
	rows := strings.Split(modules().out, "\n")
	if cells := strings.Fields(rows[1]); len(cells) != 5 || cells[0] != "acme/orders" || cells[1] != "1" || cells[2] != "-" || len(cells[3]) != 12 {
		t.Errorf("got %q", rows)
	}
	if got := modules("--output", "json"); !strings.Contains(got.out, `"module": "acme/orders"`) {
		t.Errorf("got %q", got)
	}
	if got := modules("delete", "acme/orders"); got != (result{out: "deleted acme/orders: revision 2\n"}) {
		t.Errorf("got %q", got)
	}
	if got := modules("delete", "acme/orders"); !strings.Contains(got.failure, `there is no module "acme/orders"`) || got.out != "" {
		t.Errorf("got %q", got)
	}
}
