package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	librarygw "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/library/v1"
	ordersgw "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/orders/v1"
	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// talker is a backend that says in headers, trailers, details and streams what its callers want, and what metadata it got.
type talker struct {
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
func (talker) GetBook(ctx context.Context, r *libraryv1.GetBookRequest) (*libraryv1.Book, error) {
	switch r.GetName() {
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
	for _, key := range slices.Sorted(maps.Keys(md)) {
		switch { // Gatehouse gives backends other headers by their own names, too
		case strings.HasPrefix(key, "grpcgateway-"), strings.HasPrefix(key, "x-forwarded-"),
			key == "authorization", key == "foo", key == "x-tenant", key == "data-bin":
			b.Labels[key] = fmt.Sprintf("%q", md[key])
		}
	}
	if _, has := ctx.Deadline(); has {
		b.Archived = true
	}
	return b, nil
}

// WatchShelf sends as many events as the shelf's name has letters, and then perhaps fails.
func (talker) WatchShelf(r *libraryv1.WatchShelfRequest, ss libraryv1.Library_WatchShelfServer) error {
	if r.GetLimit() != 7 {
		talk(ss.Context())
	}
	for range len(strings.TrimPrefix(r.GetName(), "shelves/")) - 1 {
		if err := ss.Send(&libraryv1.ShelfEvent{Kind: 1}); err != nil {
			return err
		}
	}
	if r.GetLimit() > 5 {
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
	libraryv1.RegisterLibraryServer(server, talker{})
	ordersv1.RegisterOrdersServer(server, talker{})
	target, _ := serveOn(t, "127.0.0.1:0", server)
	mux := runtime.NewServeMux(runtime.WithLegacyHeaderMatching())
	conn := dialed(t, target)
	if err := librarygw.RegisterLibraryHandler(t.Context(), mux, conn); err != nil {
		t.Fatal(err)
	}
	if err := ordersgw.RegisterOrdersHandler(t.Context(), mux, conn); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	peer := web.Listener.Addr().String()
	args := append(configFile(t, "compat: GRPC_GATEWAY\n"+strings.ReplaceAll(differentialConfig, "quota:", "timeout: 0s, quota:")), "--dev", "--proto", newShop(t).proto(t), "--backend", target)
	gatehouse := testkit.Serve(t, args...).Public
	requests := readRequests(t, "testdata/differential/compat-headers.txt")
	for _, c := range requests {
		theirs, ours := talkedTo(t, peer, c), talkedTo(t, gatehouse, c)
		if theirs != ours {
			t.Errorf("%s\ngrpc-gateway:\n%s\ngatehouse:\n%s", requestText(c), theirs, ours)
		}
	}
	if len(requests) < 30 {
		t.Errorf("%d requests", len(requests))
	}
}

// talkedTo is what a client sees of an answer, without what Gatehouse adds.
func talkedTo(t *testing.T, address string, c testCase) string {
	t.Helper()
	r := testkit.Raw(t, address, c.verb, c.wire())
	var b strings.Builder
	fmt.Fprintln(&b, r.StatusCode)
	for _, h := range []http.Header{r.Header, r.Trailer} {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			if name == "Content-Type" || strings.HasPrefix(name, "Grpc-") && name != "Grpc-Metadata-Content-Type" { // which grpc-go adds
				fmt.Fprintln(&b, name, h[name])
			}
		}
		fmt.Fprintln(&b)
	}
	lines := jsonLines(plain(r.Text))
	if lines == nil {
		lines = []string{fmt.Sprintf("%q", r.Text)}
	}
	if e := errorOf(lines[0]); e != nil && r.StatusCode == 400 && !strings.Contains(r.Text, "it fails") { // of a wrong request the words may differ
		lines = []string{e.code}
	}
	fmt.Fprintln(&b, strings.Join(lines, "\n"), strings.HasSuffix(r.Text, "\n"))
	return b.String()
}
