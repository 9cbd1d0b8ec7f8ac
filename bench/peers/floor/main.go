// Command floor does what a gateway on net/http and grpc-go cannot do without: it takes a request, sends the backend
// bytes that are ready, and writes the reply's bytes. Nothing is routed, bound or translated. For gRPC it is a proxy
// that forwards unary calls undecoded.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"google.golang.org/grpc"

	"github.com/gatehouse-gateway/gatehouse/bench/peers/peer"
	"github.com/gatehouse-gateway/gatehouse/bench/raw"
	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

func main() { peer.Run(handler) }

func handler(f peer.Flags) (http.Handler, error) {
	conn, err := f.Dial(grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw.Codec{})))
	if err != nil {
		return nil, err
	}
	if err := serveGRPC(f.ListenGRPC, conn); err != nil {
		return nil, err
	}
	floor := &floor{conn: conn, calls: map[string]call{}}
	for _, s := range scenario.All() {
		if !s.GRPC {
			path, _, _ := strings.Cut(s.Target, "?")
			floor.calls[s.Verb+path] = call{method: s.Method, request: scenario.Wire(s.Request), streams: len(s.Replies) > 1}
		}
	}
	return floor, nil
}

type floor struct {
	conn  *grpc.ClientConn
	calls map[string]call // by verb and path
}

type call struct {
	method  string
	request []byte
	streams bool
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := f.calls[r.Method+r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, err := io.Copy(io.Discard, r.Body)
	switch {
	case err != nil:
	case c.streams:
		err = f.stream(r.Context(), w, c)
	default:
		var reply []byte
		if err = f.conn.Invoke(r.Context(), c.method, c.request, &reply); err == nil {
			_, err = w.Write(reply)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

// stream leaves flushing to net/http, which does it when its buffer is full.
func (f *floor) stream(ctx context.Context, w http.ResponseWriter, c call) error {
	stream, err := f.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, c.method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(c.request); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		var reply []byte
		if err := stream.RecvMsg(&reply); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := w.Write(reply); err != nil {
			return err
		}
	}
}

// serveGRPC forwards unary calls.
func serveGRPC(address string, conn *grpc.ClientConn) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw.Codec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var request, reply []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		method, _ := grpc.MethodFromServerStream(stream)
		if err := conn.Invoke(stream.Context(), method, request, &reply); err != nil {
			return err
		}
		return stream.SendMsg(reply)
	}))
	go func() {
		fmt.Fprintln(os.Stderr, server.Serve(listener)) // only if it fails
		os.Exit(1)
	}()
	return nil
}
