package front

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// NewCall starts the call of m that a request asks for. The front adds the timeout, in its protocol's own way.
func NewCall(env *Env, r *http.Request, m *rpc.Method, protocol string, names Names) *rpc.Call {
	c := rpc.NewCall(m)
	c.Protocol, c.Listener = protocol, env.Listener
	remote, _ := netip.ParseAddrPort(r.RemoteAddr)
	c.Client = env.Client(remote.Addr().Unmap(), r.Header)
	var dropped int
	c.Metadata, dropped = MetadataFromHeader(r.Header, names)
	env.ignoredHeaders(dropped)
	return c
}

// NewContext returns base with everything in it that a grpc-go interceptor looks for: the peer, the incoming metadata, and
// the transport stream.
func NewContext(base context.Context, r *http.Request, c *rpc.Call, ts grpc.ServerTransportStream) context.Context {
	p := &peer.Peer{Addr: address(r.RemoteAddr)}
	p.LocalAddr, _ = base.Value(http.LocalAddrContextKey).(net.Addr)
	if r.TLS != nil {
		p.AuthInfo = credentials.TLSInfo{
			State:          *r.TLS,
			CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		}
	}
	ctx := metadata.NewIncomingContext(peer.NewContext(base, p), c.Metadata)
	return grpc.NewContextWithServerTransportStream(ctx, ts)
}

// Serve runs a call. A panic that comes this far passed the driver's recovery, so nothing else logs it: printf does.
func Serve(e *Endpoint, c *rpc.Call, ss grpc.ServerStream, printf func(format string, args ...any)) (err error) {
	defer func() {
		if v := recover(); v != nil {
			printf("%s, decision %s: panic: %v\n%s", c.Method.Path, c.ID, v, debug.Stack())
			err = rpc.Errorf(codes.Internal, "INTERNAL", "the gateway failed; its log has the cause under this call's decision id").
				Because(fmt.Errorf("panic: %v", v))
		}
	}()
	return e.Serve(c, ss)
}

// Printf returns where net/http logs the panics of a request's handler.
func Printf(r *http.Request) func(format string, args ...any) {
	if server, _ := r.Context().Value(http.ServerContextKey).(*http.Server); server != nil && server.ErrorLog != nil {
		return server.ErrorLog.Printf
	}
	return log.Printf
}

// address is the far end of a connection.
func address(remote string) net.Addr {
	if a, err := netip.ParseAddrPort(remote); err == nil {
		return net.TCPAddrFromAddrPort(a)
	}
	return &net.UnixAddr{Name: remote, Net: "unix"}
}
