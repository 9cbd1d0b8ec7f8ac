package backend

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend/transport"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// asking is a call with one request as a grpc.ClientStream: what unary and serverStream have in common. The methods of both
// are called one after the other.
type asking struct {
	stream
	remote  *remote
	wire    transport.Call
	request *rpc.Frame
	err     error
}

// SendMsg borrows the frame until CloseSend returns.
func (a *asking) SendMsg(m any) error {
	f, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("a backend takes *rpc.Frame, not %T", m)
	}
	a.request = f
	return nil
}

// send makes the call with one of the transport's two ways to do so, and returns that one's error.
func (a *asking) send(do func(context.Context, *transport.Call) error) error {
	message, err := rpc.Codec{}.Marshal(a.request)
	if err != nil {
		return err
	}
	defer message.Free()
	a.wire.Path, a.wire.Request, a.wire.Metadata = a.call.Method.Path, message, a.metadata
	err = do(a.ctx.Context, &a.wire)
	a.request, a.wire.Request = nil, nil
	return err
}

// metadata lists what the backend gets to see.
func (a *asking) metadata(yield func(name, value string) bool) { a.remote.metadata(a.call, yield) }

// refused is the failure that the backend's status is, nil for OK.
func (a *asking) refused() error {
	if a.wire.Status.Code() == codes.OK {
		return nil
	}
	a.ctx.ended.Store(true)
	return a.fault(a.wire.Status.Err())
}

func (a *asking) Header() (metadata.MD, error) { return a.passing(a.wire.Header), nil }

func (a *asking) Trailer() metadata.MD { return a.passing(a.wire.Trailer) }

func (a *asking) Context() context.Context { return &a.ctx }

// unary is a call with one message each way. It runs as a whole in CloseSend.
type unary struct {
	asking
	taken bool // the reply
}

// CloseSend makes the call. How it ended is what RecvMsg says.
func (u *unary) CloseSend() error {
	if u.err = u.outcome(u.send(u.conn.wire.Do)); u.err != nil && u.wire.Reply != nil {
		u.wire.Reply.Free()
		u.wire.Reply = nil
	}
	return nil
}

// outcome is how the call has ended, given the error of the way there and back.
func (u *unary) outcome(err error) error {
	if err != nil {
		return u.fault(err)
	}
	switch err := u.refused(); {
	case err != nil:
		return err
	case u.wire.Replies == 0:
		return ReplyMissing(u.call)
	case u.wire.Replies > 1:
		return ReplyRepeated(u.call)
	}
	return nil
}

// RecvMsg gives the reply, once, and then the end of the call.
func (u *unary) RecvMsg(m any) error {
	switch {
	case u.err != nil:
		return u.err
	case u.taken:
		return io.EOF
	}
	f, ok := m.(*rpc.Frame)
	if !ok {
		return unfillable(m)
	}
	u.taken = true
	f.Hold(u.wire.Reply)
	return nil
}

func unfillable(m any) error { return fmt.Errorf("a backend fills *rpc.Frame, not %T", m) }
