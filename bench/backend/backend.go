// Package backend is the server behind every gateway: it answers each method with bytes that were encoded beforehand,
// so that it costs little and costs the same for all.
package backend

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/bench/raw"
	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

// Backend serves from Start to Stop. It is safe for concurrent use.
type Backend struct {
	replies map[string][]reply // by full method; the first that fits counts
	server  *grpc.Server
	address string
	calls   atomic.Int64
	last    sync.Map // method → []byte
}

// reply is what is answered to requests that have these bytes in them.
type reply struct {
	contains []byte
	messages [][]byte
	pace     time.Duration
}

// Start listens on a free port of the loopback interface.
func Start(scenarios []*scenario.Scenario) (*Backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("backend: %w", err)
	}
	b := &Backend{replies: map[string][]reply{}, address: listener.Addr().String()}
	for _, s := range scenarios {
		b.add(s)
	}
	b.server = grpc.NewServer(grpc.ForceServerCodecV2(raw.Codec{}), grpc.UnknownServiceHandler(b.handle))
	go func() { _ = b.server.Serve(listener) }() // ends with Stop
	return b, nil
}

// Address is host:port.
func (b *Backend) Address() string { return b.address }

// Calls counts the calls so far.
func (b *Backend) Calls() int64 { return b.calls.Load() }

// Last is the request of the last call of a method, encoded; nil before the first. Another method's late calls, of a load
// that has ended, do not count.
func (b *Backend) Last(method string) []byte {
	last, _ := b.last.Load(method)
	request, _ := last.([]byte)
	return request
}

// Stop ends all calls.
func (b *Backend) Stop() { b.server.Stop() }

func (b *Backend) add(s *scenario.Scenario) {
	r := reply{contains: []byte(s.Marker), pace: s.Pace}
	for _, m := range s.Replies {
		r.messages = append(r.messages, scenario.Wire(m))
	}
	b.replies[s.Method] = append(b.replies[s.Method], r)
}

func (b *Backend) handle(_ any, stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	method, _ := grpc.MethodFromServerStream(stream)
	b.calls.Add(1)
	b.last.Store(method, request)
	// The end of the request, so that gateways which send it apart see no reset.
	if err := stream.RecvMsg(&[]byte{}); err != io.EOF {
		return status.Error(codes.InvalidArgument, "more than one message")
	}
	for _, r := range b.replies[method] {
		if bytes.Contains(request, r.contains) {
			return send(stream, r)
		}
	}
	return status.Error(codes.Unimplemented, "the backend has no answer to "+method)
}

// send keeps to the pace on the whole: a message that is late is followed at once by the next.
func send(stream grpc.ServerStream, r reply) error {
	started := time.Now()
	for i, m := range r.messages {
		if wait := time.Until(started.Add(time.Duration(i) * r.pace)); wait > 0 {
			time.Sleep(wait)
		}
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
	return nil
}
