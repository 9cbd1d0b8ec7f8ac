package gateway

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-gateway/gatehouse/interceptors/recovery"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// upload pumps the client's messages to the backend, in a goroutine of its own.
type upload struct {
	*driver
	far    grpc.ClientStream
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex // held while a message is judged and forwarded
	stopped bool
	err     error // why the client's side ended the call
}

// run ends when the client has sent everything, when a message is refused, or when either stream is over. The frame
// is its own, and is freed when it ends.
func (u *upload) run() {
	defer close(u.ended)
	f := &u.request
	defer f.Free()
	for {
		err := u.receive(f)
		if err == io.EOF {
			u.finish(u.half())
			return
		}
		if err == nil {
			err = u.pass(f)
		}
		if err != nil {
			u.finish(err)
			return
		}
		f.Free()
	}
}

func (u *upload) receive(f *rpc.Frame) (err error) {
	defer recovery.Guard(&err)
	if err = u.front.RecvMsg(f); err == io.EOF {
		return err
	}
	return u.fromFront(err)
}

// pass judges one message and forwards it.
func (u *upload) pass(f *rpc.Frame) (err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	defer recovery.Guard(&err)
	if u.stopped {
		return errStopped
	}
	if err := u.chain.Request(u.call, f); err != nil {
		return err
	}
	if err := u.far.SendMsg(f); err != nil {
		return errStopped // the backend ended the call; its status comes with the replies
	}
	return nil
}

// half tells the backend that the client has sent everything.
func (u *upload) half() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopped {
		return errStopped
	}
	return u.far.CloseSend()
}

// finish keeps the reason for which the client's side ends the call, and ends the backend's.
func (u *upload) finish(err error) {
	if err == nil || err == errStopped {
		return
	}
	u.mu.Lock()
	if !u.stopped {
		u.err = err
	}
	u.mu.Unlock()
	u.cancel()
}

// lastWord lets the upload say why the client's side ended, if it is about to: net/http says first that the call is cancelled, and then
// returns what was wrong with the request.
func (u *upload) lastWord() {
	timer := time.NewTimer(100 * time.Millisecond)
	defer timer.Stop()
	select {
	case <-u.ended:
	case <-timer.C:
	}
}

// stop waits for a moment that is running and lets no other start. It returns why the client's side ended the call.
func (u *upload) stop() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
	return u.err
}

// errStopped ends an upload whose call is over.
var errStopped = errors.New("the call is over")
