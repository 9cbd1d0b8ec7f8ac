package deadline_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/interceptors/deadline"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestDeadline(t *testing.T) {
	for _, test := range []struct {
		name         string
		limit, asked time.Duration
		has          bool
		want         time.Duration
		refused      bool
	}{
		{name: "NoneAskedTakesLimit", limit: time.Second, want: time.Second},
		{name: "LessAskedStays", limit: time.Second, asked: time.Millisecond, has: true, want: time.Millisecond},
		{name: "MoreAskedIsCut", limit: time.Second, asked: time.Hour, has: true, want: time.Second},
		{name: "NoLimit", asked: time.Hour, has: true, want: time.Hour},
		{name: "NoLimitNoneAsked"},
		{name: "ZeroAskedIsOver", limit: time.Second, has: true, refused: true},
		{name: "NegativeAskedIsOver", asked: -1, has: true, refused: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := checktest.Method(t, rpc.Policy{Timeout: test.limit})
			c := checktest.Call(m)
			c.Timeout, c.HasTimeout = test.asked, test.has
			err := deadline.Deadline{}.Check(m).Admit(c)
			if test.refused {
				require.Equal(t, codes.DeadlineExceeded, checktest.Error(t, err, "DEADLINE_EXCEEDED").Code())
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, c.Timeout)
		})
	}
}
