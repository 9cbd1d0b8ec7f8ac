package e2e

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
)

// talker is a backend that says in headers, trailers, details and streams what its callers want, and what metadata it got.
type talker struct {
	hang chan struct{} // until it is closed nothing is answered that is asked to wait
	libraryv1.UnimplementedLibraryServer
	ordersv1.UnimplementedOrdersServer
}

func talkedOut() error {
	st, err := status.New(codes.Code(9), "it fails, \"quoted\"\nand so on").WithDetails(
		&errdetails.ErrorInfo{Reason: "R"}, &errdetails.BadRequest{}, wrapperspb.Int64(7))
	if err != nil {
		return err
	}
	return st.Err()
}

func talk(ctx context.Context) {
	_ = grpc.SetHeader(ctx, metadata.Pairs("x-head", "1", "x-head", "2", "set-cookie", "a=b", "location", "/x", "www-authenticate", "w"))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "3", "x-tail", "4", "server", "s"))
}

// GetBook says as labels which metadata it got.
func (k talker) GetBook(ctx context.Context, r *libraryv1.GetBookRequest) (*libraryv1.Book, error) {
	switch r.GetName() {
	case "shelves/a/books/hangs":
		<-k.hang
	case "shelves/a/books/silent":
		return nil, talkedOut()
	case "shelves/a/books/fails":
		talk(ctx)
		return nil, talkedOut()
	case "shelves/a/books/short": // grpc-gateway writes details as bytes into a trailer, which nobody can read
		talk(ctx)
		return nil, status.Error(codes.AlreadyExists, "short")
	case "shelves/a/books/unauthenticated":
		return nil, status.Error(codes.Unauthenticated, "who are you")
	}
	talk(ctx)
	b := &libraryv1.Book{Name: r.GetName(), Labels: map[string]string{}}
	md, _ := metadata.FromIncomingContext(ctx)
	for key := range md {
		switch key { // those of the connection, and what only Gatehouse says
		case ":authority", "content-type", "user-agent", "grpc-accept-encoding", "gatehouse-decision-id", "gatehouse-principal":
		default:
			b.Labels[key] = fmt.Sprintf("%q", md[key])
		}
	}
	if _, has := ctx.Deadline(); has {
		b.Archived = true
	}
	return b, nil
}

// WatchShelf sends as many events as the shelf's name has letters, and then perhaps fails.
func (k talker) WatchShelf(r *libraryv1.WatchShelfRequest, ss libraryv1.Library_WatchShelfServer) error {
	if r.GetLimit() == 9 {
		<-k.hang
	}
	if r.GetLimit() != 7 {
		talk(ss.Context())
	}
	for range len(strings.TrimPrefix(r.GetName(), "shelves/")) - 1 {
		if err := ss.Send(&libraryv1.ShelfEvent{Kind: 1}); err != nil {
			return err
		}
	}
	switch limit := r.GetLimit(); {
	case limit == 8:
		return status.Error(codes.Unauthenticated, "who are you")
	case limit > 5:
		return talkedOut()
	}
	return nil
}

// ImportOrders counts.
func (talker) ImportOrders(ss ordersv1.Orders_ImportOrdersServer) error {
	talk(ss.Context())
	reply := &ordersv1.ImportOrdersResponse{}
	for {
		m, err := ss.Recv()
		if err == io.EOF {
			return ss.SendAndClose(reply)
		}
		if err != nil {
			return err
		}
		if m.GetCustomer() == "fails" {
			return talkedOut()
		}
		reply.Orders++
		reply.TotalCents = 100*reply.TotalCents + int64(len(m.GetCustomer()))
	}
}

// QuoteOrders answers each item.
func (talker) QuoteOrders(ss ordersv1.Orders_QuoteOrdersServer) error {
	talk(ss.Context())
	for {
		m, err := ss.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if m.GetQuantity() == 9 {
			return talkedOut()
		}
		if err := ss.Send(&ordersv1.Quote{Item: m}); err != nil {
			return err
		}
	}
}

// TestDifferentialHeaders compares what backends and clients get to see of each other, through grpc-gateway and through
// Gatehouse in its ways: metadata, time limits, headers, trailers, details of errors, and streams that fail.
func TestDifferentialHeaders(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	backend := talker{hang: make(chan struct{})}
	libraryv1.RegisterLibraryServer(server, backend)
	ordersv1.RegisterOrdersServer(server, backend)
	target, _ := serveOn(t, "127.0.0.1:0", server)
	t.Cleanup(func() { close(backend.hang) })
	peer := grpcGateway(t, target, runtime.WithLegacyHeaderMatching())
	gatehouse := differentialGatehouse(t, newShop(t).proto(t), target, "compat: GRPC_GATEWAY\n"+strings.ReplaceAll(differentialConfig, "quota:", "timeout: 0s, quota:"))
	requests := readRequests(t, "testdata/differential/compat-headers.txt")
	for _, c := range requests {
		compareSpoken(t, c, speakTo(t, peer, c), speakTo(t, gatehouse, c))
	}
	if len(requests) < 30 {
		t.Errorf("%d requests", len(requests))
	}
}

// TestDifferentialNobody is about requests that no backend answers.
func TestDifferentialNobody(t *testing.T) {
	t.Parallel()
	const nobody = "127.0.0.1:1"
	peer := grpcGateway(t, nobody)
	gatehouse := differentialGatehouse(t, newShop(t).proto(t), nobody, "compat: GRPC_GATEWAY\n"+differentialConfig)
	for _, r := range demoRoutes() {
		c := r.request(r.verb, r.path, r.query, r.body)
		compareSpoken(t, c, speakTo(t, peer, c), speakTo(t, gatehouse, c))
	}
	for _, method := range []string{"ImportOrders", "QuoteOrders"} {
		c := testCase{verb: "POST", target: "/acme.orders.v1.Orders/" + method, body: `{"book":"shelves/a/books/b","quantity":1}`, hasBody: true}
		compareSpoken(t, c, speakTo(t, peer, c), speakTo(t, gatehouse, c))
	}
}
