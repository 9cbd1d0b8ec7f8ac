package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// echo answers every kind of call with what it was sent.
func echo() *service {
	return &service{
		unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{Payload: r.GetPayload()}, nil
		},
		output: func(r *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			for _, p := range r.GetResponseParameters() {
				if err := ss.Send(&testpb.StreamingOutputCallResponse{Payload: payload(int(p.GetSize()))}); err != nil {
					return err
				}
			}
			return nil
		},
		input: func(ss testpb.TestService_StreamingInputCallServer) error {
			total := 0
			for {
				r, err := ss.Recv()
				if err == io.EOF {
					return ss.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)})
				}
				if err != nil {
					return err
				}
				total += len(r.GetPayload().GetBody())
			}
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			for {
				r, err := ss.Recv()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				if err := ss.Send(&testpb.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
					return err
				}
			}
		},
	}
}

func TestDriveKinds(t *testing.T) {
	ctx := context.Background()
	each(t, echo(), nil, func(t *testing.T, r *rig) {
		t.Run("Unary", func(t *testing.T) {
			reply, err := r.UnaryCall(ctx, &testpb.SimpleRequest{Payload: payload(3)})
			if err != nil || len(reply.GetPayload().GetBody()) != 3 {
				t.Fatalf("got %v, %v", reply, err)
			}
			if st := r.ended(t); st.Code() != codes.OK {
				t.Errorf("Done got %v", st)
			}
		})
		t.Run("EmptyMessage", func(t *testing.T) {
			if _, err := r.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
			r.ended(t)
		})
		t.Run("ServerStreaming", func(t *testing.T) {
			ss, err := r.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{
				ResponseParameters: []*testpb.ResponseParameters{{Size: 1}, {Size: 0}, {Size: 70000}},
			})
			if err != nil {
				t.Fatal(err)
			}
			var sizes []int
			for {
				m, err := ss.Recv()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				sizes = append(sizes, len(m.GetPayload().GetBody()))
			}
			if !slices.Equal(sizes, []int{1, 0, 70000}) {
				t.Errorf("got sizes %v", sizes)
			}
			r.ended(t)
		})
		t.Run("ClientStreaming", func(t *testing.T) {
			cs, err := r.StreamingInputCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 20, 300} {
				if err := cs.Send(&testpb.StreamingInputCallRequest{Payload: payload(n)}); err != nil {
					t.Fatal(err)
				}
			}
			reply, err := cs.CloseAndRecv()
			if err != nil || reply.GetAggregatedPayloadSize() != 321 {
				t.Fatalf("got %v, %v", reply, err)
			}
			r.ended(t)
		})
		t.Run("Bidi", func(t *testing.T) {
			cs, err := r.FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for n := range 5 { // each reply is read before the next message leaves: nothing may be held back
				if err := cs.Send(&testpb.StreamingOutputCallRequest{Payload: payload(n)}); err != nil {
					t.Fatal(err)
				}
				m, err := cs.Recv()
				if err != nil || len(m.GetPayload().GetBody()) != n {
					t.Fatalf("message %d: %v, %v", n, m, err)
				}
			}
			if err := cs.CloseSend(); err != nil {
				t.Fatal(err)
			}
			if _, err := cs.Recv(); err != io.EOF {
				t.Fatalf("after half-close: %v", err)
			}
			r.ended(t)
		})
	})
}

func TestDriveBigMessages(t *testing.T) {
	each(t, echo(), nil, func(t *testing.T, r *rig) {
		body := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
		for _, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
			reply, err := r.UnaryCall(context.Background(), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: body}}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(reply.GetPayload().GetBody(), body) {
				t.Error("the message was changed on the way")
			}
			r.ended(t)
			_, err = r.UnaryCall(context.Background(), &testpb.SimpleRequest{Payload: payload(5 << 20)}, opts...)
			wantCode(t, err, codes.ResourceExhausted)
			if st := r.ended(t); st.Code() != codes.ResourceExhausted {
				t.Errorf("Done got %v", st)
			}
		}
	})
}

