package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// crashes is how often the gateway is killed.
const crashes = 10

// crashWithin bounds the moment, after the first publish of a round: time for a few more.
func crashWithin() time.Duration {
	if testkit.Race() {
		return 500 * time.Millisecond
	}
	return 150 * time.Millisecond
}

// TestCrashInMidPublish kills the gateway with SIGKILL while it is being published to, at random moments. After each
// start it serves the last revision that a publisher was told of, or the next one, and nothing of any other.
func TestCrashInMidPublish(t *testing.T) {
	data := t.TempDir()
	acknowledged := 0
	inMid := 0
	for round := range crashes + 1 {
		g := testkit.Serve(t, "--data", data, "--default-access", "PUBLIC")
		served := revisionServed(t, g, acknowledged)
		if served != acknowledged && (round == 0 || served != acknowledged+1) {
			t.Fatalf("round %d: revision %d is served, want %d or %d", round, served, acknowledged, acknowledged+1)
		}
		if served > acknowledged {
			inMid++
		}
		if round < crashes {
			acknowledged = publishUntilKilled(t, g, served)
		}
	}
	t.Logf("%d revisions were published; %d of %d crashes came after a revision was stored and before its publisher was told",
		acknowledged, inMid, crashes)
}

// publishUntilKilled publishes one revision after the other, each with a route of its own, and kills the gateway
// meanwhile. It returns the last revision that was acknowledged.
func publishUntilKilled(t *testing.T, g *testkit.Gateway, from int) int {
	t.Helper()
	registry := registryv1.NewRegistryClient(dialed(t, g.Admin))
	padding := strings.Repeat("// Enough to make a write take a while.\n", 5000)
	publish := func(n int) error {
		source := service("crash.v1", fmt.Sprintf(`get: "/v1/revision/%d"`, n), padding)
		_, err := registry.PublishModule(t.Context(), &registryv1.PublishModuleRequest{
			Module: "acme/crash", Files: []*registryv1.File{{Path: "crash.proto", Content: source}},
		})
		return err
	}
	if err := publish(from + 1); err != nil {
		t.Fatal(err)
	}
	killed := make(chan struct{})
	time.AfterFunc(rand.N(crashWithin()), func() { g.Kill(t); close(killed) })
	n := from + 1
	err := publish(n + 1)
	for ; err == nil; err = publish(n + 1) {
		n++
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("before it was killed: %v", err)
	}
	<-killed
	return n
}

// revisionServed returns the one revision whose route is there, 0 if none was ever published.
func revisionServed(t *testing.T, g *testkit.Gateway, about int) int {
	t.Helper()
	modules, err := registryv1.NewRegistryClient(dialed(t, g.Admin)).ListModules(t.Context(), &registryv1.ListModulesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(modules.GetModules()) == 0 && about == 0 {
		return 0
	}
	found := 0
	for n := max(about-1, 1); n <= about+2; n++ {
		// There is no backend: what is routed is UNAVAILABLE.
		switch r := fetch(t, "GET", fmt.Sprintf("http://%s/v1/revision/%d", g.Public, n), ""); {
		case r.StatusCode == 503 && failureOf(t, r).reason() == "BACKEND_MISSING" && found == 0:
			found = n
		case r.StatusCode != 404:
			t.Fatalf("route of revision %d, with %d served: %d %s", n, found, r.StatusCode, r.Text)
		}
	}
	if found == 0 {
		t.Fatalf("neither the old revision %d nor the new one is served", about)
	}
	return found
}
