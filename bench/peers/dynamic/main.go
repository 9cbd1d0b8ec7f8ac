// Command dynamic is the gateway that one writes by hand in an afternoon: net/http's router, dynamicpb, protojson and
// grpc-go. Path and query are bound by grpc-gateway's runtime.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/bench/peers/peer"
)

func main() { peer.Run(handler) }

// A route is one binding. The value of the pattern's {shelf} goes, behind "shelves/", to the field variable.
type route struct {
	pattern, method, variable, body string
}

var routes = []route{
	{"GET /v1/shelves/{shelf}/books", "acme.library.v1.Library.ListBooks", "parent", ""},
	{"POST /v1/shelves/{shelf}/books", "acme.library.v1.Library.CreateBook", "parent", "book"},
	{"GET /v1/shelves/{shelf}", "acme.library.v1.Library.WatchShelf", "name", ""},
	{"POST /v1/orders", "acme.orders.v1.Orders.CreateOrder", "", "*"},
}

func handler(f peer.Flags) (http.Handler, error) {
	services, err := f.Services()
	if err != nil {
		return nil, err
	}
	// The runtime looks enum values in the query up by this registry.
	genre := services[0].ParentFile().Enums().ByName("Genre")
	if err := protoregistry.GlobalTypes.RegisterEnum(dynamicpb.NewEnumType(genre)); err != nil {
		return nil, err
	}
	conn, err := f.Dial()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, r := range routes {
		method := methodOf(services, r.method)
		if method == nil {
			return nil, fmt.Errorf("the schema has no method %s", r.method)
		}
		mux.Handle(r.pattern, &call{route: r, method: method, path: "/" + string(method.Parent().FullName()) + "/" + string(method.Name()), conn: conn})
	}
	return mux, nil
}

func methodOf(services []protoreflect.ServiceDescriptor, name string) protoreflect.MethodDescriptor {
	for _, s := range services {
		if local, ok := strings.CutPrefix(name, string(s.FullName())+"."); ok {
			return s.Methods().ByName(protoreflect.Name(local))
		}
	}
	return nil
}

// call serves one route.
type call struct {
	route  route
	method protoreflect.MethodDescriptor
	path   string
	conn   *grpc.ClientConn
}

func (c *call) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := dynamicpb.NewMessage(c.method.Input())
	if err := c.bind(request, r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	serve := c.unary
	if c.method.IsStreamingServer() {
		serve = c.stream
	}
	if err := serve(r.Context(), w, request); err != nil {
		http.Error(w, err.Error(), runtime.HTTPStatusFromCode(status.Code(err)))
	}
}

func (c *call) bind(request *dynamicpb.Message, r *http.Request) error {
	if c.route.body != "" {
		if err := c.bindBody(request, r); err != nil {
			return err
		}
	}
	bound := [][]string{}
	if c.route.variable != "" {
		shelf, _, _ := strings.Cut(r.PathValue("shelf"), ":")
		if err := runtime.PopulateFieldFromPath(request, c.route.variable, "shelves/"+shelf); err != nil {
			return err
		}
		bound = append(bound, []string{c.route.variable})
	}
	return runtime.PopulateQueryParameters(request, r.URL.Query(), utilities.NewDoubleArray(bound))
}

func (c *call) bindBody(request *dynamicpb.Message, r *http.Request) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var target proto.Message = request
	if c.route.body != "*" {
		target = request.Mutable(c.method.Input().Fields().ByName(protoreflect.Name(c.route.body))).Message().Interface()
	}
	return protojson.Unmarshal(data, target)
}

func (c *call) unary(ctx context.Context, w http.ResponseWriter, request proto.Message) error {
	reply := dynamicpb.NewMessage(c.method.Output())
	if err := c.conn.Invoke(ctx, c.path, request, reply); err != nil {
		return err
	}
	data, err := protojson.Marshal(reply)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(data)
	return err
}

// stream flushes after each message, as grpc-gateway does.
func (c *call) stream(ctx context.Context, w http.ResponseWriter, request proto.Message) error {
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, c.path)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	for {
		reply := dynamicpb.NewMessage(c.method.Output())
		if err := stream.RecvMsg(reply); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		data, err := protojson.Marshal(reply)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(data, '\n')); err != nil {
			return err
		}
		if err := flush.Flush(); err != nil {
			return err
		}
	}
}