func TestDriveMetadata(t *testing.T) {
	seen := make(chan metadata.MD, 1)
	s := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		in, _ := metadata.FromIncomingContext(ctx)
		seen <- in
		grpc.SetHeader(ctx, metadata.Pairs("x-head", "1", "x-head", "2", "raw-bin", "\x00\xff"))
		grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "t", "tail-bin", "\x01\x02\x03\xfe", "gatehouse-spoof", "x"))
		return &testpb.SimpleResponse{}, nil
	}}
	each(t, s, nil, func(t *testing.T, r *rig) {
		ctx := metadata.NewOutgoingContext(context.Background(), metadata.Pairs(
			"x-a", "1", "x-a", "2", "b_c.d", "v", "blob-bin", "\x00\x01\xff",
			"gatehouse-principal", "root", "x-forwarded-for", "1.2.3.4"))
		var header, trailer metadata.MD
		if _, err := r.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
			t.Fatal(err)
		}
		in := receive(t, seen, "the call")
		call := receive(t, r.calls, "Done")
		for k, want := range map[string][]string{
			"x-a": {"1", "2"}, "b_c.d": {"v"}, "blob-bin": {"\x00\x01\xff"},
			"gatehouse-principal": nil, "gatehouse-decision-id": {call.ID}, "x-forwarded-for": {"127.0.0.1"},
		} {
			if got := in[k]; !slices.Equal(got, want) {
				t.Errorf("the backend got %s = %q, want %q", k, got, want)
			}
		}
		if got := header["x-head"]; !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("header x-head = %q", got)
		}
		if got := header["raw-bin"]; !slices.Equal(got, []string{"\x00\xff"}) {
			t.Errorf("header raw-bin = %q", got)
		}
		want := metadata.MD{"x-tail": {"t"}, "tail-bin": {"\x01\x02\x03\xfe"}}
		if fmt.Sprint(trailer) != fmt.Sprint(want) {
			t.Errorf("trailers %q, want %q", trailer, want)
		}
		if extra := header.Len(); extra != 3 { // x-head, raw-bin, content-type
			t.Errorf("headers %q", header)
		}
	})
}

// Headers of a stream come when the backend sends them, not with the first message.
func TestDriveHeadersFirst(t *testing.T) {
	s := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		if err := ss.SendHeader(metadata.Pairs("x-head", "1")); err != nil {
			return err
		}
		_, err := ss.Recv()
		if err == io.EOF {
			return nil
		}
		return err
	}}
	each(t, s, nil, func(t *testing.T, r *rig) {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		cs, err := r.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		header, err := cs.Header()
		if err != nil || !slices.Equal(header["x-head"], []string{"1"}) {
			t.Fatalf("got %v, %v", header, err)
		}
		cs.CloseSend()
		if _, err := cs.Recv(); err != io.EOF {
			t.Fatal(err)
		}
	})
}

