package gateway

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestDriveDeadline(t *testing.T) {
	deadlines := make(chan time.Duration, 1)
	s := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		end, _ := ctx.Deadline()
		deadlines <- time.Until(end)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	t.Run("Clients", func(t *testing.T) {
		each(t, s, nil, func(t *testing.T, r *rig) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := r.UnaryCall(ctx, &testpb.SimpleRequest{})
			wantCode(t, err, codes.DeadlineExceeded)
			if left := receive(t, deadlines, "the call"); left <= 0 || left > time.Second {
				t.Errorf("the backend was given %s", left)
			}
			// The client may hang up before the gateway's own clock says so.
			if st := r.ended(t); st.Code() != codes.DeadlineExceeded && st.Code() != codes.Canceled {
				t.Errorf("Done got %v", st)
			}
		})
	})
	t.Run("Gateways", func(t *testing.T) {
		limit := rpc.Check{Admit: func(c *rpc.Call) error { c.Timeout = time.Second; return nil }}
		each(t, s, []rpc.Check{limit}, func(t *testing.T, r *rig) {
			_, err := r.UnaryCall(context.Background(), &testpb.SimpleRequest{})
			wantCode(t, err, codes.DeadlineExceeded)
			if left := receive(t, deadlines, "the call"); left <= 0 || left > time.Second {
				t.Errorf("the backend was given %s", left)
			}
			if st := r.ended(t); st.Code() != codes.DeadlineExceeded {
				t.Errorf("Done got %v", st)
			}
		})
	})
	t.Run("Over", func(t *testing.T) {
		over := rpc.Check{Admit: func(c *rpc.Call) error { c.Timeout, c.HasTimeout = 0, true; return nil }}
		each(t, s, []rpc.Check{over}, func(t *testing.T, r *rig) {
			_, err := r.UnaryCall(context.Background(), &testpb.SimpleRequest{})
			wantCode(t, err, codes.DeadlineExceeded)
			if len(deadlines) != 0 {
				t.Error("the backend was called")
			}
		})
	})
	t.Run("RepliesNeverRead", func(t *testing.T) {
		limit := rpc.Check{Admit: func(c *rpc.Call) error { c.Timeout = time.Second; return nil }}
		gone := make(chan struct{}, 1)
		flood := &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			defer func() { gone <- struct{}{} }()
			for {
				if err := ss.Send(&testpb.StreamingOutputCallResponse{Payload: payload(1 << 16)}); err != nil {
					return err
				}
			}
		}}
		leak.Check(t)
		r := newRig(t, "public", flood, []rpc.Check{limit}, nil)
		if _, err := r.StreamingOutputCall(context.Background(), &testpb.StreamingOutputCallRequest{}); err != nil {
			t.Fatal(err)
		}
		receive(t, gone, "the end of the backend's call")
		r.ended(t)
	})
}

// A client that goes away ends the backend's call at once, whatever the call was doing.
func TestDriveCancel(t *testing.T) {
	started, ended := make(chan struct{}, 1), make(chan time.Time, 1)
	wait := func(ctx context.Context) error {
		started <- struct{}{}
		<-ctx.Done()
		ended <- time.Now()
		return ctx.Err()
	}
	s := &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return nil, wait(ctx)
		},
		output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			return wait(ss.Context())
		},
		input:  func(ss testpb.TestService_StreamingInputCallServer) error { return wait(ss.Context()) },
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error { return wait(ss.Context()) },
	}
	calls := map[string]func(context.Context, *rig){
		"Unary": func(ctx context.Context, r *rig) { go r.UnaryCall(ctx, &testpb.SimpleRequest{}) },
		"ServerStreaming": func(ctx context.Context, r *rig) {
			r.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		},
		"ClientStreaming": func(ctx context.Context, r *rig) { r.StreamingInputCall(ctx) },
		"Bidi":            func(ctx context.Context, r *rig) { r.FullDuplexCall(ctx) },
	}
	for kind, call := range calls {
		t.Run(kind, func(t *testing.T) {
			each(t, s, nil, func(t *testing.T, r *rig) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				call(ctx, r)
				receive(t, started, "the call")
				cancelled := time.Now()
				cancel()
				if took := receive(t, ended, "cancellation").Sub(cancelled); took > 500*time.Millisecond && !testkit.Race() {
					t.Errorf("the backend heard of it after %s", took)
				}
				if st := r.ended(t); st.Code() != codes.Canceled {
					t.Errorf("Done got %v", st)
				}
			})
		})
	}
}
