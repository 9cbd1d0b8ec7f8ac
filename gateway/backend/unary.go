package backend

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// unary is a call with one message each way as a grpc.ClientStream. It runs the whole call in CloseSend, by grpc-go's
// Invoke: a stream of grpc-go costs a goroutine that waits for the call's end, which is a tenth of what the call costs
// (BenchmarkUnary). Its methods are called one after the other.
type unary struct {
	stream
	request         *rpc.Frame
	reply           rpc.Frame
	header, trailer metadata.MD
	err             error
	taken           bool // the reply
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
	u.err = u.conn.client.Invoke(&u.ctx, u.call.Method.Path, u.request, &u.reply, grpc.Header(&u.header), grpc.Trailer(&u.trailer))
	u.request = nil
	if u.err != nil {
		u.err = u.miscounted(u.err)
		u.reply.Free()
	}
	return nil
}

// miscounted says in our words that there was no reply, or one too many, and leaves any other error to fault.
func (u *unary) miscounted(err error) error {
	// The text is all that sets grpc-go's own finding apart from a status of the backend's, which would gain nothing by
	// pretending.
	const none = "cardinality violation: received no response message from non-server-streaming RPC"
	switch st := status.Convert(err); {
	case st.Code() == codes.Internal && u.reply.Received() > 1:
		return ReplyRepeated(u.call)
	case st.Code() == codes.Internal && u.reply.Received() == 0 && st.Message() == none:
		return ReplyMissing(u.call)
	}
	return u.fault(err)
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
		return fmt.Errorf("a backend fills *rpc.Frame, not %T", m)
	}
	u.taken = true
	f.Take(&u.reply)
	return nil
}

func (u *unary) Header() (metadata.MD, error) { return foreign(u.header), nil }

func (u *unary) Trailer() metadata.MD { return foreign(u.trailer) }

func (u *unary) Context() context.Context { return &u.ctx }
