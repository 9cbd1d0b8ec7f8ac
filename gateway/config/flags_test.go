package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// setting is one setting in all four layers. Every layer gives it another value; a switch is on where the layer below
// leaves it off, and off where it leaves it on.
type setting struct {
	flag      string
	file      string // in YAML
	env       string
	args      []string
	alsoArgs  []string // what the checks ask for besides
	get       func(*configv1.Config) any
	byDefault any
	byFile    any
	byEnv     any
	byFlag    any
}

func settings(dir string) []setting {
	source := func(c *configv1.Config) any { return c.GetSource().String() }
	other := filepath.Join(dir, "other")
	return []setting{
		{flag: "listen", file: `listen: 127.0.0.1:1`, env: "127.0.0.1:2", args: []string{"--listen=127.0.0.1:3"},
			get:       func(c *configv1.Config) any { return c.GetListen() },
			byDefault: "127.0.0.1:8080", byFile: "127.0.0.1:1", byEnv: "127.0.0.1:2", byFlag: "127.0.0.1:3"},
		{flag: "listen-grpc", file: `listen_grpc: 127.0.0.1:1`, env: "127.0.0.1:2", args: []string{"--listen-grpc", "127.0.0.1:3"},
			get:       func(c *configv1.Config) any { return c.GetListenGrpc() },
			byDefault: "127.0.0.1:9090", byFile: "127.0.0.1:1", byEnv: "127.0.0.1:2", byFlag: "127.0.0.1:3"},
		{flag: "listen-admin", file: `listen_admin: 127.0.0.1:1`, env: "127.0.0.1:2", args: []string{"--listen-admin=127.0.0.1:3"},
			get:       func(c *configv1.Config) any { return c.GetListenAdmin() },
			byDefault: "127.0.0.1:9901", byFile: "127.0.0.1:1", byEnv: "127.0.0.1:2", byFlag: "127.0.0.1:3"},
		{flag: "data", file: `data: file`, env: "env", args: []string{"--data=flag"},
			get:       func(c *configv1.Config) any { return c.GetData() },
			byDefault: "", byFile: "file", byEnv: "env", byFlag: "flag"},
		{flag: "backend", file: `backends: [{services: f.*, target: "file:1"}, {target: "file:2"}]`, env: "a.*=env:1, env:2",
			args: []string{"--backend", "a.B=flag:1", "--backend", "unix:/run/a=b"},
			get: func(c *configv1.Config) any {
				var all []string
				for _, b := range c.GetBackends() {
					all = append(all, b.GetServices()+"="+b.GetTarget())
				}
				return strings.Join(all, " ")
			},
			byDefault: "", byEnv: "a.*=env:1 =env:2", byFlag: "a.B=flag:1 =unix:/run/a=b", byFile: "f.*=file:1 =file:2"},
		{flag: "allowed-backends", file: `allowed_backends: ["file:*"]`, env: "env:1,env:2", args: []string{"--allowed-backends=flag:1,flag:2", "--allowed-backends=flag:3"},
			get:       func(c *configv1.Config) any { return strings.Join(c.GetAllowedBackends(), " ") },
			byDefault: "127.0.0.1:* localhost:* [::1]:*", byFile: "file:*", byEnv: "env:1 env:2", byFlag: "flag:1 flag:2 flag:3"},
		{flag: "default-access", file: `default_access: AUTHENTICATED`, env: "internal", args: []string{"--default-access=PUBLIC"},
			get:       func(c *configv1.Config) any { return c.GetDefaultAccess().String() },
			byDefault: "DENIED", byFile: "AUTHENTICATED", byEnv: "INTERNAL", byFlag: "PUBLIC"},
		{flag: "dev", file: `dev: true`, env: "false", args: []string{"--dev"},
			get:       func(c *configv1.Config) any { return c.GetDev() },
			byDefault: false, byFile: true, byEnv: false, byFlag: true},
		{flag: "descriptors", file: fmt.Sprintf("source: {descriptors: %q}", dir+"/schema.binpb"), env: dir + "/env.binpb", args: []string{"--descriptors", dir + "/flag.binpb"},
			get:       func(c *configv1.Config) any { return c.GetSource().GetDescriptors() },
			byDefault: "", byFile: dir + "/schema.binpb", byEnv: dir + "/env.binpb", byFlag: dir + "/flag.binpb"},
		{flag: "proto", file: fmt.Sprintf("source: {descriptors: %q}", dir+"/schema.binpb"), env: dir, args: []string{"--proto", other},
			get:       func(c *configv1.Config) any { return c.GetSource().GetProto() },
			byDefault: "", byFile: "", byEnv: dir, byFlag: other},
		{flag: "reflect", file: `source: {reflect: true}`, env: "false", args: []string{"--reflect"}, alsoArgs: []string{"--backend=a:1"},
			get: source, byDefault: "<nil>", byFile: "reflect:true", byEnv: "<nil>", byFlag: "reflect:true"},
	}
}

