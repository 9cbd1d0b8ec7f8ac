package recovery_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/interceptors/recovery"
)

func run(f func() error) (err error) {
	defer recovery.Guard(&err)
	return f()
}

func TestGuard(t *testing.T) {
	require.NoError(t, run(func() error { return nil }))
	require.Equal(t, io.EOF, run(func() error { return io.EOF }), "errors pass")

	err := checktest.Error(t, run(func() error { panic("secret 42") }), "INTERNAL")
	require.Equal(t, codes.Internal, err.Code())
	require.NotContains(t, err.GRPCStatus().String(), "secret")
	require.NotContains(t, err.GRPCStatus().String(), ".go:")
	var p *recovery.Panic
	require.ErrorAs(t, err, &p)
	require.Contains(t, p.Error(), "panic: secret 42\n")
	require.Contains(t, p.Stack, "recovery_test.go")

	require.ErrorIs(t, run(func() error { panic(io.ErrUnexpectedEOF) }), io.ErrUnexpectedEOF)
	var nothing *recovery.Panic
	none := []int{}
	require.ErrorAs(t, run(func() error { none[len(t.Name())] = 1; return nil }), &nothing)
}

func TestGuard_BoundsTheStack(t *testing.T) {
	var deep func(n int) error
	deep = func(n int) error {
		if n == 0 {
			panic("deep")
		}
		return deep(n - 1)
	}
	var p *recovery.Panic
	require.True(t, errors.As(run(func() error { return deep(1000) }), &p))
	require.LessOrEqual(t, len(p.Stack), 4096)
}
