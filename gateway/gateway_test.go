package gateway

import (
	"log/slog"
	"testing"
	"time"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// A request that was cut off at the end of a drain may ask for its table after everything is closed. It must not wait
// for a successor of the last snapshot, which never comes.
func TestAcquireAfterClose(t *testing.T) {
	g := newFixed(t)
	if err := g.close(); err != nil {
		t.Fatal(err)
	}
	acquired := make(chan struct{})
	go func() {
		defer close(acquired)
		table, release := g.acquire(rpc.ListenerPublic)
		defer release()
		if table == nil {
			t.Error("no table")
		}
	}()
	select {
	case <-acquired:
	case <-time.After(soon):
		t.Fatal("acquire spins")
	}
}

// newFixed returns a gateway with a schema of one method, which does not run.
func newFixed(t *testing.T) *Gateway {
	t.Helper()
	cfg := config.WithDefaults(&configv1.Config{Source: &configv1.Source{From: &configv1.Source_Descriptors{
		Descriptors: testkit.Descriptors(t, compiled(t, "service S { rpc Get(M) returns (M); }"))}}})
	g, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return g
}
