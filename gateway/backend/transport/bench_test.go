package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// raw is a codec that passes messages as they are: a *mem.BufferSlice either way.
type raw struct{}

func (raw) Name() string { return "raw" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*mem.BufferSlice)
	if !ok {
		return nil, errors.New("not raw")
	}
	m.Ref()
	return *m, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(*mem.BufferSlice)
	if !ok {
		return errors.New("not raw")
	}
	data.Ref()
	*m = data
	return nil
}

var _ encoding.CodecV2 = raw{}

func pairs(kv ...string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := 0; i < len(kv); i += 2 {
			if !yield(kv[i], kv[i+1]) {
				return
			}
		}
	}
}

// BenchmarkCall compares a small call over this package with grpc-go's Invoke, on the same server, in one process: what it
// says includes the server's part, and is least wrong with -cpu 1.
func BenchmarkCall(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw{}), grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
		var m mem.BufferSlice
		if err := ss.RecvMsg(&m); err != nil {
			return err
		}
		defer m.Free()
		return ss.SendMsg(&m)
	}))
	go server.Serve(l)
	b.Cleanup(server.Stop)
	md := pairs("x-forwarded-for", "192.0.2.1", "gatehouse-decision-id", "0123456789abcdef")
	message := mem.BufferSlice{mem.SliceBuffer(make([]byte, 178))}

	ours := New(Config{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		},
		Scheme: "http", Authority: "test", UserAgent: "test", MessageBytesMax: 1 << 20, Unindexed: []string{"gatehouse-decision-id"},
	})
	b.Cleanup(ours.Close)
	theirs, err := grpc.NewClient("passthrough:///"+l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { theirs.Close() })

	for _, client := range []struct {
		name string
		call func(context.Context) error
	}{
		{"Ours", func(ctx context.Context) error {
			call := &Call{Path: "/test.Service/Method", Metadata: md, Request: message}
			if err := ours.Do(ctx, call); err != nil {
				return err
			}
			call.Reply.Free()
			return call.Status.Err()
		}},
		{"Invoke", func(ctx context.Context) error {
			sent := metadata.MD{}
			for k, v := range md {
				sent[k] = append(sent[k], v)
			}
			var reply mem.BufferSlice
			err := theirs.Invoke(metadata.NewOutgoingContext(ctx, sent), "/test.Service/Method", &message, &reply)
			reply.Free()
			return err
		}},
	} {
		for _, n := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("%s/%d", client.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(n)
				b.RunParallel(func(pb *testing.PB) {
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					for pb.Next() {
						if err := client.call(ctx); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkReplies compares a stream of 1,000 small messages over this package with grpc-go's NewStream and RecvMsg, like
// BenchmarkCall.
func BenchmarkReplies(b *testing.B) {
	const count = 1000
	reply := mem.BufferSlice{mem.SliceBuffer(make([]byte, 180))}
	dial := serve(b, func(_ any, ss grpc.ServerStream) error {
		var m mem.BufferSlice
		if err := ss.RecvMsg(&m); err != nil {
			return err
		}
		m.Free()
		for range count {
			if err := ss.SendMsg(&reply); err != nil {
				return err
			}
		}
		return nil
	})
	message := mem.BufferSlice{mem.SliceBuffer(make([]byte, 180))}
	ours := New(Config{Dial: dial, Scheme: "http", Authority: "test", UserAgent: "test", MessageBytesMax: 1 << 20})
	b.Cleanup(ours.Close)
	theirs, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { theirs.Close() })

	for _, client := range []struct {
		name string
		call func(context.Context) (int, error)
	}{
		{"Ours", func(ctx context.Context) (n int, err error) {
			call := &Call{Path: "/test.Service/Method", Metadata: pairs(), Request: message}
			for err = ours.Start(ctx, call); err == nil; n++ {
				var m mem.Buffer
				if m, err = call.Next(); err != nil {
					break
				}
				m.Free()
			}
			return n, err
		}},
		{"RecvMsg", func(ctx context.Context) (n int, err error) {
			stream, err := theirs.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/test.Service/Method")
			if err != nil {
				return 0, err
			}
			if err = stream.SendMsg(&message); err == nil {
				err = stream.CloseSend()
			}
			for ; err == nil; n++ {
				var m mem.BufferSlice
				if err = stream.RecvMsg(&m); err != nil {
					break
				}
				m.Free()
			}
			return n, err
		}},
	} {
		for _, n := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", client.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(n)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						ctx, cancel := context.WithCancel(context.Background())
						got, err := client.call(ctx)
						cancel()
						if err != io.EOF || got != count {
							b.Errorf("got %d messages and %v", got, err)
							return
						}
					}
				})
			})
		}
	}
}
