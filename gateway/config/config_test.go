package config_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buf.build/go/protoyaml"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

var update = flag.Bool("update", false, "write what the tests get into testdata and docs")

// TestLoad reads every file NAME.yaml of every archive in testdata and compares what is wrong with it with NAME.want.
// "ok" stands for nothing.
func TestLoad(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range archives {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeKeys(t)
			archive.Files = loadAll(t, archive.Files)
			if *update {
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// loadAll returns the input files, each followed by what loading it gives.
func loadAll(t *testing.T, files []txtar.File) (all []txtar.File) {
	wants := map[string]string{}
	for _, f := range files {
		wants[f.Name] = string(f.Data)
	}
	for _, f := range files {
		name, isInput := strings.CutSuffix(f.Name, ".yaml")
		if !isInput {
			continue
		}
		got := "ok\n"
		if err := os.WriteFile(f.Name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(f.Name); err != nil {
			got = err.Error() + "\n"
		}
		all = append(all, f, txtar.File{Name: name + ".want", Data: []byte(got)})
		if want := wants[name+".want"]; got != want && !*update {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
		}
	}
	return all
}

func TestLoad_UnreadableFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("folder", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("large.yaml", []byte(strings.Repeat("# large\n", 3<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"missing.yaml": "missing.yaml: cannot be read: no such file or directory",
		"folder":       "folder: cannot be read: is a directory",
		"large.yaml":   "large.yaml: cannot be read: larger than 16 MiB",
	} {
		if _, err := config.Load(file); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", file, err, want)
		}
	}
}

// TestLoad_WhatIsRead looks at the values, where TestLoad looks at errors only.
func TestLoad_WhatIsRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	text := `
listenGrpc: "[::1]:0"
backends:
  - {services: acme.*, target: grpcs://orders.internal:443, tls: {server_name: orders}, forward_credentials: true}
default_access: AUTHENTICATED
limits: {body_bytes_max: 1Mi, timeout: 1m30s, drain: 0s}
authn: {jwt: [{issuer: me, jwks_url: "https://me.example/keys"}]}
access_log: OFF
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Defaults()
	err = protoyaml.Unmarshal([]byte(`
listen_grpc: "[::1]:0"
backends:
  - {services: acme.*, target: grpcs://orders.internal:443, tls: {server_name: orders}, forward_credentials: true}
default_access: AUTHENTICATED
limits: {body_bytes_max: 1048576, header_bytes_max: 65536, reply_bytes_max: 67108864, timeout: 90s, drain: 15s,
  connections_max: 10000, streams_max: 100, header_timeout: 10s, json_depth_max: 100,
  connections_per_address_max: 1000, stall_timeout: 30s}
websocket: {message_bytes_max: 1048576, ping_interval: 30s, ping_timeout: 20s, credential_wait: 5s}
authn:
  jwt:
    - {issuer: me, jwks_url: "https://me.example/keys", algorithms: [RS256, ES256, EdDSA], scopes_claim: scope}
access_log: OFF
`), want)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

// TestDefaults holds the defaults against the ones that the comments of the .proto promise.
func TestDefaults(t *testing.T) {
	want := `
listen: 127.0.0.1:8080
listen_grpc: 127.0.0.1:9090
listen_admin: 127.0.0.1:9901
allowed_backends: ["127.0.0.1:*", "localhost:*", "[::1]:*"]
default_access: DENIED
access_log: ON
limits: {body_bytes_max: 4194304, header_bytes_max: 65536, reply_bytes_max: 67108864, timeout: 60s, drain: 15s,
  connections_max: 10000, streams_max: 100, header_timeout: 10s, json_depth_max: 100,
  connections_per_address_max: 1000, stall_timeout: 30s}
rest: {heartbeat: 15s}
websocket: {message_bytes_max: 4194304, ping_interval: 30s, ping_timeout: 20s, credential_wait: 5s}
`
	cfg := &configv1.Config{}
	if err := protoyaml.Unmarshal([]byte(want), cfg); err != nil {
		t.Fatal(err)
	}
	if got := config.Defaults(); !proto.Equal(got, cfg) {
		t.Errorf("got\n%v\nwant\n%v", got, cfg)
	}
	off := config.WithDefaults(&configv1.Config{Rest: &configv1.Rest{Heartbeat: durationpb.New(0)}})
	if got := off.GetRest().GetHeartbeat(); got.AsDuration() != 0 {
		t.Errorf("a heartbeat of 0s became %v", got)
	}
}

func TestWithDefaults(t *testing.T) {
	t.Run("DevIsPublic", func(t *testing.T) {
		got := config.WithDefaults(&configv1.Config{Dev: true}).GetDefaultAccess().String()
		if got != "PUBLIC" {
			t.Errorf("default_access with dev is %s", got)
		}
	})
	t.Run("LeavesItsArgument", func(t *testing.T) {
		cfg := &configv1.Config{Limits: &configv1.Limits{}, Authn: &configv1.Authn{Jwt: []*configv1.Jwt{{}}}}
		before := proto.CloneOf(cfg)
		config.WithDefaults(cfg)
		if !proto.Equal(cfg, before) {
			t.Errorf("changed to %v", cfg)
		}
	})
	t.Run("Twice", func(t *testing.T) {
		if once := config.Defaults(); !proto.Equal(once, config.WithDefaults(once)) {
			t.Error("the defaults of the defaults differ from the defaults")
		}
	})
}

func ExampleLoad() {
	file, err := os.CreateTemp("", "*.yaml")
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name())
	fmt.Fprintln(file, "listen: 0.0.0.0:8080\nlimits: {timout: 5s}")
	file.Close()

	_, err = config.Load(file.Name())
	fmt.Println(strings.ReplaceAll(err.Error(), file.Name(), "gatehouse.yaml"))
	// Output:
	// gatehouse.yaml:2:10: limits: unknown key "timout"; did you mean timeout? (valid: timeout, drain, stall_timeout, header_timeout, streams_max, body_bytes_max, connections_max, json_depth_max, reply_bytes_max, header_bytes_max, connections_per_address_max)
}
