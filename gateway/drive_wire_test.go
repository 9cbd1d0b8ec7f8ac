package gateway

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const servicePath = "/grpc.testing.TestService/"

// rawBackend is a grpc-go server whose handler sees bytes.
func rawBackend(t *testing.T, handle func(ss grpc.ServerStream) error) rpc.Backend {
	l := local(t)
	s := grpc.NewServer(grpc.ForceServerCodecV2(rpc.Codec{}),
		grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error { return handle(ss) }))
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return dial(t, l.Addr().String())
}

// exchange sends messages as bytes and returns the replies.
func exchange(r *rig, method string, messages ...string) (replies []string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	cs, err := r.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, servicePath+method, grpc.ForceCodecV2(rpc.Codec{}))
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if cs.SendMsg(rpc.FrameOf(nil, []byte(m))) != nil {
			break
		}
	}
	cs.CloseSend()
	var f rpc.Frame
	defer f.Free()
	for {
		if err := cs.RecvMsg(&f); err == io.EOF {
			return replies, nil
		} else if err != nil {
			return replies, err
		}
		replies = append(replies, string(f.Bytes()))
	}
}

// Bytes that nobody reads pass as they are, also those that are no message.
func TestDriveUndecoded(t *testing.T) {
	for _, listener := range []string{"native", "public"} {
		leak.Check(t)
		b := rawBackend(t, func(ss grpc.ServerStream) error {
			var f rpc.Frame
			defer f.Free()
			for {
				if err := ss.RecvMsg(&f); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				if err := ss.SendMsg(&f); err != nil {
					return err
				}
			}
		})
		r := newRig(t, listener, nil, nil, b)
		for _, method := range []string{"UnaryCall", "FullDuplexCall"} {
			got, err := exchange(r, method, "\xff\xff not protobuf")
			if err != nil || len(got) != 1 || got[0] != "\xff\xff not protobuf" {
				t.Errorf("%s: %q, %v", method, got, err)
			}
		}
	}
}

