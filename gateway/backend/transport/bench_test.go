package transport

import (
	"context"
	"errors"
	"fmt"
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