func load(t *testing.T, environ []string, args ...string) (*configv1.Config, error) {
	t.Helper()
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags := config.BindFlags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return flags.Load(environ)
}

func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"schema.binpb", "env.binpb", "flag.binpb"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "other"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPrecedence sets every setting in every set of layers: the flag wins over the variable, that over the file, that
// over the default.
func TestPrecedence(t *testing.T) {
	dir := folder(t)
	tested := map[string]bool{"config": true} // TestFlags_Config
	for _, s := range settings(dir) {
		tested[s.flag] = true
		t.Run(s.flag, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "gatehouse.yaml")
			if err := os.WriteFile(file, []byte(s.file), 0o600); err != nil {
				t.Fatal(err)
			}
			variable := "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(s.flag, "-", "_")) + "=" + s.env
			for layers := range 8 {
				args, environ, want := append([]string{}, s.alsoArgs...), []string{"HOME=/"}, s.byDefault
				if layers&1 != 0 {
					args, want = append(args, "--config="+file), s.byFile
				}
				if layers&2 != 0 {
					environ, want = append(environ, variable), s.byEnv
				}
				if layers&4 != 0 {
					args, want = append(args, s.args...), s.byFlag
				}
				cfg, err := load(t, environ, args...)
				if err != nil {
					t.Fatalf("%v %v: %v", environ, args, err)
				}
				if got := s.get(cfg); got != want {
					t.Errorf("%v %v gives %v, want %v", environ, args, got, want)
				}
			}
		})
	}
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.BindFlags(set)
	set.VisitAll(func(f *pflag.Flag) {
		if !tested[f.Name] {
			t.Errorf("no test of the precedence of --%s", f.Name)
		}
	})
}