func TestDriveOneMessageEachWay(t *testing.T) {
	replies := 1
	handle := func(ss grpc.ServerStream) error {
		var f rpc.Frame
		defer f.Free()
		for ss.RecvMsg(&f) == nil {
		}
		for range replies {
			if err := ss.SendMsg(rpc.FrameOf(nil, nil)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range []struct {
		name     string
		method   string
		requests []string
		replies  int
		want     codes.Code
	}{
		{"One", "UnaryCall", []string{""}, 1, codes.OK},
		{"NoRequest", "UnaryCall", nil, 1, codes.Unimplemented},
		{"TwoRequests", "UnaryCall", []string{"", ""}, 1, codes.Unimplemented},
		{"NoReply", "UnaryCall", []string{""}, 0, codes.Internal},
		{"TwoReplies", "UnaryCall", []string{""}, 2, codes.Internal},
		{"ServerStreamNoRequest", "StreamingOutputCall", nil, 0, codes.Unimplemented},
		{"ServerStreamNoReply", "StreamingOutputCall", []string{""}, 0, codes.OK},
		{"ClientStreamNoRequest", "StreamingInputCall", nil, 1, codes.OK},
		{"ClientStreamNoReply", "StreamingInputCall", []string{"", ""}, 0, codes.Internal},
		{"ClientStreamTwoReplies", "StreamingInputCall", []string{""}, 2, codes.Internal},
		{"BidiNothing", "FullDuplexCall", nil, 0, codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, listener := range []string{"native", "public"} {
				t.Run(listener, func(t *testing.T) {
					leak.Check(t)
					replies = c.replies
					r := newRig(t, listener, nil, nil, rawBackend(t, handle))
					_, err := exchange(r, c.method, c.requests...)
					wantCode(t, err, c.want)
					r.endedOnce(t, c.want)
				})
			}
		})
	}
}

// pool counts buffers in use.
type pool struct{ used atomic.Int64 }

func (p *pool) Get(n int) *[]byte { b := make([]byte, n); return &b }
func (p *pool) Put(*[]byte)       { p.used.Add(-1) }

// fill puts a message into m that is large enough to be counted.
func (p *pool) fill(m any) error {
	p.used.Add(1)
	b := make([]byte, 4096)
	data := mem.BufferSlice{mem.NewBuffer(&b, p)}
	defer data.Free()
	return rpc.Codec{}.Unmarshal(data, m)
}

// client is a front's stream on which n messages come in; then err, which is io.EOF or what went wrong.
type client struct {
	grpc.ServerStream
	ctx     context.Context
	pool    *pool
	n       int
	err     error
	sendErr error
}

func (c *client) Context() context.Context     { return c.ctx }
func (c *client) SetHeader(metadata.MD) error  { return nil }
func (c *client) SendHeader(metadata.MD) error { return nil }
func (c *client) SetTrailer(metadata.MD)       {}
func (c *client) SendMsg(any) error            { return c.sendErr }
func (c *client) RecvMsg(m any) error {
	if c.n == 0 {
		return c.err
	}
	c.n--
	return c.pool.fill(m)
}

// far is a backend that sends n replies, after all requests have come or failed; then err.
type far struct {
	grpc.ClientStream
	ctx    context.Context
	pool   *pool
	n      int
	err    error
	closed chan struct{}
}

func (f *far) Open(ctx context.Context, _ *rpc.Call) (grpc.ClientStream, error) {
	f.ctx, f.closed = ctx, make(chan struct{})
	return f, nil
}
func (f *far) Header() (metadata.MD, error) { return metadata.MD{}, nil }
func (f *far) Trailer() metadata.MD         { return nil }
func (f *far) SendMsg(any) error            { return f.ctx.Err() }
func (f *far) CloseSend() error             { close(f.closed); return nil }
func (f *far) RecvMsg(m any) error {
	select {
	case <-f.closed:
	case <-f.ctx.Done():
		return f.ctx.Err()
	}
	if f.n == 0 {
		return f.err
	}
	f.n--
	return f.pool.fill(m)
}

// Whatever happens to a call, every buffer goes back.
func TestDriveFreesFrames(t *testing.T) {
	refuse := func(*rpc.Call, *rpc.Frame) error { return rpc.Errorf(codes.PermissionDenied, "REFUSED", "no") }
	panics := func(*rpc.Call, *rpc.Frame) error { panic("a check fell over") }
	broken := errors.New("broken")
	for _, method := range []string{"UnaryCall", "StreamingOutputCall", "StreamingInputCall", "FullDuplexCall"} {
		for name, c := range map[string]struct {
			check    rpc.Check
			requests int
			replies  int
			in, out  error
			send     error
		}{
			"OK":             {requests: 1, replies: 1, in: io.EOF, out: io.EOF},
			"TooMany":        {requests: 2, replies: 2, in: io.EOF, out: io.EOF},
			"ClientBreaks":   {requests: 1, replies: 1, in: broken, out: io.EOF},
			"BackendFails":   {requests: 1, replies: 1, in: io.EOF, out: status.Error(codes.Aborted, "x")},
			"SendFails":      {requests: 1, replies: 1, in: io.EOF, out: io.EOF, send: broken},
			"RequestRefused": {check: rpc.Check{Request: refuse}, requests: 1, replies: 1, in: io.EOF, out: io.EOF},
			"RequestPanics":  {check: rpc.Check{Request: panics}, requests: 1, replies: 1, in: io.EOF, out: io.EOF},
			"ReplyRefused":   {check: rpc.Check{Reply: refuse}, requests: 1, replies: 1, in: io.EOF, out: io.EOF},
			"ReplyPanics":    {check: rpc.Check{Reply: panics}, requests: 1, replies: 1, in: io.EOF, out: io.EOF},
		} {
			t.Run(method+"/"+name, func(t *testing.T) {
				leak.Check(t)
				p := &pool{}
				f := &far{pool: p, n: c.replies, err: c.out}
				m := tableOf(f, nil).Methods[servicePath+method].Method
				done := 0
				check := rpc.Check{Done: func(*rpc.Call, *status.Status) { done++ }}
				chain := interceptors.Bind(m, []rpc.Interceptor{fixed(c.check), fixed(check)})
				call := rpc.NewCall(m)
				call.Client = netip.MustParseAddr("127.0.0.1")
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				drive(call, &client{ctx: call.WithContext(ctx), pool: p, n: c.requests, err: c.in, sendErr: c.send}, chain, f)
				if f.ctx != nil && f.ctx.Err() == nil {
					t.Error("the backend's call outlives the client's")
				}
				if done != 1 {
					t.Errorf("Done ran %d times", done)
				}
				for end := time.Now().Add(soon); p.used.Load() != 0; runtime.Gosched() { // the upload's goroutine may still be ending
					if time.Now().After(end) {
						t.Fatalf("%d buffers did not come back", p.used.Load())
					}
				}
			})
		}
	}
}
