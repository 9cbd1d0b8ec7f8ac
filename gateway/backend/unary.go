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

// unary is a call with one message each way as a grpc.ClientStream. It runs the whole call in CloseSend. Its methods are
// called one after the other.
type unary struct {
	stream
	remote  *remote
	wire    transport.Call
	request *rpc.Frame
	err     error
	taken   bool // the reply
}

// SendMsg borrows the frame until CloseSend returns.
func (u *unary) SendMsg(m any) error {
	f, ok := m.(*rpc.Frame)
	if !ok {
		return fmt.Errorf("a backend takes *rpc.Frame, not %T", m)
	}
	u.request = f
	return nil
}

// CloseSend makes the call. How it ended is what RecvMsg says.
func (u *unary) CloseSend() error {
	message, err := rpc.Codec{}.Marshal(u.request)
	if err != nil {
		return err
	}
	defer message.Free()
	u.wire.Path, u.wire.Request, u.wire.Metadata = u.call.Method.Path, message, u.metadata
	err = u.conn.unary.Do(u.ctx.Context, &u.wire)
	u.request, u.wire.Request = nil, nil
	if u.err = u.outcome(err); u.err != nil && u.wire.Reply != nil {
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
	switch st := u.wire.Status; {
	case st.Code() != codes.OK:
		u.ctx.ended.Store(true)
		return u.fault(st.Err())
	case u.wire.Replies == 0:
		return ReplyMissing(u.call)
	case u.wire.Replies > 1:
		return ReplyRepeated(u.call)
	}
	return nil
}

// metadata lists what the backend gets to see.
func (u *unary) metadata(yield func(name, value string) bool) { u.remote.metadata(u.call, yield) }

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
		return fmt.Errorf("a backend fills *rpc.Frame, not %T", m)
	}
	u.taken = true
	f.Hold(u.wire.Reply)
	return nil
}

func (u *unary) Header() (metadata.MD, error) { return foreign(u.wire.Header), nil }

func (u *unary) Trailer() metadata.MD { return foreign(u.wire.Trailer) }

func (u *unary) Context() context.Context { return &u.ctx }
