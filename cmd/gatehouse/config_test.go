package main

import (
	"os"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (string, string) {
		var out strings.Builder
		cmd := newConfig()
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		if err := cmd.Execute(); err != nil {
			return out.String(), err.Error()
		}
		return out.String(), ""
	}
	write("good.yaml", "listen: 0.0.0.0:8080\n")
	write("bad.yaml", "listn: 0.0.0.0:8080\nbackends: [{target: a:1, tsl: {}}]\n")
	defaults, problem := run("defaults")
	if problem != "" {
		t.Fatal(problem)
	}
	write("defaults.yaml", defaults)

	for _, c := range []struct {
		file, prints, fails string
	}{
		{"good.yaml", "good.yaml: ok\n", ""},
		{"defaults.yaml", "defaults.yaml: ok\n", ""},
		{"bad.yaml", "bad.yaml:1:1: unknown key \"listn\"; did you mean listen?|bad.yaml:2:26: backends[0]: unknown key \"tsl\"; did you mean tls?", "bad.yaml: 2 problems"},
		{"gone.yaml", "gone.yaml: cannot be read: no such file or directory\n", "gone.yaml: one problem"},
	} {
		out, problem := run("check", c.file)
		if problem != c.fails {
			t.Errorf("%s: error %q, want %q", c.file, problem, c.fails)
		}
		wants := strings.Split(c.prints, "|")
		if strings.Count(out, "\n") != len(wants) {
			t.Errorf("%s: prints\n%s", c.file, out)
		}
		for i, line := range strings.SplitAfter(strings.TrimSuffix(out, "\n"), "\n") {
			if i < len(wants) && !strings.HasPrefix(line+"\n", wants[i]) {
				t.Errorf("%s: prints %q, want %q", c.file, line, wants[i])
			}
		}
	}
	for _, setting := range []string{"listen: 127.0.0.1:8080\n", "default_access: DENIED\n", "  drain: 15s\n", "  body_bytes_max: 4194304\n"} {
		if !strings.Contains(defaults, setting) {
			t.Errorf("defaults lack %q:\n%s", setting, defaults)
		}
	}
}
