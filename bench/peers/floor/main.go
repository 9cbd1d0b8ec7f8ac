// Command floor does what a gateway on net/http and grpc-go cannot do without: it takes a request, sends the backend
// bytes that are ready, and writes the reply's bytes. Nothing is routed, bound or translated. For gRPC it is a proxy
// that forwards messages undecoded.
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
	floor := &floor{conn: conn, calls: map[string]call{}, streams: map[string]bool{}}
	for _, s := range scenario.All() {
		path, _, _ := strings.Cut(s.Target, "?")
		c := call{method: s.Method, request: scenario.Wire(s.Request), streams: len(s.Replies) > 1}
		floor.calls[s.Verb+path] = c
		floor.streams[s.Method] = c.streams
	}
	return floor, floor.serveGRPC(f.ListenGRPC)
}

type floor struct {
	conn    *grpc.ClientConn
	calls   map[string]call // by verb and path
	streams map[string]bool // by full method
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
	return f.each(ctx, c.method, c.request, func(reply []byte) error {
		_, err := w.Write(reply)
		return err
	})
}

// each makes a call and hands on every message that comes back.
func (f *floor) each(ctx context.Context, method string, request []byte, do func(reply []byte) error) error {
	stream, err := f.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(request); err != nil {
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
		if err := do(reply); err != nil {
			return err
		}
	}
}

func (f *floor) serveGRPC(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw.Codec{}), grpc.UnknownServiceHandler(f.forward))
	go func() {
		fmt.Fprintln(os.Stderr, server.Serve(listener)) // only if it fails
		os.Exit(1)
	}()
	return nil
}

// forward is for calls with one request.
func (f *floor) forward(_ any, stream grpc.ServerStream) error {
	var request, reply []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	method, _ := grpc.MethodFromServerStream(stream)
	if f.streams[method] {
		return f.each(stream.Context(), method, request, func(reply []byte) error { return stream.SendMsg(reply) })
	}
	if err := f.conn.Invoke(stream.Context(), method, request, &reply); err != nil {
		return err
	}
	return stream.SendMsg(reply)
}
