package backend

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// The metadata keys that the gateway sets for backends. No client can set one: fronts take the namespace away.
const (
	// PrincipalKey has the verified caller, as "issuer/name" with every byte outside 0x21 to 0x7E, and "%" itself,
	// percent-encoded. It is absent for anonymous callers.
	PrincipalKey = "gatehouse-principal"
	// DecisionIDKey has the call's decision id, which refusals and the access log carry too.
	DecisionIDKey = "gatehouse-decision-id"
	// clientKey has the caller's address, as the gateway knows it. What a client claimed is never passed on.
	clientKey = "x-forwarded-for"
	// copyPrefix begins the names of copies of headers, as grpc-gateway has them: of credentials, too.
	copyPrefix = "grpcgateway-"
)

// remote is an rpc.Backend over a shared connection.
type remote struct {
	conn               *conn
	forwardCredentials bool
	toServer, toClient *names // the metadata that passes
}

// Open starts the call, one with a single request when that is complete. While the backend is down the call fails at
// once, here or in RecvMsg. The stream's errors are explained at stream.
func (r *remote) Open(ctx context.Context, c *rpc.Call) (grpc.ClientStream, error) {
	if !c.Method.ClientStreams && !c.Method.ServerStreams {
		u := &unary{asking: asking{stream: stream{conn: r.conn, call: c, toClient: r.toClient}, remote: r}}
		u.ctx.Context = ctx
		return u, nil
	}
	if !c.Method.ClientStreams {
		s := &serverStream{asking{stream: stream{conn: r.conn, call: c, toClient: r.toClient}, remote: r}}
		s.ctx.Context = ctx
		return s, nil
	}
	md := make(metadata.MD, len(c.Metadata)+3)
	r.metadata(c, func(name, value string) bool {
		md[name] = append(md[name], value)
		return true
	})
	s := &stream{conn: r.conn, call: c, toClient: r.toClient}
	s.ctx.Context = metadata.NewOutgoingContext(ctx, md)
	desc := &grpc.StreamDesc{
		StreamName:    string(c.Method.Descriptor.Name()),
		ClientStreams: true,
		// Whoever drives the call counts the replies, so that it can say what was wrong in its own words.
		ServerStreams: true,
	}
	var err error
	if s.ClientStream, err = r.conn.client.NewStream(&s.ctx, desc, c.Method.Path); err != nil {
		return nil, s.fault(err)
	}
	return s, nil
}

// metadata lists what the backend gets to see of a call: what the client sent and the configuration lets pass, without the
// credentials that were for the gateway, and what the gateway says itself.
func (r *remote) metadata(c *rpc.Call, yield func(name, value string) bool) {
	for name, values := range c.Metadata {
		switch name {
		case PrincipalKey, clientKey, DecisionIDKey, "user-agent": // the gateway says those itself
			continue
		}
		if slices.Contains(c.Consumed, strings.TrimPrefix(name, copyPrefix)) {
			if !r.forwardCredentials {
				continue
			}
		} else if !r.toServer.have(name) {
			continue
		}
		for _, v := range values {
			if !yield(name, v) {
				return
			}
		}
	}
	if c.Principal != nil && !yield(PrincipalKey, escape(c.Principal.String())) {
		return
	}
	if c.Client.IsValid() && !yield(clientKey, c.Client.Unmap().String()) {
		return
	}
	yield(DecisionIDKey, c.ID)
}

// Missing returns the backend of a service for which nobody named one. Every call gets UNAVAILABLE with the settings
// that would change that.
func Missing(service string) rpc.Backend { return missing(service) }

type missing string

func (m missing) Open(context.Context, *rpc.Call) (grpc.ClientStream, error) {
	return nil, rpc.Errorf(codes.Unavailable, "BACKEND_MISSING",
		"no backend is set for %s; name one with `publish --backend`, `serve --backend`, or under `backends` in the configuration", string(m))
}

// escape percent-encodes what cannot stand in a metadata value, and "%".
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