func TestFlags_Config(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"env", "flag"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("data: "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	byEnv := []string{"GATEHOUSE_CONFIG=" + filepath.Join(dir, "env")}
	byFlag := "--config=" + filepath.Join(dir, "flag")
	for _, c := range []struct {
		environ, args []string
		want          string
	}{
		{nil, nil, ""},
		{byEnv, nil, "env"},
		{nil, []string{byFlag}, "flag"},
		{byEnv, []string{byFlag}, "flag"},
		{byEnv, []string{"--config="}, ""},
	} {
		if cfg, err := load(t, c.environ, c.args...); err != nil || cfg.GetData() != c.want {
			t.Errorf("%v %v reads %q, %v, want %q", c.environ, c.args, cfg.GetData(), err, c.want)
		}
	}
}

func TestFlags_Empty(t *testing.T) {
	t.Run("VariableIsNone", func(t *testing.T) {
		cfg, err := load(t, []string{"GATEHOUSE_LISTEN=", "GATEHOUSE_DEV=", "GATEHOUSE_BACKEND=,"})
		if err != nil || cfg.GetListen() != config.Defaults().GetListen() {
			t.Errorf("listen is %q, %v", cfg.GetListen(), err)
		}
	})
	t.Run("FlagTakesAway", func(t *testing.T) {
		cfg, err := load(t, []string{"GATEHOUSE_DATA=env", "GATEHOUSE_BACKEND=a:1"}, "--data=", "--backend=")
		if err != nil || cfg.GetData() != "" || len(cfg.GetBackends()) != 0 {
			t.Errorf("data is %q, backends %v, %v", cfg.GetData(), cfg.GetBackends(), err)
		}
	})
	t.Run("ReflectOffLeavesOtherSources", func(t *testing.T) {
		dir := folder(t)
		cfg, err := load(t, []string{"GATEHOUSE_PROTO=" + dir}, "--reflect=false")
		if err != nil || cfg.GetSource().GetProto() != dir {
			t.Errorf("source is %v, %v", cfg.GetSource(), err)
		}
	})
}

// TestFlags_Errors looks at the place and the text of what is wrong outside of the file.
func TestFlags_Errors(t *testing.T) {
	t.Chdir(folder(t))
	if err := os.WriteFile("open.yaml", []byte("listen: 0.0.0.0:8080\ndata: store\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{"flag value", nil, []string{"--listen=nowhere"},
			`--listen: must be host:port, for example 127.0.0.1:8080; it is "nowhere"`},
		{"variable value", []string{"GATEHOUSE_LISTEN_GRPC=nowhere"}, nil,
			`GATEHOUSE_LISTEN_GRPC: must be host:port, for example 127.0.0.1:9090; it is "nowhere"`},
		{"switch", []string{"GATEHOUSE_DEV=yes"}, []string{"--reflect=on"},
			"GATEHOUSE_DEV: \"yes\" is neither true nor false\n--reflect: \"on\" is neither true nor false"},
		{"level", nil, []string{"--default-access=publi"},
			`--default-access: unknown value "publi"; did you mean PUBLIC? (valid: PUBLIC, DENIED, INTERNAL, AUTHENTICATED)`},
		{"level nobody has", nil, []string{"--default-access=ACCESS_UNSPECIFIED"},
			`--default-access: unknown value "ACCESS_UNSPECIFIED" (valid: AUTHENTICATED, DENIED, PUBLIC, INTERNAL)`},
		{"unknown variable", []string{"GATEHOUSE_LISTNE=127.0.0.1:1"}, nil,
			`GATEHOUSE_LISTNE: unknown variable "GATEHOUSE_LISTNE"; did you mean GATEHOUSE_LISTEN? (valid: GATEHOUSE_LISTEN, GATEHOUSE_DATA, GATEHOUSE_PROTO, GATEHOUSE_LISTEN_GRPC, GATEHOUSE_CONFIG, GATEHOUSE_BACKEND, GATEHOUSE_DEV, GATEHOUSE_LISTEN_ADMIN, GATEHOUSE_REFLECT, GATEHOUSE_ADMIN_KEY, GATEHOUSE_DESCRIPTORS, GATEHOUSE_DEFAULT_ACCESS, GATEHOUSE_ALLOWED_BACKENDS)`},
		{"no target", nil, []string{"--backend=acme.*="},
			`--backend: "acme.*=" names no target; write TARGET or SERVICES=TARGET, for example acme.orders.v1.*=127.0.0.1:50051`},
		{"no services", nil, []string{"--backend==a:1"},
			`--backend: "=a:1" has nothing before =; write SERVICES=TARGET, or TARGET alone for every service`},
		{"target", []string{"GATEHOUSE_BACKEND=a.*=b:1,c"}, nil,
			`GATEHOUSE_BACKEND: "c": the port is missing; write host:port, grpc://host:port, grpcs://host:port or unix:/path`},
		{"two targets for everything", nil, []string{"--backend=a:1", "--backend=b:1"},
			`--backend: b:1 is never used: backends[0] (a:1) takes the same services and comes first`},
		{"two schemas", nil, []string{"--proto=other", "--descriptors=flag.binpb"},
			`--proto: --descriptors and --proto exclude each other; a gateway has one schema`},
		{"two schemas in the environment", []string{"GATEHOUSE_PROTO=other", "GATEHOUSE_REFLECT=true", "GATEHOUSE_BACKEND=a:1"}, nil,
			`GATEHOUSE_REFLECT: GATEHOUSE_PROTO and GATEHOUSE_REFLECT exclude each other; a gateway has one schema`},
		{"file and flag: schema", nil, []string{"--config=open.yaml", "--proto=other"},
			`--proto: a fixed schema and a registry (data, set by open.yaml:2:7) exclude each other; leave one of them out`},
		{"file and flag: dev", nil, []string{"--config=open.yaml", "--dev"},
			`open.yaml:1:9: listen: --dev binds loopback only, and 0.0.0.0:8080 is not a loopback address; use 127.0.0.1, or configure access without dev`},
		{"admin", nil, []string{"--listen-admin=0.0.0.0:9901"},
			`--listen-admin: 0.0.0.0:9901 is not a loopback address: set admin.key_sha256 or tls_admin.client_ca_file, else anyone who reaches it could publish`},
		{"reflect nobody", nil, []string{"--reflect"},
			`--reflect: there is no backend to ask; name one with --backend or backends`},
		{"missing file", nil, []string{"--config=gone.yaml"},
			`gone.yaml: cannot be read: no such file or directory`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := load(t, c.environ, c.args...); err == nil || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// TestFlags_OtherVariables has the variables that are not ours although their names begin like ours, and the ones that
// other verbs read.
func TestFlags_OtherVariables(t *testing.T) {
	_, err := load(t, []string{
		"GATEHOUSE_ADMIN_KEY=secret", "GATEHOUSE=1", "OTHER=2",
		"GATEHOUSE_SERVICE_HOST=10.0.0.1", "GATEHOUSE_SERVICE_PORT=80", "GATEHOUSE_SERVICE_PORT_HTTP=80",
		"GATEHOUSE_PORT=tcp://10.0.0.1:80", "GATEHOUSE_PORT_80_TCP=tcp://10.0.0.1:80", "GATEHOUSE_PORT_80_TCP_PROTO=tcp",
		"GATEHOUSE_PORT_80_TCP_PORT=80", "GATEHOUSE_PORT_80_TCP_ADDR=10.0.0.1", "GATEHOUSE_ADMIN_SERVICE_HOST=10.0.0.1",
	})
	if err != nil {
		t.Error(err)
	}
	if _, err = load(t, []string{"GATEHOUSE_PORTS=80"}); err == nil {
		t.Error("GATEHOUSE_PORTS was taken")
	}
}

func TestFlags_HelpHasDefaults(t *testing.T) {
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.BindFlags(set)
	set.VisitAll(func(f *pflag.Flag) {
		help := pflag.NewFlagSet("", pflag.ContinueOnError)
		help.AddFlag(f)
		if text := help.FlagUsages(); strings.Count(text, "(default") != 1 {
			t.Errorf("help does not name the default once:\n%s", text)
		}
	})
}
