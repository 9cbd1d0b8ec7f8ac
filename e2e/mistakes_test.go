package e2e

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestMistakesAtStart makes the mistakes that people make: each is told in one line, and the exit status is 1.
func TestMistakesAtStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()
	dir := t.TempDir()
	file := func(name, text string) string {
		addFile(t, dir, name, text)
		return filepath.Join(dir, name)
	}
	unreadable := filepath.Join(dir, "missing.yaml")
	data := filepath.Join(dir, "data")
	damaged := filepath.Join(dir, "damaged")
	addFile(t, damaged, "registry.db", strings.Repeat("this is no store ", 4000))
	unknownKey := file("unknown.yaml", "listen: 127.0.0.1:0\nlimits:\n  timout: 1s\n")
	notYAML := file("broken.yaml", "listen: [127.0.0.1:0\n")
	badProto := filepath.Dir(file("protos/bad.proto", "syntax = \"proto3\";\nmessage M { Nothing n = 1; }\n"))
	noDescriptors := file("text.binpb", "no descriptors in here")

	ports := []string{"--listen", "127.0.0.1:0", "--listen-grpc", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0"}
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"PortTaken":         {[]string{"--data", data, "--listen", busy}, []string{"--listen " + busy, "address already in use"}},
		"InternalPortTaken": {[]string{"--data", data, "--listen-grpc", busy}, []string{"--listen-grpc " + busy, "address already in use"}},
		"AdminPortTaken":    {[]string{"--data", data, "--listen-admin", busy}, []string{"--listen-admin " + busy, "address already in use"}},
		"NothingToServe":    {nil, []string{"--data", "--descriptors", "--proto", "--reflect"}},
		"NoConfigFile":      {[]string{"--config", unreadable}, []string{unreadable, "no such file"}},
		"ConfigIsAFolder":   {[]string{"--config", dir}, []string{dir, "is a directory"}},
		"UnknownKey":        {[]string{"--config", unknownKey}, []string{unknownKey + ":3:3: ", `unknown key "timout"`, "did you mean timeout?", "valid: ", "body_bytes_max"}},
		"NotYAML":           {[]string{"--config", notYAML}, []string{notYAML + ":"}},
		"UnknownFlag":       {[]string{"--lisen", busy}, []string{"unknown flag: --lisen"}},
		"UnknownLevel":      {[]string{"--data", data, "--default-access", "EVERYONE"}, []string{"--default-access", "EVERYONE", "AUTHENTICATED"}},
		"NoDescriptors":     {[]string{"--descriptors", filepath.Join(dir, "none"), "--dev"}, []string{filepath.Join(dir, "none"), "no such file"}},
		"NotDescriptors":    {[]string{"--descriptors", noDescriptors, "--dev"}, []string{noDescriptors}},
		"ProtoDoesNotCompile": {[]string{"--proto", badProto, "--dev"}, []string{
			"bad.proto:2:13: ", "Nothing"}},
		"NoBackendToReflect":     {[]string{"--reflect", "--dev"}, []string{"backend"}},
		"BackendDoesNotReflect":  {[]string{"--reflect", "--dev", "--backend", silentPort(t)}, []string{"reflection of backend", "does it run"}},
		"StoreIsDamaged":         {[]string{"--data", damaged}, []string{filepath.Join(damaged, "registry.db")}},
		"StoreFolderIsAFile":     {[]string{"--data", unknownKey}, []string{unknownKey}},
		"SchemaAndStore":         {[]string{"--data", data, "--proto", badProto}, []string{"--proto", "--data", "exclude each other"}},
		"DevOnEveryAddress":      {[]string{"--data", data, "--dev", "--listen", "0.0.0.0:0"}, []string{"--listen", "0.0.0.0:0", "dev"}},
		"DevInternalElsewhere":   {[]string{"--data", data, "--dev", "--listen-grpc", "0.0.0.0:0"}, []string{"--listen-grpc", "dev"}},
		"AdminElsewhereWithout":  {[]string{"--data", data, "--listen-admin", "0.0.0.0:0"}, []string{"--listen-admin", "0.0.0.0:0", "admin.key_sha256", "tls_admin.client_ca_file"}},
		"AdminOnAnEmptyHost":     {[]string{"--data", data, "--listen-admin", ":0"}, []string{"--listen-admin", "host:port"}},
		"BackendThatIsNoAddress": {[]string{"--data", data, "--backend", "http://x"}, []string{"--backend", "http://x"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := testkit.Run(t, append(append([]string{"serve"}, ports...), test.args...)...)
			refuses(t, r, test.want...)
			if n := strings.Count(r.Stderr, "\n"); n != 1 && !strings.Contains(name, "Compile") || !strings.HasPrefix(r.Stderr, "gatehouse: ") {
				t.Errorf("want one line that begins with the program's name:\n%s", r.Stderr)
			}
		})
	}
	t.Run("UnknownVerb", func(t *testing.T) { refuses(t, testkit.Run(t, "servee"), "servee") })
}
