// Command grpcgateway is grpc-gateway v2, generated, set up as its documentation shows it.
package main

import (
	"context"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse-gateway/gatehouse/bench/peers/peer"
	libraryv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/orders/v1"
)

func main() { peer.Run(handler) }

// handler differs from the defaults in one setting: fields that are not set are left out, as ProtoJSON says and all
// others do. That is less to write.
func handler(f peer.Flags) (http.Handler, error) {
	mux := runtime.NewServeMux(runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.HTTPBodyMarshaler{
		Marshaler: &runtime.JSONPb{UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: true}},
	}))
	conn, err := f.Dial()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := libraryv1.RegisterLibraryHandler(ctx, mux, conn); err != nil {
		return nil, err
	}
	if err := ordersv1.RegisterOrdersHandler(ctx, mux, conn); err != nil {
		return nil, err
	}
	return mux, nil
}
