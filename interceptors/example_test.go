package interceptors_test

import (
	"context"
	"fmt"
	"os"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// check is grpc-go's health check as a method for everybody.
func check() *rpc.Method {
	md := healthv1.File_grpc_health_v1_health_proto.Services().Get(0).Methods().ByName("Check")
	typ := func(md protoreflect.MessageDescriptor) *rpc.Type { return rpc.NewType(md, nil) }
	return rpc.NewMethod(md, typ(md.Input()), typ(md.Output()), rpc.Policy{Access: rpc.Public})
}

// The checks on any grpc-go server.
func ExampleGRPC() {
	set, err := interceptors.New(interceptors.Config{AccessLog: os.Stdout})
	if err != nil {
		fmt.Println(err)
		return
	}
	m := check()
	list, err := set.List([]*rpc.Method{m}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	unary, stream := interceptors.GRPC(rpc.ListenerInternal, list, func(path string) *rpc.Method {
		if path == m.Path {
			return m
		}
		return nil
	})
	_ = grpc.NewServer(grpc.UnaryInterceptor(unary), grpc.StreamInterceptor(stream))
	_, err = unary(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/acme.v1.Orders/Get"}, nil)
	fmt.Println(err)
	// Output:
	// rpc error: code = Unimplemented desc = no method /acme.v1.Orders/Get is known to the checks of this server
}

// Any stream interceptor of grpc-go around a call.
func ExampleAround() {
	m := check()
	announce := func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		fmt.Println("calling", info.FullMethod)
		return handler(srv, ss)
	}
	serve := func(*rpc.Call, grpc.ServerStream) error { return nil }
	c := rpc.NewCall(m)
	err := interceptors.Around(announce, m, serve)(c, &stream{ctx: c.WithContext(context.Background())})
	fmt.Println(err)
	// Output:
	// calling /grpc.health.v1.Health/Check
	// <nil>
}
