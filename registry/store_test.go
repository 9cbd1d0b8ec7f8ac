package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestNewServesWhatIsStored(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	first, err := registry.New(t.Context(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Publish(t.Context(), module("acme/orders", ordersPath, orders, moneyPath, money)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir)
	g := &gateway{}
	again, err := registry.New(t.Context(), options(s), g.check)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.live.Files.Services(); len(got) != 1 || g.live.Owner(ordersPath) == nil || !proto.Equal(again.Current(), first.Current()) {
		t.Errorf("live: %v", got)
	}
}

func TestNewRefusesWhatDoesNotLoad(t *testing.T) {
	s := openStore(t, t.TempDir())
	if _, err := newOn(t, s).Publish(t.Context(), module("acme/money", moneyPath, money)); err != nil {
		t.Fatal(err)
	}
	before, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	g := &gateway{refusal: rpc.Errorf(codes.FailedPrecondition, "ROUTE_CONFLICT", "GET /v1 twice")}
	if _, err := registry.New(t.Context(), options(s), g.check); err == nil || !strings.Contains(err.Error(), "revision 1 does not load: GET /v1 twice") {
		t.Errorf("gateway refuses: %v", err)
	}
	strict := options(s)
	strict.Allowed = nil
	if _, err := registry.New(t.Context(), strict); err == nil || !strings.Contains(err.Error(), "module acme/money may not send its calls to "+backend) {
		t.Errorf("backend no longer allowed: %v", err)
	}
	broken := proto.CloneOf(before)
	broken.Number++
	broken.Descriptors = []byte("no descriptors")
	if err := s.Save(t.Context(), broken, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.New(t.Context(), options(s)); err == nil || !strings.Contains(err.Error(), "revision 2 does not load") {
		t.Errorf("descriptors that do not link: %v", err)
	}
	if after, err := s.Load(t.Context()); err != nil || !proto.Equal(after, broken) {
		t.Errorf("the store was touched: %v", err)
	}
}

// newOn opens another registry on a store, as another gateway would.
func newOn(t *testing.T, s store.Store, checks ...registry.Check) *registry.Registry {
	t.Helper()
	r, err := registry.New(t.Context(), options(s), checks...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunServesWhatOthersPublish(t *testing.T) {
	s := openStore(t, t.TempDir())
	live := make(chan int64, 10)
	refused := make(chan int64, 1)
	here := newOn(t, s, func(ctx context.Context, c *registry.Candidate) (registry.Verdict, error) {
		number := c.Revision.GetNumber()
		if number == 3 {
			refused <- number
			return registry.Verdict{}, errors.New("not here")
		}
		return registry.Verdict{Live: func() {
			if number > 0 {
				live <- number
			}
		}}, nil
	})
	there := newOn(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- here.Run(ctx) }()

	publish := func(text string) {
		t.Helper()
		if _, err := there.Publish(t.Context(), module("acme/money", moneyPath, money+text)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want int64) {
		t.Helper()
		if got := <-live; got != want {
			t.Errorf("revision %d went live, not %d", got, want)
		}
	}
	if _, err := here.Publish(t.Context(), module("acme/own", "own.proto", "syntax = \"proto3\";")); err != nil {
		t.Fatal(err)
	}
	expect(1) // and not again when the store tells of it
	publish("")
	expect(2)
	publish("message A {}")
	<-refused // and the one before goes on serving
	publish("message B {}")
	expect(4)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := here.Current().GetNumber(); got != 4 || len(live) != 0 {
		t.Errorf("revision %d serves", got)
	}
}

func TestUnchangedServesWhatAnotherGatewayStored(t *testing.T) {
	s := openStore(t, t.TempDir())
	g := &gateway{}
	here, there := newOn(t, s, g.check), newOn(t, s)
	if _, err := there.Publish(t.Context(), module("acme/money", moneyPath, money)); err != nil {
		t.Fatal(err)
	}
	resp, err := here.Publish(t.Context(), module("acme/money", moneyPath, money))
	if err != nil || resp.GetChanged() || resp.GetRevision() != 1 || g.live.Revision.GetNumber() != 1 {
		t.Errorf("got %v, %v; revision %d is live", resp, err, g.live.Revision.GetNumber())
	}
}

// meddler is a store in which somebody else is faster, for a number of times; then it fails, if it is told to.
type meddler struct {
	store.Store
	faster  int
	failure error
}

func (m *meddler) Save(ctx context.Context, next *registryv1.Revision, expect int64) error {
	if m.faster > 0 {
		m.faster--
		other := proto.CloneOf(next)
		other.Modules = nil
		other.Descriptors = nil
		if err := m.Store.Save(ctx, other, expect); err != nil {
			return err
		}
	} else if m.failure != nil {
		return m.failure
	}
	return m.Store.Save(ctx, next, expect)
}

func TestPublishIsMadeAgainAfterAConflict(t *testing.T) {
	for _, test := range []struct {
		faster int
		want   int64
		reason string
	}{{3, 4, ""}, {100, 10, "PUBLISH_CONFLICT"}} {
		m := &meddler{Store: openStore(t, t.TempDir()), faster: test.faster}
		_, err := newOn(t, m).Publish(t.Context(), module("acme/money", moneyPath, money))
		stored, loadErr := m.Load(t.Context())
		if reason(err) != test.reason || stored.GetNumber() != test.want || loadErr != nil {
			t.Errorf("%d conflicts: %v; revision %d is stored (%v)", test.faster, err, stored.GetNumber(), loadErr)
		}
	}
}

func TestStoreFailureChangesNothingThatServes(t *testing.T) {
	m := &meddler{Store: openStore(t, t.TempDir()), failure: errors.New("disk /secret is full")}
	g := &gateway{}
	r := newOn(t, m, g.check)
	_, err := r.Publish(t.Context(), module("acme/money", moneyPath, money))
	own, ok := errors.AsType[*rpc.Error](err)
	if !ok || own.Reason() != "STORE_FAILED" || strings.Contains(own.Message(), "secret") || !errors.Is(err, m.failure) {
		t.Errorf("got %v", err)
	}
	if g.lives != 1 || r.Current().GetNumber() != 0 {
		t.Error("it serves all the same")
	}
}

func TestOpenStore(t *testing.T) {
	dir := t.TempDir()
	openStore(t, "file://"+dir)
	if _, err := registry.OpenStore(dir); err == nil || !strings.Contains(err.Error(), "another gatehouse uses "+dir) {
		t.Errorf("the same folder by another name: %v", err)
	}
	for _, address := range []string{"", "redis://x"} {
		if _, err := registry.OpenStore(address); err == nil {
			t.Errorf("%q is a store", address)
		}
	}
}
