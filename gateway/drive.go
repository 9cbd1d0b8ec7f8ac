package gateway

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend"
	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/interceptors/recovery"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// drive runs the call c on its stream, from its admission to its record: it pumps messages between the front's
// stream and a backend and consults the chain at each moment. It returns the error that the front has to write, nil for OK; headers and
// trailers were set on ss by then. Done has run exactly once, with that error's status, and no moment of the call runs
// afterwards; a panic on the way is an INTERNAL error.
//
// A unary or server-streaming call stays in this goroutine. The requests of a client-streaming or bidi call are read
// in a second one, which may be waiting in ss.RecvMsg when drive returns; it ends as soon as the front ends its stream.
func drive(c *rpc.Call, ss grpc.ServerStream, chain *interceptors.Chain, b rpc.Backend) error {
	d := newDriver(c, ss, chain, b)
	c.Err = d.guarded()
	return d.done()
}

// driver is the state of one call.
type driver struct {
	front   grpc.ServerStream
	call    *rpc.Call
	chain   *interceptors.Chain
	backend rpc.Backend
	request rpc.Frame
	answer  rpc.Frame
	extra   rpc.Frame // takes a message that should not be there
}

// newDriver is apart from drive, as done is: what they need on the stack would stay there while a call stands idle, and there
// are streams that do for hours.
//
//go:noinline
func newDriver(c *rpc.Call, ss grpc.ServerStream, chain *interceptors.Chain, b rpc.Backend) *driver {
	return &driver{
		front: ss, call: c, chain: chain, backend: b,
		request: *rpc.NewFrame(c.Method.Input), answer: *rpc.NewFrame(c.Method.Output),
	}
}

// done records how the call has ended, and returns that.
func (d *driver) done() error {
	c := d.call
	if c.Err != nil {
		if why := new(rpc.Error); errors.As(context.Cause(c.Context()), &why) {
			c.Err = why // somebody ended the call, and what became of it then is the echo
		}
		d.front.SetTrailer(metadata.MD{backend.DecisionIDKey: {c.ID}})
	}
	err := c.Err // what Done adds is for the record, not for the caller
	d.chain.Done(c, rpc.StatusOf(err))
	return err
}

func (d *driver) guarded() (err error) {
	defer recovery.Guard(&err)
	return d.run()
}

func (d *driver) run() error {
	// Admit comes before anything is read, so that whoever is refused costs no memory, and learns nothing about how
	// its message would have been judged.
	if err := d.chain.Admit(d.call); err != nil {
		return err
	}
	defer d.expire()()
	ctx, cancel, err := d.limit()
	if err != nil {
		return err
	}
	defer cancel()
	if d.call.Method.ClientStreams {
		return d.stream(ctx, cancel)
	}
	return d.single(ctx)
}

// expire ends a stream when the caller's credential does; other calls are over soon enough. The backend is not told
// beforehand, as it would be of a deadline.
func (d *driver) expire() (stop func()) {
	c := d.call
	if p := c.Principal; p == nil || p.Expires.IsZero() || !c.Method.ClientStreams && !c.Method.ServerStreams {
		return func() {}
	}
	ctx, cancel := context.WithCancelCause(c.Context())
	c.WithContext(ctx)
	timer := time.AfterFunc(time.Until(c.Principal.Expires), func() {
		cancel(rpc.Errorf(codes.Unauthenticated, "CREDENTIAL_EXPIRED",
			"the token expired while the call went on; call again with a new one from its issuer"))
	})
	return func() { timer.Stop(); cancel(nil) }
}

// limit gives the call's context the time that is left since the call started, as the checks have set it.
func (d *driver) limit() (context.Context, context.CancelFunc, error) {
	c := d.call
	if !c.HasTimeout && c.Timeout == 0 {
		ctx, cancel := context.WithCancel(c.Context())
		return c.WithContext(ctx), cancel, nil
	}
	left := c.Timeout - time.Since(c.Started)
	if left <= 0 {
		return nil, nil, rpc.Errorf(codes.DeadlineExceeded, "DEADLINE_EXCEEDED",
			"the time for the call, %s, was over before it could start; allow more", c.Timeout)
	}
	ctx, cancel := context.WithTimeout(c.Context(), left)
	return c.WithContext(ctx), cancel, nil
}

// single runs a call with one request message: the backend hears of it when the request is complete and judged.
func (d *driver) single(ctx context.Context) error {
	far, err := d.ask(ctx)
	if err != nil {
		return err
	}
	return d.replies(far)
}

func (d *driver) ask(ctx context.Context) (grpc.ClientStream, error) {
	f := &d.request
	defer f.Free()
	if err := d.receiveOnly(f); err != nil {
		return nil, err
	}
	if err := d.chain.Request(d.call, f); err != nil {
		return nil, err
	}
	far, err := d.backend.Open(ctx, d.call)
	if err != nil {
		return nil, err
	}
	// io.EOF: the backend has ended the call already, and its status comes with the replies.
	if err := far.SendMsg(f); err != nil && err != io.EOF {
		return nil, err
	}
	return far, far.CloseSend()
}

