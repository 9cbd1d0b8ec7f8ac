package front_test

import (
	"errors"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

func TestEnv_Status(t *testing.T) {
	own := rpc.Errorf(codes.NotFound, "GONE", "it is gone").With(&errdetails.Help{})
	foreign, err := status.New(codes.Aborted, "theirs").WithDetails(&errdetails.Help{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		bare    bool
		err     error
		code    codes.Code
		message string
		details int
	}{
		{"Nil", true, nil, codes.OK, "", 0},
		{"Own", false, own, codes.NotFound, "it is gone", 2},
		{"OwnBare", true, own, codes.NotFound, "it is gone", 0},
		{"WrappedBare", true, errors.Join(errors.New("cause"), own), codes.NotFound, "it is gone", 0},
		{"OwnThatIsNoFailure", true, rpc.Errorf(codes.OK, "ODD", "odd"), codes.Internal, "odd", 0},
		{"BackendsKeepTheirs", true, foreign.Err(), codes.Aborted, "theirs", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := (&front.Env{BareErrors: c.bare}).Status(c.err)
			if st.Code() != c.code || st.Message() != c.message || len(st.Details()) != c.details {
				t.Errorf("got %v with %d details, want %v %q with %d", st, len(st.Details()), c.code, c.message, c.details)
			}
		})
	}
}
