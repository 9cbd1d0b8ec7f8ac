package interceptors_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/interceptors"
	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/interceptors/recovery"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// fixed is an interceptor with the same check for every method.
type fixed rpc.Check

func (f fixed) Check(*rpc.Method) rpc.Check { return rpc.Check(f) }

// tracing notes each moment under its name, and refuses admission with err.
func tracing(name string, trace *[]string, err error) fixed {
	note := func(moment string) { *trace = append(*trace, name+"."+moment) }
	return fixed{
		Admit:   func(*rpc.Call) error { note("admit"); return err },
		Request: func(*rpc.Call, *rpc.Frame) error { note("request"); return err },
		Reply:   func(*rpc.Call, *rpc.Frame) error { note("reply"); return err },
		Done:    func(*rpc.Call, *status.Status) { note("done") },
	}
}

func TestBind_RunsInOrderAndDoneInReverse(t *testing.T) {
	var trace []string
	m := checktest.Method(t, rpc.Policy{})
	chain := interceptors.Bind(m, []rpc.Interceptor{tracing("a", &trace, nil), fixed{}, tracing("b", &trace, nil)})
	c := checktest.Call(m)
	require.NoError(t, chain.Admit(c))
	require.NoError(t, chain.Request(c, nil))
	require.NoError(t, chain.Reply(c, nil))
	chain.Done(c, nil)
	require.Equal(t, []string{"a.admit", "b.admit", "a.request", "b.request", "a.reply", "b.reply", "b.done", "a.done"}, trace)
}

func TestBind_StopsAtTheFirstRefusal(t *testing.T) {
	var trace []string
	refusal := errors.New("no")
	m := checktest.Method(t, rpc.Policy{})
	chain := interceptors.Bind(m, []rpc.Interceptor{tracing("a", &trace, nil), tracing("b", &trace, refusal), tracing("c", &trace, nil)})
	c := checktest.Call(m)
	require.ErrorIs(t, chain.Admit(c), refusal)
	require.ErrorIs(t, chain.Request(c, nil), refusal)
	require.ErrorIs(t, chain.Reply(c, nil), refusal)
	chain.Done(c, nil)
	require.Equal(t, []string{"a.admit", "b.admit", "a.request", "b.request", "a.reply", "b.reply", "c.done", "b.done", "a.done"}, trace,
		"every Done runs, also of checks that were never asked")
}

func TestBind_EveryDoneRunsThoughOnePanics(t *testing.T) {
	var trace []string
	var seen error
	m := checktest.Method(t, rpc.Policy{})
	outer := fixed{Done: func(c *rpc.Call, st *status.Status) {
		seen = c.Err
		require.Equal(t, codes.NotFound, st.Code(), "the call's own status stays")
	}}
	broken := fixed{Done: func(*rpc.Call, *status.Status) { panic("boom") }}
	chain := interceptors.Bind(m, []rpc.Interceptor{outer, tracing("a", &trace, nil), broken})
	c := checktest.Call(m)
	c.Err = status.Error(codes.NotFound, "no such order")
	chain.Done(c, status.New(codes.NotFound, "no such order"))
	require.Equal(t, []string{"a.done"}, trace)
	var p *recovery.Panic
	require.ErrorAs(t, seen, &p)
	require.Equal(t, "boom", p.Value)
	require.ErrorContains(t, seen, "no such order")
}

func TestBind_SaysWhatItReads(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{})
	empty := interceptors.Bind(m, []rpc.Interceptor{fixed{}})
	require.False(t, empty.ReadsRequests() || empty.ReadsReplies() || empty.Waits())
	full := interceptors.Bind(m, []rpc.Interceptor{
		fixed{Request: func(*rpc.Call, *rpc.Frame) error { return nil }},
		fixed{Reply: func(*rpc.Call, *rpc.Frame) error { return nil }, Waits: true},
		fixed{},
	})
	require.True(t, full.ReadsRequests() && full.ReadsReplies() && full.Waits())
}
