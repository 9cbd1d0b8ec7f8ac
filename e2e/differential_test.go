package e2e

import (
	"flag"
	"net/http/httptest"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

var update = flag.Bool("update", false, "write the answers of this run into the differences that are listed")

// differentialConfig takes the budgets away, which are too small for a few hundred requests.
const differentialConfig = `services:
  - {match: "acme.*", quota: {limit: 0}}
  - {match: "acme.library.v1.Library.SearchBooks", quota: {limit: 0}}
`

// TestDifferential gives the generated grpc-gateway and Gatehouse the same requests, each before backends that are as
// new. Where their answers differ, testdata/differential/grpc-gateway.txt has the request, both answers, and the line of
// docs/semantics.md that decides; an entry that is not true any more is an error too.
func TestDifferential(t *testing.T) {
	t.Parallel()
	d := newFreshDemo(t)
	peer := grpcGateway(t, d)
	requests := append(differentialRequests(t), readRequests(t, "testdata/differential/compat-requests.txt")...)
	t.Logf("%d requests", len(requests))
	if len(requests) < 500 {
		t.Errorf("%d requests, want a few hundred", len(requests))
	}
	gatehouse := differentialGatehouse(t, d, newShop(t).proto(t), differentialConfig+"compat: GRPC_GATEWAY\n")
	found := compareGateways(t, d, requests, gatehouse, func(c testCase) reply { return ask(t, peer, c) })
	const file, name = "testdata/differential/grpc-gateway.txt", "grpc-gateway"
	listed := readDifferences(t, file, name)
	if *update {
		writeDifferences(t, file, name, listed, found)
		return
	}
	checkDifferences(t, listed, found)
}

// compareGateways sends each request to a peer and to Gatehouse, and returns where the answers differ.
func compareGateways(t *testing.T, d *freshDemo, requests []testCase, gatehouse string, peer func(testCase) reply) (found []difference) {
	t.Helper()
	for _, c := range requests {
		d.renew(t)
		theirs := peer(c)
		d.renew(t)
		ours := ask(t, gatehouse, c)
		if !theirs.agrees(ours) {
			found = append(found, difference{request: requestText(c), theirs: theirs.String(), ours: ours.String()})
		}
	}
	return found
}

// differentialGatehouse serves a folder with the demo's schema by the real binary.
func differentialGatehouse(t *testing.T, d *freshDemo, dir, config string) string {
	t.Helper()
	args := append(configFile(t, config), "--dev", "--proto", dir, "--backend", d.target)
	return testkit.Serve(t, args...).Public
}

// grpcGateway serves the demo's schema by the generated grpc-gateway with its default settings.
func grpcGateway(t *testing.T, d *freshDemo) string {
	t.Helper()
	mux := runtime.NewServeMux()
	conn := dialed(t, d.target)
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
