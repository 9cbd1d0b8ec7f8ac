package gateway

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// When net/http gives a slow client up, the call's context is over before the front has said that the client was too slow.
func TestUploadHasTheLastWord(t *testing.T) {
	for name, c := range map[string]struct {
		takes time.Duration // from the end of the context to that of the read
		want  codes.Code
	}{
		"AtOnce": {time.Millisecond, codes.DeadlineExceeded},
		"Never":  {time.Hour, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				gone := make(chan struct{})
				defer close(gone)
				s := slowFront{ctx: ctx, cancel: cancel, takes: c.takes, gone: gone}
				d := newDriver(rpc.NewCall(&rpc.Method{ClientStreams: true}), s, nil, silentBackend{})
				start := time.Now()
				err := d.stream(ctx, cancel)
				if got := rpc.StatusOf(err).Code(); got != c.want {
					t.Errorf("%v, want %v", err, c.want)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// slowFront is a stream whose client sends nothing until it is given up.
type slowFront struct {
	grpc.ServerStream
	ctx    context.Context
	cancel context.CancelFunc
	takes  time.Duration
	gone   <-chan struct{}
}

func (s slowFront) Context() context.Context { return s.ctx }

func (s slowFront) RecvMsg(any) error {
	s.cancel()
	select {
	case <-time.After(s.takes):
	case <-s.gone:
	}
	return rpc.Errorf(codes.DeadlineExceeded, "BODY_TOO_SLOW", "too slow")
}

// silentBackend never answers.
type silentBackend struct{}

func (silentBackend) Open(ctx context.Context, _ *rpc.Call) (grpc.ClientStream, error) {
	return silentStream{ctx: ctx}, nil
}

type silentStream struct {
	grpc.ClientStream
	ctx context.Context
}

func (s silentStream) Header() (metadata.MD, error) {
	<-s.ctx.Done()
	return nil, status.FromContextError(s.ctx.Err()).Err()
}

func (silentStream) SendMsg(any) error { return io.EOF }
