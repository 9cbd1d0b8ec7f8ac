package demo

import (
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
)

// connect serves a module until the test ends and returns a connection to it.
func connect(t *testing.T, m Module) *grpc.ClientConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- m.Server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		m.Server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return conn
}

func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestModules(t *testing.T) {
	for i, want := range []struct{ name, source string }{
		{"acme/library", "acme/library/v1/library.proto"}, {"acme/orders", "acme/orders/v1/orders.proto"},
	} {
		m := Modules()[i]
		if paths := slices.Sorted(maps.Keys(m.Sources)); m.Name != want.name || !slices.Equal(paths, []string{want.source}) {
			t.Errorf("module %s has %q, want %s with %s", m.Name, paths, want.name, want.source)
		}
		if !strings.Contains(m.Sources[want.source], "\nsyntax = \"proto3\";\n") {
			t.Errorf("%s is no source", want.source)
		}
	}
}

func TestLibrary(t *testing.T) {
	library := libraryv1.NewLibraryClient(connect(t, Modules()[0]))
	ctx := t.Context()
	const annals = "shelves/history/books/annals"
	create := &libraryv1.CreateBookRequest{Parent: "shelves/history", BookId: "annals", Book: &libraryv1.Book{Title: "Annals", Pages: 3}}

	watch, err := library.WatchShelf(ctx, &libraryv1.WatchShelfRequest{Name: "shelves/history", Limit: 5})
	if err != nil {
		t.Fatal(err)
	}
	present, err := watch.Recv()
	if err != nil || present.GetKind() != libraryv1.ShelfEvent_KIND_PRESENT {
		t.Fatalf("%v, %v", present, err)
	}
	if book, err := library.CreateBook(ctx, create); err != nil || book.GetName() != annals {
		t.Errorf("create: %v, %v", book, err)
	}
	_, err = library.CreateBook(ctx, create)
	wantCode(t, err, codes.AlreadyExists)
	book, err := library.UpdateBook(ctx, &libraryv1.UpdateBookRequest{
		Book:       &libraryv1.Book{Name: annals, Pages: 4, Title: "not in the mask"},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"pages", "isbn"}},
	})
	if err != nil || book.GetPages() != 4 || book.GetTitle() != "Annals" {
		t.Errorf("update: %v, %v", book, err)
	}
	for _, path := range []string{"name", "nothing", "pages.x"} {
		_, err = library.UpdateBook(ctx, &libraryv1.UpdateBookRequest{Book: &libraryv1.Book{Name: annals}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{path}}})
		wantCode(t, err, codes.InvalidArgument)
	}
	if book, err := library.ArchiveBook(ctx, &libraryv1.ArchiveBookRequest{Name: annals, Reason: "worn"}); err != nil || book.GetLabels()["archived"] != "worn" {
		t.Errorf("archive: %v, %v", book, err)
	}
	_, err = library.ArchiveBook(ctx, &libraryv1.ArchiveBookRequest{Name: annals})
	wantCode(t, err, codes.FailedPrecondition)
	if _, err := library.DeleteBook(ctx, &libraryv1.DeleteBookRequest{Name: annals}); err != nil {
		t.Error(err)
	}
	_, err = library.GetBook(ctx, &libraryv1.GetBookRequest{Name: annals})
	wantCode(t, err, codes.NotFound)
	for _, want := range []libraryv1.ShelfEvent_Kind{
		libraryv1.ShelfEvent_KIND_ADDED, libraryv1.ShelfEvent_KIND_CHANGED, libraryv1.ShelfEvent_KIND_CHANGED, libraryv1.ShelfEvent_KIND_REMOVED,
	} {
		if e, err := watch.Recv(); err != nil || e.GetKind() != want || e.GetBook().GetName() != annals {
			t.Errorf("%v, %v; want %v", e, err, want)
		}
	}
	if _, err := watch.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after five events: %v", err)
	}
}

func TestLibraryPages(t *testing.T) {
	library := libraryv1.NewLibraryClient(connect(t, Modules()[0]))
	var names []string
	request := &libraryv1.ListBooksRequest{PageSize: 2}
	for range 3 {
		page, err := library.ListBooks(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range page.GetBooks() {
			names = append(names, b.GetName())
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			break
		}
	}
	want := []string{"shelves/history/books/histories", "shelves/science/books/elements", "shelves/science/books/origin"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
	_, err := library.ListBooks(t.Context(), &libraryv1.ListBooksRequest{Parent: "shelves/none"})
	wantCode(t, err, codes.NotFound)
}

func TestOrders(t *testing.T) {
	orders := ordersv1.NewOrdersClient(connect(t, Modules()[1]))
	ctx := t.Context()
	item := &ordersv1.Item{Book: "shelves/a/books/b", Quantity: 2}
	order, err := orders.CreateOrder(ctx, &ordersv1.CreateOrderRequest{Customer: "ada", Items: []*ordersv1.Item{item}})
	if err != nil || order.GetOrderId() != "order-1" || order.GetTotalCents() != 2*2017 {
		t.Fatalf("%v, %v", order, err)
	}
	imports, err := orders.ImportOrders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := imports.Send(&ordersv1.CreateOrderRequest{Customer: "bob", Items: []*ordersv1.Item{item}}); err != nil {
			t.Fatal(err)
		}
	}
	if sum, err := imports.CloseAndRecv(); err != nil || sum.GetOrders() != 3 || sum.GetTotalCents() != 3*2*2017 {
		t.Errorf("import: %v, %v", sum, err)
	}
	quotes, err := orders.QuoteOrders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for quantity := int32(1); quantity <= 3; quantity++ { // each is answered before the next is asked
		if err := quotes.Send(&ordersv1.Item{Book: item.GetBook(), Quantity: quantity}); err != nil {
			t.Fatal(err)
		}
		if q, err := quotes.Recv(); err != nil || q.GetPriceCents() != int64(quantity)*2017 {
			t.Errorf("quote: %v, %v", q, err)
		}
	}
	if err := quotes.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := quotes.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream does not end: %v", err)
	}
	if o, err := orders.CancelOrder(ctx, &ordersv1.CancelOrderRequest{OrderId: "order-2"}); err != nil || o.GetState() != ordersv1.Order_STATE_CANCELLED {
		t.Errorf("cancel: %v, %v", o, err)
	}
	_, err = orders.CancelOrder(ctx, &ordersv1.CancelOrderRequest{OrderId: "order-2"})
	wantCode(t, err, codes.FailedPrecondition)
	list, err := orders.ListOrders(ctx, &ordersv1.ListOrdersRequest{Customer: "bob", States: []ordersv1.Order_State{ordersv1.Order_STATE_PLACED}})
	if err != nil || len(list.GetOrders()) != 2 {
		t.Errorf("list: %v, %v", list, err)
	}
	track, err := orders.TrackOrder(ctx, &ordersv1.TrackOrderRequest{OrderId: "order-2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"placed", "cancelled"} {
		if step, err := track.Recv(); err != nil || step.GetText() != want {
			t.Errorf("%v, %v; want %s", step, err, want)
		}
	}
	_, err = orders.GetOrder(ctx, &ordersv1.GetOrderRequest{OrderId: "order-9"})
	wantCode(t, err, codes.NotFound)
}
