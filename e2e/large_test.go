package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const bulkProto = `syntax = "proto3";
package bulk.v1;
import "google/api/annotations.proto";
service Bulk {
  rpc Get(Size) returns (Block) { option (google.api.http) = {get: "/block"}; }
  rpc Down(Size) returns (stream Block) { option (google.api.http) = {get: "/down"}; }
  rpc Up(stream Block) returns (Size);
}
message Size { int64 bytes = 1; }
message Block { repeated string lines = 1; }
`

// bulk is a gateway in front of a backend that sends and takes any amount without ever holding it.
type bulk struct {
	gateway     *testkit.Gateway
	block, size *rpc.Type
	// moved is what the sender of the last call, the backend of a download or the client of an upload, has sent so far.
	moved atomic.Int64
	// begin has something for each upload, when the backend may begin to read it.
	begin chan struct{}
	// single is the reply to Get, and to Down if that asks for nothing.
	single []byte
}

func newBulk(t *testing.T, args ...string) *bulk {
	files := testkit.Compile(t, compile.Sources{"bulk.proto": []byte(bulkProto)})
	methods := files.Services()[0].Methods()
	b := &bulk{
		begin: make(chan struct{}),
		block: rpc.NewType(methods.ByName("Down").Output(), nil),
		size:  rpc.NewType(methods.ByName("Down").Input(), nil),
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(rpc.Codec{}), grpc.UnknownServiceHandler(b.serve))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Errorf("backend: %v", err)
		}
	})
	args = append(args, "--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", listener.Addr().String())
	b.gateway = testkit.Serve(t, args...)
	return b
}

// serve is the backend.
func (b *bulk) serve(_ any, ss grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(ss)
	if method == "/bulk.v1.Bulk/Up" {
		<-b.begin
		n, err := b.drain(ss)
		if err != nil {
			return err
		}
		return ss.SendMsg(b.sized(n))
	}
	ask := rpc.NewFrame(b.size)
	if err := ss.RecvMsg(ask); err != nil {
		return err
	}
	if method == "/bulk.v1.Bulk/Get" || ask.Len() == 0 {
		return ss.SendMsg(rpc.FrameOf(b.block, b.single))
	}
	return b.pump(ss, b.sizeIn(ask))
}

// sizeIn is the number in a Size that is not 0.
func (b *bulk) sizeIn(f *rpc.Frame) int64 {
	n, _ := protowire.ConsumeVarint(f.Bytes()[1:])
	return int64(n)
}

// sized is a Size.
func (b *bulk) sized(n int64) *rpc.Frame {
	return rpc.FrameOf(b.size, protowire.AppendVarint([]byte{1 << 3}, uint64(n)))
}

// sender and receiver are either side of a stream.
type (
	sender   interface{ SendMsg(m any) error }
	receiver interface{ RecvMsg(m any) error }
)

// pump sends blocks of altogether size bytes.
func (b *bulk) pump(s sender, size int64) error {
	block := blockOf(64 << 10)
	for b.moved.Load() < size {
		if err := s.SendMsg(rpc.FrameOf(b.block, block)); err != nil {
			return err
		}
		b.moved.Add(int64(len(block)))
	}
	return nil
}