func TestDriveStatusDetails(t *testing.T) {
	sent, err := status.New(codes.FailedPrecondition, "not now: 100% \u00e9 \r\n").WithDetails(
		&errdetails.RetryInfo{}, &errdetails.ErrorInfo{Reason: "BUSY", Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			grpc.SetHeader(ctx, metadata.Pairs("x-head", "1"))
			grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "t"))
			return nil, sent.Err()
		},
		output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			ss.SetTrailer(metadata.Pairs("x-tail", "t"))
			if err := ss.Send(&testpb.StreamingOutputCallResponse{Payload: payload(1)}); err != nil {
				return err
			}
			return sent.Err()
		},
	}
	each(t, s, nil, func(t *testing.T, r *rig) {
		check := func(t *testing.T, err error, trailer metadata.MD) {
			t.Helper()
			if got := status.Convert(err); !proto.Equal(got.Proto(), sent.Proto()) {
				t.Errorf("got %v, want %v", got.Proto(), sent.Proto())
			}
			if !slices.Equal(trailer["x-tail"], []string{"t"}) {
				t.Errorf("trailers %v", trailer)
			}
			if st := r.ended(t); !proto.Equal(st.Proto(), sent.Proto()) {
				t.Errorf("Done got %v", st)
			}
			if id := receive(t, r.calls, "Done").ID; !slices.Equal(trailer["gatehouse-decision-id"], []string{id}) {
				t.Errorf("the decision id %s is not in the trailers %v", id, trailer)
			}
		}
		var header, trailer metadata.MD
		_, err := r.UnaryCall(context.Background(), &testpb.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
		check(t, err, trailer)
		if !slices.Equal(header["x-head"], []string{"1"}) {
			t.Errorf("headers %v", header)
		}
		ss, err := r.StreamingOutputCall(context.Background(), &testpb.StreamingOutputCallRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ss.Recv(); err != nil {
			t.Fatal(err)
		}
		_, err = ss.Recv()
		check(t, err, ss.Trailer())
	})
}

// A backend that ends a call early ends it for the client, which has not half-closed.
func TestDriveEarlyEnd(t *testing.T) {
	for name, want := range map[string]error{"Failure": status.Error(codes.Aborted, "enough"), "Success": nil} {
		s := &service{
			duplex: func(ss testpb.TestService_FullDuplexCallServer) error { ss.Recv(); return want },
			input: func(ss testpb.TestService_StreamingInputCallServer) error {
				ss.Recv()
				if want != nil {
					return want
				}
				return ss.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: 1})
			},
		}
		t.Run(name, func(t *testing.T) {
			each(t, s, nil, func(t *testing.T, r *rig) {
				ctx, cancel := context.WithTimeout(context.Background(), soon)
				defer cancel()
				cs, err := r.FullDuplexCall(ctx)
				if err != nil {
					t.Fatal(err)
				}
				cs.Send(&testpb.StreamingOutputCallRequest{})
				if _, err = cs.Recv(); err == io.EOF {
					err = nil
				}
				wantCode(t, err, status.Code(want))
				if st := r.ended(t); st.Code() != status.Code(want) {
					t.Errorf("Done got %v", st)
				}
				in, err := r.StreamingInputCall(ctx)
				if err != nil {
					t.Fatal(err)
				}
				in.Send(&testpb.StreamingInputCallRequest{})
				wantCode(t, in.RecvMsg(&testpb.StreamingInputCallResponse{}), status.Code(want))
				r.ended(t)
			})
		})
	}
}

// A backend that dies is never a silent end.
func TestDriveBackendDies(t *testing.T) {
	s := &service{
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			<-ss.Context().Done()
			return nil
		},
		output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			<-ss.Context().Done()
			return nil
		},
	}
	type stream interface {
		Recv() (*testpb.StreamingOutputCallResponse, error)
	}
	for kind, open := range map[string]func(*rig) (stream, error){
		"Bidi": func(r *rig) (stream, error) { return r.FullDuplexCall(context.Background()) },
		"ServerStreaming": func(r *rig) (stream, error) {
			return r.StreamingOutputCall(context.Background(), &testpb.StreamingOutputCallRequest{})
		},
	} {
		t.Run(kind, func(t *testing.T) {
			each(t, s, nil, func(t *testing.T, r *rig) {
				ss, err := open(r)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := ss.Recv(); err != nil {
					t.Fatal(err)
				}
				r.server.Stop()
				_, err = ss.Recv()
				wantCode(t, err, codes.Unavailable)
				if strings.Contains(err.Error(), "127.0.0.1") {
					t.Errorf("the caller learns the address: %v", err)
				}
				r.ended(t)
				call := receive(t, r.calls, "Done")
				if !strings.Contains(call.Err.Error(), "127.0.0.1") {
					t.Errorf("the operator does not learn the address: %v", call.Err)
				}
				// The next call finds nobody there, and says so at once.
				_, err = r.UnaryCall(context.Background(), &testpb.SimpleRequest{})
				wantCode(t, err, codes.Unavailable)
			})
		})
	}
}

func TestDriveGzip(t *testing.T) {
	each(t, echo(), nil, func(t *testing.T, r *rig) {
		var header metadata.MD
		body := bytes.Repeat([]byte("gatehouse "), 1000)
		reply, err := r.UnaryCall(context.Background(), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: body}},
			grpc.UseCompressor(gzip.Name), grpc.Header(&header))
		if err != nil || !bytes.Equal(reply.GetPayload().GetBody(), body) {
			t.Fatalf("got %v", err)
		}
	})
}