// receiveOnly fills f with the client's message, and makes sure that there is exactly one. That a client treats a method
// as one of another kind is UNIMPLEMENTED in gRPC's list of status codes ("cardinality violation").
func (d *driver) receiveOnly(f *rpc.Frame) error {
	switch err := d.front.RecvMsg(f); {
	case err == io.EOF:
		return rpc.Errorf(codes.Unimplemented, "REQUEST_MISSING", "%s takes one request message, and none came", d.call.Method.Name())
	case err != nil:
		return d.fromFront(err)
	}
	defer d.extra.Free()
	switch err := d.front.RecvMsg(&d.extra); {
	case err == nil:
		return rpc.Errorf(codes.Unimplemented, "REQUEST_REPEATED", "%s takes one request message, and more came", d.call.Method.Name())
	case err != io.EOF:
		return d.fromFront(err)
	}
	return nil
}

// replies pumps the backend's side of the call to the client.
func (d *driver) replies(far grpc.ClientStream) error {
	if err := d.headers(far); err != nil {
		return err
	}
	f := &d.answer
	defer f.Free()
	if d.call.Method.ServerStreams {
		return d.replyStream(far, f)
	}
	return d.reply(far, f)
}

// headers hands the backend's headers to the front when they come; a call that ends without any has none to forward.
func (d *driver) headers(far grpc.ClientStream) error {
	md, err := far.Header()
	if err != nil || md == nil {
		return err
	}
	if m := d.call.Method; !m.ClientStreams && !m.ServerStreams {
		return d.fromFront(d.front.SetHeader(md)) // one message each way: headers leave together with it
	}
	return d.fromFront(d.front.SendHeader(md))
}

// reply takes exactly one message, which the client gets when the backend has said that all went well.
func (d *driver) reply(far grpc.ClientStream, f *rpc.Frame) error {
	err := far.RecvMsg(f)
	if err == io.EOF {
		err = backend.ReplyMissing(d.call)
	}
	if err != nil {
		d.front.SetTrailer(far.Trailer())
		return err
	}
	defer d.extra.Free()
	err = far.RecvMsg(&d.extra)
	if err == nil {
		return backend.ReplyRepeated(d.call)
	}
	d.front.SetTrailer(far.Trailer())
	if err != io.EOF {
		return err
	}
	return d.send(f)
}

// replyStream forwards each message as it comes, and the trailers at the end.
func (d *driver) replyStream(far grpc.ClientStream, f *rpc.Frame) error {
	for {
		if err := far.RecvMsg(f); err != nil {
			d.front.SetTrailer(far.Trailer())
			if err == io.EOF {
				return nil
			}
			return err
		}
		if err := d.send(f); err != nil {
			return err
		}
		f.Free()
	}
}

// send judges a reply and sends it to the client.
func (d *driver) send(f *rpc.Frame) error {
	if err := d.chain.Reply(d.call, f); err != nil {
		return err
	}
	return d.fromFront(d.front.SendMsg(f))
}

// stream runs a call with any number of requests: the backend hears of it at once, and of each message when that is
// judged. This goroutine forwards the replies, so an early end by the backend ends the call.
func (d *driver) stream(ctx context.Context, cancel context.CancelFunc) error {
	far, err := d.backend.Open(ctx, d.call)
	if err != nil {
		return err
	}
	up := &upload{driver: d, far: far, cancel: cancel, ended: make(chan struct{})}
	go up.run()
	err = d.guardedReplies(far)
	cancel() // before stop: whatever the upload is waiting for inside a moment or the backend's stream ends now
	if err != nil && d.front.Context().Err() == context.Canceled {
		up.lastWord()
	}
	if refused := up.stop(); refused != nil && err != nil {
		return refused // err is only its echo: the backend's stream, cancelled
	}
	return err
}

// guardedReplies is replies with the panic of a check as its error, so that the upload is always stopped.
func (d *driver) guardedReplies(far grpc.ClientStream) (err error) {
	defer recovery.Guard(&err)
	return d.replies(far)
}

// fromFront says why the client's side failed: what the front found wrong with a message, or, whatever the front's
// words for it, a client that is gone or out of time.
func (d *driver) fromFront(err error) error {
	if err == nil {
		return nil
	}
	// The context alone does not tell: grpc-go's stream is over as soon as it has found a message wrong.
	if s, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		switch s.GRPCStatus().Code() {
		case codes.Canceled, codes.Unavailable:
		case codes.DeadlineExceeded:
			if d.front.Context().Err() == context.Canceled {
				return err // net/http gives a client up that is too slow
			}
		default:
			return err
		}
	}
	switch d.front.Context().Err() {
	case context.Canceled:
		return rpc.Errorf(codes.Canceled, "CANCELED", "the client went away").Because(err)
	case context.DeadlineExceeded:
		return rpc.Errorf(codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the time for the call was over").Because(err)
	}
	return err
}