// drain receives blocks to the end, and returns how many bytes they had.
func (b *bulk) drain(s receiver) (n int64, err error) {
	for {
		f := rpc.NewFrame(b.block)
		if err := s.RecvMsg(f); err != nil {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		n += int64(f.Len())
		f.Free()
	}
}

// blockOf is a Block of so many bytes.
func blockOf(size int) []byte {
	line := append([]byte{1<<3 | 2, 126}, strings.Repeat("b", 126)...)
	return bytes.Repeat(line, size/len(line))
}

// TestStreamsTakeNoMemory sends far more through a gateway than it may hold, to receivers that do not read before the
// sender has come to a stop.
func TestStreamsTakeNoMemory(t *testing.T) {
	const warm, grownMax = 32 << 20, 16 << 20
	size := int64(256 << 20)
	if testkit.Race() {
		size = warm // several times slower, and its memory says nothing
	}
	public := func(g *testkit.Gateway) string { return g.Public }
	internal := func(g *testkit.Gateway) string { return g.GRPC }
	for name, transfer := range map[string]func(*testing.T, *bulk, int64) int64{
		"RESTDown":         downREST,
		"PublicGRPCDown":   downGRPC(public),
		"PublicGRPCUp":     upGRPC(public),
		"InternalGRPCDown": downGRPC(internal),
		"InternalGRPCUp":   upGRPC(internal),
		"WebSocketDown":    downSocket,
		"WebSocketUp":      upSocket,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBulk(t)
			move := func(size int64) {
				b.moved.Store(0)
				if got := transfer(t, b, size); got < size {
					t.Errorf("%d of %d bytes arrived", got, size)
				}
			}
			atStart := b.gateway.MemoryPeak(t)
			if !testkit.Race() {
				move(warm)
			}
			before := b.gateway.MemoryPeak(t)
			move(size)
			grown := b.gateway.MemoryPeak(t) - before
			t.Logf("%d MiB: the gateway grew by %d KiB, from %d at its start and %d after %d MiB",
				size>>20, grown>>10, atStart>>10, before>>10, warm>>20)
			if grown > grownMax && !testkit.Race() {
				t.Errorf("it grew by %d MiB, more than %d", grown>>20, grownMax>>20)
			}
		})
	}
}

// stopped waits until the sender of size bytes waits for its receiver.
func (b *bulk) stopped(t *testing.T, size int64) {
	last, same := int64(-1), 0
	until(t, "the sender is held up", func() bool {
		if now := b.moved.Load(); now != last || now == 0 {
			last, same = now, 0
		}
		same++
		return same > 20
	})
	if last >= size {
		t.Errorf("all of %d MiB went although nobody reads", last>>20)
	}
}

func downREST(t *testing.T, b *bulk, size int64) int64 {
	r, err := http.NewRequestWithContext(bounded(t), http.MethodGet, fmt.Sprintf("http://%s/down?bytes=%d", b.gateway.Public, size), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "identity") // compressed, all of it would fit into the buffers on its way
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b.stopped(t, size)
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func downGRPC(of func(*testkit.Gateway) string) func(*testing.T, *bulk, int64) int64 {
	return func(t *testing.T, b *bulk, size int64) int64 {
		stream := b.open(t, of(b.gateway), "Down", grpc.StreamDesc{ServerStreams: true})
		if err := errors.Join(stream.SendMsg(b.sized(size)), stream.CloseSend()); err != nil {
			t.Fatal(err)
		}
		b.stopped(t, size)
		n, err := b.drain(stream)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
}

func upGRPC(of func(*testkit.Gateway) string) func(*testing.T, *bulk, int64) int64 {
	return func(t *testing.T, b *bulk, size int64) int64 {
		stream := b.open(t, of(b.gateway), "Up", grpc.StreamDesc{ClientStreams: true})
		sent := make(chan error, 1)
		go func() { sent <- b.pump(stream, size) }()
		b.stopped(t, size)
		b.begin <- struct{}{}
		if err := errors.Join(<-sent, stream.CloseSend()); err != nil {
			t.Fatal(err)
		}
		reply := rpc.NewFrame(b.size)
		if err := stream.RecvMsg(reply); err != nil {
			t.Fatal(err)
		}
		return b.sizeIn(reply)
	}
}

// open starts a call by gRPC that sends and receives frames.
func (b *bulk) open(t *testing.T, address, method string, desc grpc.StreamDesc) grpc.ClientStream {
	conn := dialed(t, address, grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rpc.Codec{})))
	stream, err := conn.NewStream(bounded(t), &desc, "/bulk.v1.Bulk/"+method)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}
