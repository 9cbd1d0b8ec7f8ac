// Package grpc is gRPC as clients speak it to the gateway. Front speaks it on an HTTP listener that serves other
// protocols too, with our own framing over HTTP/2 streams; Native on a listener of its own, where grpc-go's server does
// the framing. A call gets the same answer from both, except where grpc-go answers before any handler runs: there a
// malformed -bin header ends a call that Front lets pass without the header. Front alone speaks application/grpc+json.
//
// Read front.go or native.go first; stream.go says what of package framed gRPC is.
package grpc

import (
	"net"
	"net/netip"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
)

const (
	protocol      = "grpc"
	contentType   = "application/grpc"
	decisionIDKey = framed.DecisionIDKey
	// subtypeJSON is of messages in JSON, which Front speaks and Native does not.
	subtypeJSON = "json"
)

// subtype returns what stands after application/grpc in a content type: "" for protobuf by default, "proto", or a name
// that we refuse. A parameter after ";" is read as grpc-go reads it, as a subtype.
func subtype(contentTypeValue string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(strings.ToLower(contentTypeValue), contentType)
	if !ok {
		return "", false
	}
	if rest == "" {
		return "", true
	}
	return rest[1:], rest[0] == '+' || rest[0] == ';'
}

// admitSubtype returns nil for protobuf. What it says does not name JSON, which Native does not have.
func admitSubtype(name string) error {
	if name == "" || name == "proto" {
		return nil
	}
	return rpc.Errorf(codes.Unimplemented, "CONTENT_SUBTYPE_UNKNOWN",
		"messages come as protobuf here: send application/grpc or application/grpc+proto, not application/grpc+%s", name)
}

// unknown is the answer to a path that is no method of the table, in grpc-go's own words. Whether the method exists
// elsewhere, or the service at all, cannot be seen from it.
func unknown(path string) error {
	service, method, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || !strings.HasPrefix(path, "/") {
		return rpc.Errorf(codes.Unimplemented, "METHOD_UNKNOWN", "malformed method name: %q", path)
	}
	return rpc.Errorf(codes.Unimplemented, "METHOD_UNKNOWN", "unknown method %s for service %s", method, service)
}

// address returns the IP address of a connection's other end, the zero Addr if it has none.
func address(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
