package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

const (
	callsPerSecond = 200
	// grpcEvery says which of the calls are made by gRPC.
	grpcEvery = 5
	// callersMax bounds the calls in flight; more means that the machine does not keep up, and calls are made later.
	callersMax = 64
	// firstAnswerMax is far above the promise of a second, because what else the machine does is not known.
	firstAnswerMax = 10 * time.Second
)

// TestPublishUnderLoad publishes changed content again and again while calls are made: no call fails, and each new
// route answers as soon as its publish has returned.
func TestPublishUnderLoad(t *testing.T) {
	publishes := 50
	if testkit.Race() {
		publishes = 8
	}
	s := newShop(t)
	g := testkit.Serve(t, "--data", t.TempDir(), "--default-access", "PUBLIC", "--backend", s.library)
	registry := registryv1.NewRegistryClient(dialed(t, g.Admin))
	publish := func(n int) {
		if _, err := registry.PublishModule(t.Context(), largeModule(n)); err != nil {
			t.Fatal(err)
		}
	}
	p := &publisher{shop: s, gateway: g}
	succeeds(t, p.run(t, "publish", s.librarySrc, "--module", "acme/library"))
	publish(0)

	load := startLoad(t, g)
	var took, toFirst []time.Duration
	for n := 1; n <= publishes; n++ {
		began := time.Now()
		publish(n)
		returned := time.Now()
		// The backend does not know the method, and says so: the route is there.
		r := fetch(t, "GET", fmt.Sprintf("http://%s/v1/large/0/%d", g.Public, n), "")
		if r.StatusCode != http.StatusNotImplemented {
			t.Fatalf("publish %d has returned, and its route answers %d %s", n, r.StatusCode, r.Text)
		}
		took, toFirst = append(took, returned.Sub(began)), append(toFirst, time.Since(returned))
	}
	calls := load.stop()
	t.Logf("%d publishes of a module of 20 files: p50 %v, p99 %v; from there to the first answer: p50 %v, p99 %v; %d calls meanwhile",
		publishes, percentile(took, 50), percentile(took, 99), percentile(toFirst, 50), percentile(toFirst, 99), calls)
	if p99 := percentile(toFirst, 99); p99 > firstAnswerMax && !testkit.Race() {
		t.Errorf("p99 of the first answer is %v", p99)
	}
	if calls < publishes {
		t.Errorf("%d calls are no load", calls)
	}
}

// largeModule is a module of 20 files that import each other, whose routes all change with n.
func largeModule(n int) *registryv1.PublishModuleRequest {
	req := &registryv1.PublishModuleRequest{Module: "acme/large"}
	for i := range 20 {
		imported := ""
		if i > 0 {
			imported = fmt.Sprintf("import \"large%d.proto\";\n", i-1)
		}
		req.Files = append(req.Files, &registryv1.File{Path: fmt.Sprintf("large%d.proto", i), Content: fmt.Sprintf(`syntax = "proto3";
package large.v1;
import "google/api/annotations.proto";
import "buf/validate/validate.proto";
%[3]smessage Item%[1]d {
  string id = 1 [(buf.validate.field).string.max_len = 100];
  int64 size = 2 [(buf.validate.field).int64.gte = 0];
  repeated string tags = 3 [(buf.validate.field).repeated.max_items = %[4]d];
}
service Items%[1]d {
  rpc Get(Item%[1]d) returns (Item%[1]d) { option (google.api.http) = {get: "/v1/large/%[1]d/%[2]d"}; }
  rpc Put(Item%[1]d) returns (Item%[1]d) { option (google.api.http) = {put: "/v1/large/%[1]d/%[2]d/{id}" body: "*"}; }
}
`, i, n, imported, n+1)})
	}
	return req
}

func percentile(all []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[(len(sorted)-1)*p/100].Round(10 * time.Microsecond)
}

// calling is a load of calls that must all succeed.
type calling struct {
	cancel context.CancelFunc
	ended  sync.WaitGroup
	made   atomic.Int64
}

func startLoad(t *testing.T, g *testkit.Gateway) *calling {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &calling{cancel: cancel}
	transport := &http.Transport{MaxIdleConnsPerHost: callersMax}
	t.Cleanup(transport.CloseIdleConnections)
	rest := &http.Client{Transport: transport, Timeout: longest}
	conns := []grpc.ClientConnInterface{dialed(t, g.Public), dialed(t, g.GRPC)}
	turns := make(chan int)
	for range callersMax {
		l.ended.Go(func() {
			for n := range turns {
				var err error
				if n%grpcEvery == 0 {
					err = callGRPC(conns[n/grpcEvery%len(conns)])
				} else {
					err = callREST(rest, g.Public)
				}
				if err != nil {
					t.Errorf("call %d: %v", n, err)
				}
				l.made.Add(1)
			}
		})
	}
	l.ended.Go(func() {
		defer close(turns)
		tick := time.NewTicker(time.Second / callsPerSecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
				turns <- n
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { l.stop() })
	return l
}

// stop ends the load, waits for the calls that run, and returns how many there were.
func (l *calling) stop() int {
	l.cancel()
	l.ended.Wait()
	return int(l.made.Load())
}

func callREST(client *http.Client, address string) error {
	resp, err := client.Get("http://" + address + "/v1/shelves/science/books/origin")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", resp.Status, text)
	}
	return err
}

func callGRPC(conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	_, err := libraryv1.NewLibraryClient(conn).GetBook(ctx, &libraryv1.GetBookRequest{Name: "shelves/science/books/origin"})
	return err
}
