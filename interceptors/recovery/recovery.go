// Package recovery turns a panic while a call runs into an INTERNAL error, so that one call's fault ends one call. It
// is not a row of the chain: whoever runs the moments defers Guard around them.
package recovery

import (
	"fmt"
	"runtime/debug"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// stackBytesMax bounds the stack that is kept; the frames nearest the panic come first.
const stackBytesMax = 4096

// Guard is for defer: a panic in the surrounding function becomes INTERNAL in *err, replacing what was there. The
// caller sees a fixed sentence; the panic's value and stack are the error's cause, for the operator.
//
//	func (e *endpoint) serve(ss grpc.ServerStream) (err error) {
//		defer recovery.Guard(&err)
func Guard(err *error) {
	if v := recover(); v != nil {
		*err = rpc.Errorf(codes.Internal, "INTERNAL",
			"the gateway failed; its log has the cause under this call's decision id").Because(newPanic(v))
	}
}

// Panic is the cause of an error that Guard made. It is immutable.
type Panic struct {
	// Value is what was given to panic.
	Value any
	// Stack is the goroutine's stack, cut to a bound.
	Stack string
}

// Error returns value and stack.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v\n%s", p.Value, p.Stack) }

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

func newPanic(v any) *Panic {
	stack := debug.Stack()
	return &Panic{Value: v, Stack: string(stack[:min(len(stack), stackBytesMax)])}
}
