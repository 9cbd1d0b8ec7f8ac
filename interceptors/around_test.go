package interceptors_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/auth"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// stream is a front's stream: it gives the requests and keeps the replies.
type stream struct {
	grpc.ServerStream
	ctx      context.Context
	call     *rpc.Call
	requests []*rpc.Frame
	replies  []string
}

func newStream(c *rpc.Call, requests ...*rpc.Frame) *stream {
	ctx := metadata.NewIncomingContext(context.Background(), c.Metadata)
	return &stream{ctx: c.WithContext(ctx), call: c, requests: requests}
}

func (s *stream) Context() context.Context { return s.ctx }

// around serves the stream with an interceptor around it.
func (s *stream) around(i grpc.StreamServerInterceptor, serve func(*rpc.Call, grpc.ServerStream) error) error {
	return interceptors.Around(i, s.call.Method, serve)(s.call, s)
}

func (s *stream) RecvMsg(m any) error {
	if len(s.requests) == 0 {
		return io.EOF
	}
	m.(*rpc.Frame).Take(s.requests[0])
	s.requests = s.requests[1:]
	return nil
}

func (s *stream) SendMsg(m any) error {
	s.replies = append(s.replies, string(m.(*rpc.Frame).Bytes()))
	return nil
}

// echo serves a call by sending every request back.
func echo(m *rpc.Method) func(*rpc.Call, grpc.ServerStream) error {
	return func(_ *rpc.Call, ss grpc.ServerStream) error {
		for {
			f := rpc.NewFrame(m.Input)
			if err := ss.RecvMsg(f); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := ss.SendMsg(f); err != nil {
				return err
			}
			f.Free()
		}
	}
}

// payloadLog keeps what go-grpc-middleware logs.
type payloadLog []string

func (l *payloadLog) Log(_ context.Context, _ logging.Level, message string, fields ...any) {
	line := message
	for i := 0; i+1 < len(fields); i += 2 {
		switch value := fields[i+1].(type) {
		case proto.Message:
			text, err := protojson.MarshalOptions{}.Marshal(value)
			line += fmt.Sprintf(" %s=%s %v", fields[i], compact(text), err)
		default:
			if fields[i] == "grpc.method" || fields[i] == "grpc.method_type" || fields[i] == "grpc.code" {
				line += fmt.Sprintf(" %s=%v", fields[i], value)
			}
		}
	}
	*l = append(*l, line)
}

// compact undoes the spaces that protojson puts in at random.
func compact(text []byte) string {
	out := make([]byte, 0, len(text))
	for _, c := range text {
		if c != ' ' {
			out = append(out, c)
		}
	}
	return string(out)
}

func TestAround_UnmodifiedLoggingWithPayloads(t *testing.T) {
	for _, name := range []string{"Get", "List", "Put", "Sync"} {
		t.Run(name, func(t *testing.T) {
			m := checktest.Methods(t, checktest.Orders, rpc.Policy{})[name]
			var log payloadLog
			logger := logging.StreamServerInterceptor(&log,
				logging.WithLogOnEvents(logging.StartCall, logging.FinishCall, logging.PayloadReceived, logging.PayloadSent))
			ss := newStream(checktest.Call(m), checktest.Frame(t, m.Input, `{"id":"a","count":7}`))
			wire := string(ss.requests[0].Bytes())
			require.NoError(t, ss.around(logger, echo(m)))
			require.Equal(t, []string{wire}, ss.replies, "bytes pass unchanged")

			// The library calls every stream bidi that is not one-sided; the interceptor is the one for streams.
			kind := map[string]string{"Get": "bidi_stream", "List": "server_stream", "Put": "client_stream", "Sync": "bidi_stream"}[name]
			common := fmt.Sprintf(" grpc.method=%s grpc.method_type=%s", name, kind)
			require.Equal(t, payloadLog{
				"started call" + common,
				"request received" + common + ` grpc.request.content={"id":"a","count":7} <nil>`,
				"response sent" + common + ` grpc.response.content={"id":"a","count":7} <nil>`,
				"finished call" + common + " grpc.code=OK",
			}, log)
		})
	}
}

func TestAround_InterceptorRefusesAndAddsToContext(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{})
	type key struct{}
	guard := auth.StreamServerInterceptor(func(ctx context.Context) (context.Context, error) {
		if metadata.ValueFromIncomingContext(ctx, "x-pass") == nil {
			return nil, rpc.Errorf(codes.PermissionDenied, "NO_PASS", "no pass")
		}
		return context.WithValue(ctx, key{}, "in"), nil
	})
	served := false
	serve := func(_ *rpc.Call, ss grpc.ServerStream) error {
		served = true
		require.Equal(t, "in", rpc.CallFrom(ss.Context()).Context().Value(key{}), "the call has the interceptor's context")
		return nil
	}
	checktest.Error(t, newStream(checktest.Call(m)).around(guard, serve), "NO_PASS")
	require.False(t, served)
	require.NoError(t, newStream(checktest.Call(m, "x-pass", "1")).around(guard, serve))
	require.True(t, served)
}

// looking is an interceptor that reads each message.
func looking(seen *int) grpc.StreamServerInterceptor {
	return func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return handler(srv, looker{ss, seen})
	}
}

type looker struct {
	grpc.ServerStream
	seen *int
}

func (l looker) RecvMsg(m any) error {
	err := l.ServerStream.RecvMsg(m)
	if err == nil {
		m.(proto.Message).ProtoReflect().Interface()
		*l.seen++
	}
	return err
}

func (l looker) SendMsg(m any) error {
	m.(proto.Message).ProtoReflect().Interface()
	*l.seen++
	return l.ServerStream.SendMsg(m)
}

func TestAround_MalformedMessagesEndTheCallFirst(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{})
	seen := 0
	err := newStream(checktest.Call(m), rpc.FrameOf(m.Input, []byte{0xff})).around(looking(&seen), echo(m))
	require.Equal(t, codes.InvalidArgument, checktest.Error(t, err, "MALFORMED_MESSAGE").Code())
	require.Zero(t, seen)

	reply := func(_ *rpc.Call, ss grpc.ServerStream) error { return ss.SendMsg(rpc.FrameOf(m.Output, []byte{0xff})) }
	err = newStream(checktest.Call(m)).around(looking(&seen), reply)
	require.Equal(t, codes.Internal, checktest.Error(t, err, "MALFORMED_REPLY").Code())
	require.Zero(t, seen)
}

func TestAround_MessageTooMany(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{})
	seen := 0
	serve := func(_ *rpc.Call, ss grpc.ServerStream) error { return ss.RecvMsg(&rpc.Frame{}) }
	ss := newStream(checktest.Call(m), checktest.Frame(t, m.Input, `{"id":"a"}`))
	err := ss.around(looking(&seen), serve)
	require.Equal(t, codes.Unimplemented, checktest.Error(t, err, "REQUEST_REPEATED").Code())
	require.Zero(t, seen)
}
