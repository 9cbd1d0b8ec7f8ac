package e2e

import (
	"context"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// grpcKit is a gateway in front of the demo's backends, called by their generated clients, and one in front of a backend
// that does as it is told. Both are called by grpc-go, on one of their listeners.
type grpcKit struct {
	shop             shop
	demo, scripted   *grpc.ClientConn
	backend          *testkit.Backend
	demoAddress      string
	scriptedCounting *counting
}

// TestGRPC calls Gatehouse by grpc-go on both of its listeners: what a client sees is what it sees of the backend itself.
func TestGRPC(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	dir := s.proto(t)
	sources, err := compile.ReadDir(dir, func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	backend := testkit.NewBackend(t, testkit.Compile(t, sources))
	demo := testkit.Serve(t, append(s.backends(), "--dev", "--proto", dir)...)
	scripted := testkit.Serve(t, "--dev", "--proto", dir, "--backend", backend.Target)
	for name, of := range map[string]func(*testkit.Gateway) string{
		"Internal": func(g *testkit.Gateway) string { return g.GRPC },
		"Public":   func(g *testkit.Gateway) string { return g.Public },
	} {
		counted := &counting{}
		k := &grpcKit{
			shop: s, backend: backend, scriptedCounting: counted, demoAddress: of(demo),
			demo: dialed(t, of(demo)), scripted: dialed(t, of(scripted), grpc.WithStatsHandler(counted)),
		}
		t.Run(name, func(t *testing.T) {
			t.Run("Unary", k.unary)
			t.Run("ServerStream", k.serverStream)
			t.Run("ClientStream", k.clientStream)
			t.Run("Bidi", k.bidi)
			t.Run("Refused", k.refused)
			t.Run("Metadata", k.metadata)
			t.Run("StatusDetails", k.statusDetails)
			t.Run("Deadline", k.deadline)
			t.Run("Cancel", k.cancel)
			t.Run("CancelBidi", k.cancelBidi)
			t.Run("Gzip", k.gzip)
		})
	}
}

func (k *grpcKit) unary(t *testing.T) {
	ask := &libraryv1.GetBookRequest{Name: "shelves/science/books/elements"}
	want, err := libraryv1.NewLibraryClient(dialed(t, k.shop.library)).GetBook(bounded(t), ask)
	if err != nil {
		t.Fatal(err)
	}
	got, err := libraryv1.NewLibraryClient(k.demo).GetBook(bounded(t), ask)
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func (k *grpcKit) serverStream(t *testing.T) {
	stream, err := libraryv1.NewLibraryClient(k.demo).WatchShelf(bounded(t), &libraryv1.WatchShelfRequest{Name: "shelves/science", Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for {
		event, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, event.GetBook().GetName())
	}
	if want := []string{"shelves/science/books/elements", "shelves/science/books/origin"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

func (k *grpcKit) clientStream(t *testing.T) {
	stream, err := ordersv1.NewOrdersClient(k.demo).ImportOrders(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		order := &ordersv1.CreateOrderRequest{Customer: "eve", Email: "eve@example.com", Pickup: true, Items: []*ordersv1.Item{item(1)}}
		if err := stream.Send(order); err != nil {
			t.Fatal(err)
		}
	}
	reply, err := stream.CloseAndRecv()
	if err != nil || reply.GetOrders() != 3 || reply.GetTotalCents() != 3*2017 {
		t.Errorf("got %v (%v), want 3 orders of 2017 cents each", reply, err)
	}
}

// bidi asks again only when it was answered, so messages have to pass both ways at the same time.
func (k *grpcKit) bidi(t *testing.T) {
	stream, err := ordersv1.NewOrdersClient(k.demo).QuoteOrders(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	for quantity := range int32(3) {
		if err := stream.Send(item(quantity + 1)); err != nil {
			t.Fatal(err)
		}
		quote, err := stream.Recv()
		if err != nil || quote.GetPriceCents() != int64(quantity+1)*2017 {
			t.Fatalf("got %v (%v), want %d times 2017", quote, err, quantity+1)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if quote, err := stream.Recv(); err != io.EOF {
		t.Errorf("after the last message: got %v (%v), want the end", quote, err)
	}
}

// bounded returns a context for calls that might hang.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	t.Cleanup(cancel)
	return ctx
}

func item(quantity int32) *ordersv1.Item {
	return &ordersv1.Item{Book: "shelves/a/books/b", Quantity: quantity}
}

// refused compares a backend's refusal with what comes through, and looks at one of Gatehouse's own.
func (k *grpcKit) refused(t *testing.T) {
	ask := &libraryv1.GetBookRequest{Name: "shelves/science/books/none"}
	_, want := libraryv1.NewLibraryClient(dialed(t, k.shop.library)).GetBook(bounded(t), ask)
	var trailer metadata.MD
	_, got := libraryv1.NewLibraryClient(k.demo).GetBook(bounded(t), ask, grpc.Trailer(&trailer))
	if !proto.Equal(status.Convert(got).Proto(), status.Convert(want).Proto()) || status.Code(want) != codes.NotFound {
		t.Errorf("got %v, want %v", got, want)
	}
	if id := trailer.Get("gatehouse-decision-id"); len(id) != 1 || len(id[0]) != 32 {
		t.Errorf("decision id: %q", id)
	}

	_, got = libraryv1.NewLibraryClient(k.demo).GetBook(bounded(t), &libraryv1.GetBookRequest{})
	var violation string
	for _, d := range status.Convert(got).Details() {
		if b, ok := d.(*errdetails.BadRequest); ok {
			violation = b.GetFieldViolations()[0].GetField()
		}
	}
	if status.Code(got) != codes.InvalidArgument || violation != "name" {
		t.Errorf("an invalid request: got %v with a violation of %q, want one of name", got, violation)
	}

	err := k.demo.Invoke(bounded(t), "/acme.library.v1.Library/Nothing", ask, ask)
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("an unknown method: got %v", err)
	}
}

func (k *grpcKit) metadata(t *testing.T) {
	k.backend.Take()
	k.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		if err := s.SetHeader(metadata.Pairs("h-text", "a", "h-text", "b", "h-bytes-bin", "\x00\xff")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("t-text", "c", "t-bytes-bin", "\x01"))
		return s.Send(s.New())
	})
	defer k.backend.Answer(nil)
	sent := metadata.Pairs("c-text", "a", "c-text", "b, c", "c-bytes-bin", "\x00\xff", "under_score", "d")
	var header, trailer metadata.MD
	_, err := libraryv1.NewLibraryClient(k.scripted).ListShelves(metadata.NewOutgoingContext(bounded(t), sent),
		&libraryv1.ListShelvesRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		t.Fatal(err)
	}
	calls := k.backend.Take()
	if len(calls) != 1 {
		t.Fatalf("the backend got %d calls", len(calls))
	}
	has(t, "the backend", calls[0].Metadata, sent)
	has(t, "the header", header, metadata.Pairs("h-text", "a", "h-text", "b", "h-bytes-bin", "\x00\xff"))
	has(t, "the trailer", trailer, metadata.Pairs("t-text", "c", "t-bytes-bin", "\x01"))
}

func has(t *testing.T, who string, got, want metadata.MD) {
	t.Helper()
	for key, values := range want {
		if !slices.Equal(got[key], values) {
			t.Errorf("%s: %s is %q, want %q", who, key, got[key], values)
		}
	}
}

func (k *grpcKit) statusDetails(t *testing.T) {
	want, err := status.New(codes.Aborted, "try \"again\"\nlater, ü").WithDetails(
		&errdetails.RetryInfo{}, &errdetails.ErrorInfo{Reason: "ROUTE_NOT_FOUND", Domain: "gatehouse"})
	if err != nil {
		t.Fatal(err)
	}
	k.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return want.Err() })
	defer k.backend.Answer(nil)
	_, got := libraryv1.NewLibraryClient(k.scripted).ListShelves(bounded(t), &libraryv1.ListShelvesRequest{})
	if !proto.Equal(status.Convert(got).Proto(), want.Proto()) {
		t.Errorf("got %v, want %v", status.Convert(got).Proto(), want.Proto())
	}
}

// untilDone answers when its client has gone, or the time is up, and tells.
func (k *grpcKit) untilDone(t *testing.T) (began, ended <-chan struct{}) {
	b, e := make(chan struct{}), make(chan struct{})
	k.backend.Take()
	k.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		close(b)
		<-s.Context().Done()
		close(e)
		return status.FromContextError(s.Context().Err()).Err()
	})
	t.Cleanup(func() { k.backend.Answer(nil) })
	return b, e
}

func (k *grpcKit) deadline(t *testing.T) {
	began, ended := k.untilDone(t)
	ctx, cancel := context.WithTimeout(bounded(t), time.Second)
	defer cancel()
	_, err := libraryv1.NewLibraryClient(k.scripted).ListShelves(ctx, &libraryv1.ListShelvesRequest{})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	soon(t, "the call reaches the backend", began)
	soon(t, "the backend's call ends", ended)
	if calls := k.backend.Take(); len(calls) != 1 || calls[0].Left <= 0 || calls[0].Left > time.Second {
		t.Errorf("the backend got %+v, want one call with up to a second left", calls)
	}
}

func (k *grpcKit) cancel(t *testing.T) {
	began, ended := k.untilDone(t)
	ctx, cancel := context.WithCancel(bounded(t))
	result := make(chan error, 1)
	go func() {
		_, err := libraryv1.NewLibraryClient(k.scripted).ListShelves(ctx, &libraryv1.ListShelvesRequest{})
		result <- err
	}()
	soon(t, "the call reaches the backend", began)
	cancel()
	soon(t, "the backend's call ends", ended)
	if err := <-result; status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}

// cancelBidi cancels while both sides wait for each other.
func (k *grpcKit) cancelBidi(t *testing.T) {
	ctx, cancel := context.WithCancel(bounded(t))
	stream, err := ordersv1.NewOrdersClient(k.demo).QuoteOrders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(item(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}

func soon(t *testing.T, what string, happened <-chan struct{}) {
	t.Helper()
	select {
	case <-happened:
	case <-time.After(longest):
		t.Fatalf("%s: not within %v", what, longest)
	}
}

// gzip sends a compressed request, and gets a compressed reply for it.
func (k *grpcKit) gzip(t *testing.T) {
	k.backend.Take()
	k.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		reply := s.New()
		wire, err := proto.Marshal(&libraryv1.ListBooksResponse{NextPageToken: repeated})
		if err == nil {
			err = proto.Unmarshal(wire, reply)
		}
		if err != nil {
			return err
		}
		return s.Send(reply)
	})
	defer k.backend.Answer(nil)
	k.scriptedCounting.out.Store(0)
	k.scriptedCounting.in.Store(0)
	reply, err := libraryv1.NewLibraryClient(k.scripted).ListBooks(bounded(t),
		&libraryv1.ListBooksRequest{PageToken: repeated}, grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	if reply.GetNextPageToken() != repeated {
		t.Errorf("the reply has %d bytes, want %d", len(reply.GetNextPageToken()), len(repeated))
	}
	calls := k.backend.Take()
	if len(calls) != 1 {
		t.Fatalf("the backend got %d calls", len(calls))
	}
	wire, _ := proto.Marshal(calls[0].Requests[0])
	if len(wire) < len(repeated) {
		t.Errorf("the backend got %d bytes, want more than %d", len(wire), len(repeated))
	}
	if out, in := k.scriptedCounting.out.Load(), k.scriptedCounting.in.Load(); out == 0 || out > 1000 || in == 0 || in > 1000 {
		t.Errorf("the request took %d bytes on the wire, the reply %d; want both compressed", out, in)
	}
}

// repeated is a text that compresses well.
var repeated = string(slices.Repeat([]byte("again "), 2000))

// counting keeps how many bytes the last messages took on the wire.
type counting struct{ in, out atomic.Int64 }

func (c *counting) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *counting) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *counting) HandleConn(context.Context, stats.ConnStats)                       {}
func (c *counting) HandleRPC(_ context.Context, s stats.RPCStats) {
	switch s := s.(type) {
	case *stats.InPayload:
		c.in.Store(int64(s.CompressedLength))
	case *stats.OutPayload:
		c.out.Store(int64(s.CompressedLength))
	}
}
