package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// TestKeys shows that what is printed is a configuration, and fits the key that is told beside it.
func TestKeys(t *testing.T) {
	var out, secrets bytes.Buffer
	for _, args := range [][]string{
		{"keys", "new", "acme-web", "--scopes", "orders,library.write", "--principal", "Acme: web"},
		{"keys", "admin"},
	} {
		root := newRoot()
		root.SetArgs(args)
		root.SetOut(&out)
		root.SetErr(&secrets)
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	k := cfg.GetAuthn().GetApiKeys()[0]
	if k.GetId() != "acme-web" || k.GetPrincipal() != "Acme: web" || strings.Join(k.GetScopes(), " ") != "orders library.write" {
		t.Errorf("got %v", k)
	}
	for pattern, want := range map[string]string{
		`x-api-key: acme-web\.(\S+)`:  k.GetSecretSha256(),
		`GATEHOUSE_ADMIN_KEY=(\S+)\n`: cfg.GetAdmin().GetKeySha256(),
	} {
		secret := regexp.MustCompile(pattern).FindStringSubmatch(secrets.String())
		if secret == nil {
			t.Fatalf("no key in\n%s", secrets.String())
		}
		if strings.Contains(out.String(), secret[1]) {
			t.Error("the configuration keeps the key")
		}
		if sum := sha256.Sum256([]byte(secret[1])); hex.EncodeToString(sum[:]) != want {
			t.Errorf("the SHA-256 of %s is not %s", secret[1], want)
		}
	}
	root := newRoot()
	root.SetArgs([]string{"keys", "new", "a b"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), `"a b" cannot be a key's id`) {
		t.Errorf("a bad id: %v", err)
	}
}

// TestProtos shows that what is written compiles.
func TestProtos(t *testing.T) {
	dir := t.TempDir()
	root := newRoot()
	root.SetArgs([]string{"protos", dir})
	root.SetOut(new(bytes.Buffer))
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	sources, err := compile.ReadDir(dir, func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"google/api/annotations.proto", "buf/validate/validate.proto", "gatehouse/policy/v1/policy.proto"} {
		if sources[path] == nil {
			t.Errorf("%s is missing", path)
		}
	}
	if !strings.Contains(string(sources["gatehouse/policy/v1/policy.proto"]), "// Only callers of the internal listener") {
		t.Error("policy.proto has lost its comments")
	}
	if _, err := compile.Compile(t.Context(), sources); err != nil {
		t.Error(err)
	}
}
