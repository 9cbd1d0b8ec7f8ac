package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
)

// Orders is the shop's server. It is safe for concurrent use.
type Orders struct {
	ordersv1.UnimplementedOrdersServer

	mu     sync.Mutex
	orders []*ordersv1.Order // by number, from 1
}

// NewOrders returns a shop without orders.
func NewOrders() *Orders { return &Orders{} }

// CreateOrder places an order.
func (o *Orders) CreateOrder(_ context.Context, r *ordersv1.CreateOrderRequest) (*ordersv1.Order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.place(r)
}

// place adds an order and returns a copy. The caller holds the lock.
func (o *Orders) place(r *ordersv1.CreateOrderRequest) (*ordersv1.Order, error) {
	if len(o.orders) >= itemsMax {
		return nil, status.Error(codes.ResourceExhausted, "the order book is full")
	}
	order := &ordersv1.Order{
		OrderId:    fmt.Sprintf("order-%d", len(o.orders)+1),
		Customer:   r.GetCustomer(),
		Items:      r.GetItems(),
		Address:    r.GetAddress(),
		State:      ordersv1.Order_STATE_PLACED,
		CreateTime: timestamppb.Now(),
	}
	for _, item := range r.GetItems() {
		order.TotalCents += price(item)
	}
	o.orders = append(o.orders, order)
	return proto.CloneOf(order), nil
}

// price is what an item costs, in cents: 20.00 for each copy, and a cent for each letter of the book's name.
func price(i *ordersv1.Item) int64 { return int64(i.GetQuantity()) * int64(2000+len(i.GetBook())) }

// GetOrder returns one order.
func (o *Orders) GetOrder(_ context.Context, r *ordersv1.GetOrderRequest) (*ordersv1.Order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	order, err := o.find(r.GetOrderId())
	if err != nil {
		return nil, err
	}
	return proto.CloneOf(order), nil
}

// find returns the order itself. The caller holds the lock.
func (o *Orders) find(id string) (*ordersv1.Order, error) {
	for _, order := range o.orders {
		if order.GetOrderId() == id {
			return order, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is no order %s", id)
}

// ListOrders lists a customer's orders, oldest first.
func (o *Orders) ListOrders(_ context.Context, r *ordersv1.ListOrdersRequest) (*ordersv1.ListOrdersResponse, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	reply := &ordersv1.ListOrdersResponse{}
	for _, order := range o.orders {
		if order.GetCustomer() == r.GetCustomer() && (len(r.GetStates()) == 0 || slices.Contains(r.GetStates(), order.GetState())) {
			reply.Orders = append(reply.Orders, proto.CloneOf(order))
		}
	}
	return reply, nil
}

// CancelOrder ends an order that was not sent.
func (o *Orders) CancelOrder(_ context.Context, r *ordersv1.CancelOrderRequest) (*ordersv1.Order, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	order, err := o.find(r.GetOrderId())
	if err != nil {
		return nil, err
	}
	if order.GetState() != ordersv1.Order_STATE_PLACED {
		state := strings.ToLower(strings.TrimPrefix(order.GetState().String(), "STATE_"))
		return nil, status.Errorf(codes.FailedPrecondition, "%s is %s; only a placed order can be cancelled", order.GetOrderId(), state)
	}
	order.State = ordersv1.Order_STATE_CANCELLED
	return proto.CloneOf(order), nil
}

// TrackOrder tells the steps of an order.
func (o *Orders) TrackOrder(r *ordersv1.TrackOrderRequest, stream grpc.ServerStreamingServer[ordersv1.OrderStep]) error {
	order, err := o.GetOrder(stream.Context(), &ordersv1.GetOrderRequest{OrderId: r.GetOrderId()})
	if err != nil {
		return err
	}
	steps := []*ordersv1.OrderStep{{Text: "placed", State: ordersv1.Order_STATE_PLACED}}
	if order.GetState() == ordersv1.Order_STATE_CANCELLED {
		steps = append(steps, &ordersv1.OrderStep{Text: "cancelled", State: ordersv1.Order_STATE_CANCELLED})
	} else {
		for _, item := range order.GetItems() {
			text := fmt.Sprintf("%d × %s packed", item.GetQuantity(), item.GetBook())
			steps = append(steps, &ordersv1.OrderStep{Text: text, State: ordersv1.Order_STATE_PLACED})
		}
	}
	for _, step := range steps {
		if err := stream.Send(step); err != nil {
			return err
		}
	}
	return nil
}

// ImportOrders places every order of the stream, or up to the first that cannot be placed.
func (o *Orders) ImportOrders(stream grpc.ClientStreamingServer[ordersv1.CreateOrderRequest, ordersv1.ImportOrdersResponse]) error {
	reply := &ordersv1.ImportOrdersResponse{}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(reply)
		}
		if err != nil {
			return err
		}
		order, err := o.CreateOrder(stream.Context(), r)
		if err != nil {
			return err
		}
		reply.Orders++
		reply.TotalCents += order.GetTotalCents()
	}
}

// QuoteOrders answers each item with its price.
func (o *Orders) QuoteOrders(stream grpc.BidiStreamingServer[ordersv1.Item, ordersv1.Quote]) error {
	for {
		item, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&ordersv1.Quote{Item: item, PriceCents: price(item)}); err != nil {
			return err
		}
	}
}
