package interceptors

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Around puts a grpc-go stream interceptor around a whole call of m: serve is an endpoint's Serve, and so is what
// Around returns. The interceptor runs unchanged, whatever protocol the call came in by. It sees each message as a
// proto.Message that is decoded already; it may read messages, replace the context, and refuse, but not change or
// replace a message. A message that does not decode ends the call before the interceptor looks at it.
//
// Every message is decoded, so a method that is only passed through costs more with an interceptor around it.
func Around(i grpc.StreamServerInterceptor, m *rpc.Method, serve func(*rpc.Call, grpc.ServerStream) error) func(*rpc.Call, grpc.ServerStream) error {
	info := m.Info()
	return func(c *rpc.Call, ss grpc.ServerStream) error {
		return i(nil, decodesRequests{ss}, info, func(_ any, ss grpc.ServerStream) error {
			c.WithContext(ss.Context()) // the interceptor may have added to it
			return serve(c, decodesReplies{ss})
		})
	}
}

// decodesRequests is outside of the interceptor: what it receives is decoded when the interceptor sees it.
type decodesRequests struct{ grpc.ServerStream }

func (s decodesRequests) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	f, ok := m.(*rpc.Frame)
	if !ok {
		return nil
	}
	if f.Type() == nil { // received only to see that there is nothing more
		f.Free()
		return rpc.Errorf(codes.Unimplemented, "REQUEST_REPEATED", "the method takes one request message, and more came")
	}
	_, err := f.Message()
	return err
}

// decodesReplies is inside of the interceptor: what is sent is decoded when the interceptor sees it.
type decodesReplies struct{ grpc.ServerStream }

func (s decodesReplies) SendMsg(m any) error {
	if f, ok := m.(*rpc.Frame); ok {
		if _, err := f.Message(); err != nil {
			return rpc.Errorf(codes.Internal, "MALFORMED_REPLY",
				"the backend's reply is not a valid encoding of %s; it serves another version of the schema", f.Type()).Because(err)
		}
	}
	return s.ServerStream.SendMsg(m)
}
