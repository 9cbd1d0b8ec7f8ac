package e2e

import (
	"net/http/httptest"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// differentialConfig takes the budgets away, which are too small for a few hundred requests.
const differentialConfig = `services:
  - {match: "acme.*", quota: {limit: 0}}
  - {match: "acme.library.v1.Library.SearchBooks", quota: {limit: 0}}
`

// TestDifferential gives the generated grpc-gateway and Gatehouse in its ways the same requests, each before backends that are as new.
// There is no difference.
func TestDifferential(t *testing.T) {
	t.Parallel()
	d := newFreshDemo(t)
	peer := grpcGateway(t, d.target)
	requests := append(differentialRequests(t), readRequests(t, "testdata/differential/compat-requests.txt")...)
	t.Logf("%d requests", len(requests))
	if len(requests) < 500 {
		t.Errorf("%d requests, want a few hundred", len(requests))
	}
	gatehouse := differentialGatehouse(t, newShop(t).proto(t), d.target, differentialConfig+"compat: GRPC_GATEWAY\n")
	for _, c := range requests {
		d.renew(t)
		theirs := speakTo(t, peer, c)
		d.renew(t)
		compareSpoken(t, c, theirs, speakTo(t, gatehouse, c))
	}
}

// differentialGatehouse serves a folder with the demo's schema by the real binary.
func differentialGatehouse(t *testing.T, dir, backend, config string) string {
	t.Helper()
	args := append(configFile(t, config), "--dev", "--proto", dir, "--backend", backend)
	return testkit.Serve(t, args...).Public
}

// grpcGateway serves the demo's schema by the generated grpc-gateway with its default settings, but for options.
func grpcGateway(t *testing.T, backend string, options ...runtime.ServeMuxOption) string {
	t.Helper()
	mux := runtime.NewServeMux(options...)
	conn := dialed(t, backend)
	if err := libraryv1.RegisterLibraryHandler(t.Context(), mux, conn); err != nil {
		t.Fatal(err)
	}
	if err := ordersv1.RegisterOrdersHandler(t.Context(), mux, conn); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
