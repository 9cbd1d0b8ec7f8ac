package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Outcomes, as the client and Done see them. Done runs exactly once for each.
func TestDriveOutcomes(t *testing.T) {
	refuse := rpc.Errorf(codes.PermissionDenied, "REFUSED", "no")
	asks := func(text string) func(*rpc.Call, *rpc.Frame) error {
		return func(_ *rpc.Call, f *rpc.Frame) error {
			if bytes.Contains(f.Bytes(), []byte(text)) {
				return refuse
			}
			return nil
		}
	}
	panics := func(text string) func(*rpc.Call, *rpc.Frame) error {
		return func(_ *rpc.Call, f *rpc.Frame) error {
			if bytes.Contains(f.Bytes(), []byte(text)) {
				panic("a check fell over")
			}
			return nil
		}
	}
	for _, c := range []struct {
		name  string
		check rpc.Check
		want  codes.Code
	}{
		{"OK", rpc.Check{}, codes.OK},
		{"AdmitRefuses", rpc.Check{Admit: func(*rpc.Call) error { return refuse }}, codes.PermissionDenied},
		{"AdmitFails", rpc.Check{Admit: func(*rpc.Call) error { return errors.New("disk on fire") }}, codes.Internal},
		{"AdmitPanics", rpc.Check{Admit: func(*rpc.Call) error { panic("a check fell over") }}, codes.Internal},
		{"RequestRefuses", rpc.Check{Request: asks("second")}, codes.PermissionDenied},
		{"RequestPanics", rpc.Check{Request: panics("second")}, codes.Internal},
		{"ReplyRefuses", rpc.Check{Reply: asks("second")}, codes.PermissionDenied},
		{"ReplyPanics", rpc.Check{Reply: panics("second")}, codes.Internal},
		{"DonePanics", rpc.Check{Done: func(*rpc.Call, *status.Status) { panic("a check fell over") }}, codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, echo(), []rpc.Check{c.check}, func(t *testing.T, r *rig) {
				_, err := r.UnaryCall(context.Background(), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("second")}})
				wantCode(t, err, c.want)
				r.endedOnce(t, c.want)
				wantCode(t, r.chat("first", "second", "third"), c.want)
				r.endedOnce(t, c.want)
				if err != nil && (strings.Contains(err.Error(), "fire") || strings.Contains(err.Error(), "fell")) {
					t.Errorf("the caller learns the cause: %v", err)
				}
			})
		})
	}
}

// endedOnce waits for Done and makes sure that it does not come twice, by another call's.
func (r *rig) endedOnce(t *testing.T, want codes.Code) {
	t.Helper()
	if st := r.ended(t); st.Code() != want {
		t.Errorf("Done got %v, want %v", st, want)
	}
	if n := len(r.done); n > 0 {
		t.Errorf("Done ran %d times more", n)
	}
}

// chat sends texts on a bidi call and returns how it ended.
func (r *rig) chat(texts ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	cs, err := r.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for _, text := range texts {
		if cs.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte(text)}}) != nil {
			break
		}
	}
	cs.CloseSend()
	for {
		if _, err := cs.Recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// A refused message of a stream never reaches the backend, and ends the backend's call.
func TestDriveRefusedMessage(t *testing.T) {
	got, ended := make(chan string, 10), make(chan error, 1)
	s := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		for {
			m, err := ss.Recv()
			if err != nil {
				ended <- err
				return err
			}
			got <- string(m.GetPayload().GetBody())
		}
	}}
	check := rpc.Check{Request: func(_ *rpc.Call, f *rpc.Frame) error {
		if bytes.Contains(f.Bytes(), []byte("bad")) {
			return rpc.Errorf(codes.PermissionDenied, "REFUSED", "no")
		}
		return nil
	}}
	each(t, s, []rpc.Check{check}, func(t *testing.T, r *rig) {
		wantCode(t, r.chat("good", "bad", "good"), codes.PermissionDenied)
		wantCode(t, receive(t, ended, "the end of the backend's call"), codes.Canceled)
		for len(got) > 0 {
			if text := <-got; text != "good" {
				t.Errorf("the backend got %q", text)
			}
		}
	})
}

// A refused reply ends a call whose requests are stuck, because the backend does not read them.
func TestDriveRefusedReplyWhileSending(t *testing.T) {
	s := &service{duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
		<-ss.Context().Done()
		return ss.Context().Err()
	}}
	var passed atomic.Int64
	full := make(chan struct{})
	check := rpc.Check{
		Request: func(*rpc.Call, *rpc.Frame) error {
			if passed.Add(1) == 2 { // of 1 MiB each, and the first already fills the stream
				close(full)
			}
			return nil
		},
		Reply: func(c *rpc.Call, _ *rpc.Frame) error {
			<-full
			return rpc.Errorf(codes.PermissionDenied, "REFUSED", "no")
		},
	}
	leak.Check(t)
	r := newRig(t, "native", s, []rpc.Check{check}, nil)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	cs, err := r.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for cs.Send(&testpb.StreamingOutputCallRequest{Payload: payload(1 << 20)}) == nil {
		}
	}()
	_, err = cs.Recv()
	wantCode(t, err, codes.PermissionDenied)
	receive(t, sent, "the end of sending")
	r.endedOnce(t, codes.PermissionDenied)
}
