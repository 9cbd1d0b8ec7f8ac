package interceptors

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/interceptors/recovery"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// GRPC returns the checks of list as interceptors for any grpc-go server, whose calls count as coming from the given
// listener. resolve returns the method of a full name, "/pkg.Service/Method", always the same value for the same name;
// a call whose method it does not know (nil) is refused, so nothing passes unchecked.
//
// The checks behave as in the gateway: refusals carry reason and details, the trailer gatehouse-decision-id names the
// call, a panic is INTERNAL. Errors of the handler pass as they are.
func GRPC(l rpc.Listener, list []rpc.Interceptor, resolve func(fullMethod string) *rpc.Method) (grpc.UnaryServerInterceptor, grpc.StreamServerInterceptor) {
	s := &server{listener: l, list: list, resolve: resolve}
	return s.unary, s.stream
}

// server binds each method once, when it is first called. It is safe for concurrent use.
type server struct {
	listener rpc.Listener
	list     []rpc.Interceptor
	resolve  func(string) *rpc.Method
	chains   sync.Map // *rpc.Method → *Chain: as many as resolve knows
}

func (s *server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (reply any, err error) {
	call, chain, err := s.begin(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	err = s.run(call, chain, func(ctx context.Context) error {
		if err := judge(call, call.Method.Input, req, chain.ReadsRequests(), chain.Request); err != nil {
			return err
		}
		if reply, err = handler(ctx, req); err != nil {
			return err
		}
		return judge(call, call.Method.Output, reply, chain.ReadsReplies(), chain.Reply)
	}, func(md metadata.MD) { _ = grpc.SetTrailer(ctx, md) }) // fails only outside of a server
	if err != nil {
		return nil, err
	}
	return reply, nil
}

func (s *server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	call, chain, err := s.begin(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	return s.run(call, chain, func(ctx context.Context) error {
		return handler(srv, &checked{ServerStream: ss, ctx: ctx, call: call, chain: chain})
	}, ss.SetTrailer)
}

// begin makes the call of a request.
func (s *server) begin(ctx context.Context, fullMethod string) (*rpc.Call, *Chain, error) {
	m := s.resolve(fullMethod)
	if m == nil {
		return nil, nil, status.Errorf(codes.Unimplemented, "no method %s is known to the checks of this server", fullMethod)
	}
	bound, ok := s.chains.Load(m)
	if !ok {
		bound, _ = s.chains.LoadOrStore(m, Bind(m, s.list))
	}
	c := rpc.NewCall(m)
	c.Protocol, c.Listener, c.Client = "grpc", s.listener, clientOf(ctx)
	c.Metadata, _ = metadata.FromIncomingContext(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		c.Timeout, c.HasTimeout = time.Until(deadline), true
	}
	c.WithContext(ctx)
	return c, bound.(*Chain), nil
}

// run admits the call, runs the rest under its deadline and records its end.
func (s *server) run(c *rpc.Call, chain *Chain, rest func(context.Context) error, setTrailer func(metadata.MD)) error {
	c.Err = guard(func() error {
		if err := chain.Admit(c); err != nil {
			return err
		}
		ctx := c.Context()
		if c.Timeout > 0 {
			limited, cancel := context.WithTimeout(ctx, c.Timeout)
			defer cancel()
			ctx = c.WithContext(limited)
		}
		return rest(ctx)
	})
	err := c.Err
	var own *rpc.Error
	if errors.As(err, &own) {
		setTrailer(metadata.Pairs("gatehouse-decision-id", c.ID))
		err = own.GRPCStatus().Err()
	}
	chain.Done(c, sent(err))
	return err
}

// sent returns the status that grpc-go makes of an error.
func sent(err error) *status.Status {
	if st, ok := status.FromError(err); ok {
		return st
	}
	return status.FromContextError(err)
}

// guard runs f and returns its panic as an error.
func guard(f func() error) (err error) {
	defer recovery.Guard(&err)
	return f()
}

// checked is a stream whose messages are judged.
type checked struct {
	grpc.ServerStream
	ctx   context.Context
	call  *rpc.Call
	chain *Chain
}

func (s *checked) Context() context.Context { return s.ctx }

func (s *checked) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return judge(s.call, s.call.Method.Input, m, s.chain.ReadsRequests(), s.chain.Request)
}

func (s *checked) SendMsg(m any) error {
	if err := judge(s.call, s.call.Method.Output, m, s.chain.ReadsReplies(), s.chain.Reply); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

// judge shows a typed message to the checks as a frame, if any of them reads messages.
func judge(c *rpc.Call, t *rpc.Type, message any, reads bool, check func(*rpc.Call, *rpc.Frame) error) error {
	if !reads {
		return nil
	}
	m, ok := message.(proto.Message)
	if !ok {
		return rpc.Errorf(codes.Internal, "INTERNAL", "the gateway failed; its log has the cause under this call's decision id").
			Because(fmt.Errorf("%s carries %T, which is no proto.Message", c.Method.Name(), message))
	}
	f, err := frameOf(t, m)
	if err != nil {
		return err
	}
	defer f.Free()
	return check(c, f)
}

// frameOf uses m as the frame's view if its type is the very one that the checks were built for.
func frameOf(t *rpc.Type, m proto.Message) (*rpc.Frame, error) {
	if m.ProtoReflect().Descriptor() == t.Descriptor {
		return rpc.FrameOfMessage(t, m)
	}
	wire, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return rpc.FrameOf(t, wire), nil
}

// clientOf returns the peer's address, the zero Addr if it is not one of IP.
func clientOf(ctx context.Context) netip.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		if tcp, ok := p.Addr.(*net.TCPAddr); ok {
			return tcp.AddrPort().Addr().Unmap()
		}
	}
	return netip.Addr{}
}
