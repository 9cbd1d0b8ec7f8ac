package e2e

import (
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// publish publishes a folder as a module by the command.
func publish(t *testing.T, g *testkit.Gateway, dir, module string, args ...string) {
	t.Helper()
	said := testkit.Run(t, append([]string{"publish", dir, "--module", module, "--admin", g.Admin}, args...)...)
	if said.Code != 0 {
		t.Fatalf("gatehouse publish: exit status %d\n%s\nThe gateway says:\n%s", said.Code, said.Stderr, g.Stderr())
	}
}
