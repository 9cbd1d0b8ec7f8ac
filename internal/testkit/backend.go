package testkit

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Backend is a gRPC server that serves every method of a schema, keeps what it was sent, and answers by script. It is
// safe for concurrent use.
type Backend struct {
	// Target is its address, host:port.
	Target string

	methods map[string]protoreflect.MethodDescriptor

	mu     sync.Mutex
	script Script
	calls  []*Received
}

// Script answers one call whose requests have been read to the end. What it sends are messages of the method's output
// type.
type Script func(c *Received, s *Replies) error

// Received is one call as the backend saw it.
type Received struct {
	Method   protoreflect.MethodDescriptor
	Requests []proto.Message
	Metadata metadata.MD
	// Left is how much of the deadline was left when the call arrived, 0 if it had none.
	Left time.Duration
}

// Replies is the backend's side of a call.
type Replies struct {
	grpc.ServerStream
	output protoreflect.MessageDescriptor
}

// New returns an empty reply.
func (r *Replies) New() *dynamicpb.Message { return dynamicpb.NewMessage(r.output) }

// Send sends one reply.
func (r *Replies) Send(m proto.Message) error {
	wire, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	f := rpc.FrameOf(rpc.NewType(r.output, nil), wire)
	defer f.Free()
	return r.SendMsg(f)
}

// NewBackend serves a schema's methods in cleartext on a loopback port. Until Answer says otherwise it echoes.
func NewBackend(t testing.TB, files *compile.Files) *Backend {
	t.Helper()
	b := &Backend{methods: map[string]protoreflect.MethodDescriptor{}, script: Echo}
	for _, sd := range files.Services() {
		for i := range sd.Methods().Len() {
			md := sd.Methods().Get(i)
			b.methods[fmt.Sprintf("/%s/%s", sd.FullName(), md.Name())] = md
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.Target = listener.Addr().String()
	server := grpc.NewServer(grpc.ForceServerCodecV2(rpc.Codec{}), grpc.UnknownServiceHandler(b.handle))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Errorf("test backend: %v", err)
		}
	})
	return b
}

// Echo answers with the last request if its type is that of replies, and with an empty reply if not.
func Echo(c *Received, s *Replies) error {
	if n := len(c.Requests); n > 0 && c.Method.Input() == c.Method.Output() {
		return s.Send(c.Requests[n-1])
	}
	return s.Send(s.New())
}

// Answer makes the script the answer of all calls from now on; nil means Echo.
func (b *Backend) Answer(script Script) {
	if script == nil {
		script = Echo
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.script = script
}

// Take returns the calls that arrived since it was called last.
func (b *Backend) Take() []*Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

func (b *Backend) handle(_ any, ss grpc.ServerStream) error {
	c, err := b.receive(ss)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.calls = append(b.calls, c)
	script := b.script
	b.mu.Unlock()
	return script(c, &Replies{ss, c.Method.Output()})
}

func (b *Backend) receive(ss grpc.ServerStream) (*Received, error) {
	path, _ := grpc.MethodFromServerStream(ss)
	md := b.methods[path]
	if md == nil {
		return nil, status.Errorf(codes.Unimplemented, "the test schema has no %s", path)
	}
	c := &Received{Method: md}
	c.Metadata, _ = metadata.FromIncomingContext(ss.Context())
	if deadline, ok := ss.Context().Deadline(); ok {
		c.Left = time.Until(deadline)
	}
	t := rpc.NewType(md.Input(), nil)
	for {
		f := rpc.NewFrame(t)
		err := ss.RecvMsg(f)
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		m := dynamicpb.NewMessage(md.Input())
		err = proto.Unmarshal(f.Bytes(), m)
		f.Free()
		if err != nil {
			return nil, err
		}
		c.Requests = append(c.Requests, m)
	}
}

// RawBackend serves a handler over cleartext HTTP/2 on a loopback port, for answers that no gRPC library sends, and
// returns host:port.
func RawBackend(t testing.TB, h http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
