package e2e

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"buf.build/go/protovalidate"
	validating "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
)

// freshDemo is one server with both services of the demo, which can be made as new between two requests. It validates
// its requests, for gateways that do not, and its clock stands still, so that equal requests have equal replies.
type freshDemo struct {
	target  string
	library atomic.Pointer[demo.Library]
	orders  atomic.Pointer[demo.Orders]
}

func newFreshDemo(t *testing.T) *freshDemo {
	t.Helper()
	d := &freshDemo{}
	d.renew(t)
	validator, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(stopClock, validating.UnaryServerInterceptor(validator)),
		grpc.ChainStreamInterceptor(validating.StreamServerInterceptor(validator)))
	server.RegisterService(current(libraryv1.Library_ServiceDesc, func() any { return d.library.Load() }), nil)
	server.RegisterService(current(ordersv1.Orders_ServiceDesc, func() any { return d.orders.Load() }), nil)
	d.target, _ = serveOn(t, "127.0.0.1:0", server)
	return d
}

// current returns a service whose every call goes to what is current when it comes.
func current(desc grpc.ServiceDesc, server func() any) *grpc.ServiceDesc {
	methods := make([]grpc.MethodDesc, len(desc.Methods))
	for i, m := range desc.Methods {
		methods[i] = grpc.MethodDesc{MethodName: m.MethodName,
			Handler: func(_ any, ctx context.Context, decode func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
				return m.Handler(server(), ctx, decode, around)
			}}
	}
	streams := make([]grpc.StreamDesc, len(desc.Streams))
	for i, s := range desc.Streams {
		streams[i] = s
		streams[i].Handler = func(_ any, stream grpc.ServerStream) error { return s.Handler(server(), stream) }
	}
	desc.Methods, desc.Streams = methods, streams
	return &desc
}

// renew throws away what requests have changed. There are two orders: order-1 is placed, order-2 cancelled.
func (d *freshDemo) renew(t *testing.T) {
	t.Helper()
	orders := demo.NewOrders()
	for range 2 {
		_, err := orders.CreateOrder(t.Context(), &ordersv1.CreateOrderRequest{
			Customer: "ada", Email: "ada@example.com", Pickup: true,
			Items: []*ordersv1.Item{{Book: "shelves/science/books/elements", Quantity: 2}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := orders.CancelOrder(t.Context(), &ordersv1.CancelOrderRequest{OrderId: "order-2"}); err != nil {
		t.Fatal(err)
	}
	d.orders.Store(orders)
	d.library.Store(demo.NewLibrary())
}

// stopClock gives every order the same time.
func stopClock(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	reply, err := next(ctx, request)
	if err != nil {
		return nil, err
	}
	noon := timestamppb.New(time.Date(2026, 1, 2, 12, 0, 0, 5e8, time.UTC))
	switch r := reply.(type) {
	case *ordersv1.Order:
		r.CreateTime = noon
	case *ordersv1.ListOrdersResponse:
		for _, o := range r.GetOrders() {
			o.CreateTime = noon
		}
	}
	return reply, nil
}
