package grpc

import (
	"context"
	"log"
	"net/http"
	"net/url"
	"time"

	grpcgo "google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // the one compression that grpc-go has
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// Limits bound what one connection may ask of the native server. A zero is grpc-go's default.
type Limits struct {
	// StreamsMax bounds the calls at a time.
	StreamsMax uint32
	// HeaderBytesMax bounds the headers of a call.
	HeaderBytesMax uint32
	// HandshakeTimeout is how long a new connection may take until it can be used.
	HandshakeTimeout time.Duration
}

// Native serves the methods of a table on grpc-go's own server. It is safe for concurrent use.
type Native struct {
	env     front.Env
	limits  Limits
	acquire func() (t *front.Table, release func())
}

// NewNative returns the handler. acquire returns what the listener serves at that moment, and is called once per
// call; the table is released when the call has ended.
func NewNative(env front.Env, limits Limits, acquire func() (t *front.Table, release func())) *Native {
	return &Native{env: env, limits: limits, acquire: acquire}
}

// Options returns what makes a grpc.Server this handler: frames instead of messages, and every method unknown to
// the server itself. The caller adds transport credentials, and registers no service.
func (n *Native) Options() []grpcgo.ServerOption {
	options := []grpcgo.ServerOption{
		grpcgo.ForceServerCodecV2(rpc.Codec{}),
		grpcgo.UnknownServiceHandler(n.handle),
		grpcgo.MaxRecvMsgSize(n.env.BodyBytesMax),
		// Clients behind load balancers ping to keep their connection; the default, one ping in five minutes and none
		// without calls, ends their connections.
		grpcgo.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		// A client that vanished without a word is noticed, and its calls are cancelled.
		grpcgo.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
	}
	if n.limits.StreamsMax > 0 {
		options = append(options, grpcgo.MaxConcurrentStreams(n.limits.StreamsMax))
	}
	if n.limits.HeaderBytesMax > 0 {
		options = append(options, grpcgo.MaxHeaderListSize(n.limits.HeaderBytesMax))
	}
	if n.limits.HandshakeTimeout > 0 {
		options = append(options, grpcgo.ConnectionTimeout(n.limits.HandshakeTimeout))
	}
	return options
}

// handle serves one call. grpc-go has answered already what it cannot read: a malformed timeout or binary header, a
// content type that is not gRPC, an unknown grpc-encoding (UNIMPLEMENTED).
func (n *Native) handle(_ any, ss grpcgo.ServerStream) error {
	t, release := n.acquire()
	defer release()
	if err := n.serve(ss, t); err != nil {
		return n.env.Status(err).Err()
	}
	return nil
}

func (n *Native) serve(ss grpcgo.ServerStream, t *front.Table) error {
	ctx := ss.Context()
	in, _ := metadata.FromIncomingContext(ctx)
	path, _ := grpcgo.Method(ctx)
	p, _ := peer.FromContext(ctx)
	for _, v := range in["content-type"] {
		if name, _ := subtype(v); admitSubtype(name) != nil {
			return n.unrouted(ss, path, p, http.StatusUnsupportedMediaType, admitSubtype(name))
		}
	}
	e := t.Methods[path]
	if e == nil {
		return n.unrouted(ss, path, p, http.StatusNotFound, unknown(path))
	}
	call := rpc.NewCall(e.Method)
	call.Protocol, call.Listener = protocol, n.env.Listener
	call.Client = n.env.Client(address(p.Addr), forwarded(in))
	if deadline, ok := ctx.Deadline(); ok {
		call.Timeout, call.HasTimeout = max(0, deadline.Sub(call.Started)), true
	}
	var dropped int
	if call.Metadata, dropped = front.MetadataFromGRPC(in); dropped > 0 {
		n.env.Ignored("header", dropped)
	}
	// Checks and interceptors see the same metadata, not what a client may not set.
	call.WithContext(metadata.NewIncomingContext(ctx, call.Metadata))
	return front.Serve(e, call, &nativeStream{ServerStream: ss, ctx: call.Context(), env: &n.env}, log.Printf)
}

// unrouted answers a call that has no method.
func (n *Native) unrouted(ss grpcgo.ServerStream, path string, p *peer.Peer, httpStatus int, err error) error {
	id := rpc.NewID()
	ss.SetTrailer(metadata.Pairs(decisionIDKey, id))
	n.env.Unrouted(protocol, id, httpStatus, &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: path}, RequestURI: path, Header: http.Header{},
		Proto: "HTTP/2.0", ProtoMajor: 2, RemoteAddr: p.Addr.String(),
	})
	return err
}

// forwarded returns the headers in which a trusted proxy says who the caller is; nil if there are none, the usual case.
func forwarded(in metadata.MD) http.Header {
	var h http.Header
	for _, name := range [...]string{"x-forwarded-for", "forwarded", "x-real-ip"} {
		for _, v := range in[name] {
			if h == nil {
				h = http.Header{}
			}
			h.Add(name, v)
		}
	}
	return h
}

// nativeStream is grpc-go's stream with the call in its context.
type nativeStream struct {
	grpcgo.ServerStream
	ctx context.Context
	env *front.Env
}

func (s *nativeStream) Context() context.Context { return s.ctx }

// SetHeader, SendHeader and SetTrailer leave out what grpc-go would end the call for.
func (s *nativeStream) SetHeader(md metadata.MD) error {
	return s.ServerStream.SetHeader(s.env.Tellable(md))
}

func (s *nativeStream) SendHeader(md metadata.MD) error {
	return s.ServerStream.SendHeader(s.env.Tellable(md))
}

func (s *nativeStream) SetTrailer(md metadata.MD) { s.ServerStream.SetTrailer(s.env.Tellable(md)) }

// RecvMsg and SendMsg refuse what is no frame before grpc-go sees it, which would end the call with a status of its own.
func (s *nativeStream) RecvMsg(m any) error {
	if _, ok := m.(*rpc.Frame); !ok {
		return rpc.Codec{}.Unmarshal(nil, m)
	}
	return s.ServerStream.RecvMsg(m)
}

func (s *nativeStream) SendMsg(m any) error {
	if _, ok := m.(*rpc.Frame); !ok {
		_, err := rpc.Codec{}.Marshal(m)
		return err
	}
	return s.ServerStream.SendMsg(m)
}
