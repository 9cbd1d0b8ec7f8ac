package rpc

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/metadata"
)

// Call is one call of one method, whatever protocol it came in by. A front makes it before anything is checked; the
// driver and the checks fill in the rest. It belongs to the goroutine that serves the call; what a check may change
// is said at each field.
type Call struct {
	// Method is what is called.
	Method *Method
	// ID is the decision id: refusals and the access log carry it.
	ID string
	// Protocol is the front's name: "rest", "grpc".
	Protocol string
	// Listener is where the call came in.
	Listener Listener
	// Client is the caller's address, after trusted proxies were taken into account.
	Client netip.Addr
	// Metadata is what the client sent, keys in lower case, without what no client may set. Checks only read it.
	Metadata metadata.MD
	// Started is when the front saw the call.
	Started time.Time
	// Timeout is how long the call may take from Started on: what the client asked for, 0 if nothing. The deadline
	// check lowers it to the method's limit; HasTimeout tells an asked-for 0 from none.
	Timeout    time.Duration
	HasTimeout bool
	// Principal is the verified caller, nil if anonymous. Only authn sets it.
	Principal *Principal
	// Consumed lists the metadata keys whose values were credentials for the gateway. Only authn appends; they are
	// not passed on unless the backend asks for them.
	Consumed []string
	// Err is why the call failed, with its cause; nil while it runs and when it succeeded. Set before Done.
	Err error

	passedOver atomic.Pointer[Error]

	ctx  context.Context
	base callContext // saves an allocation for the context that a front makes
}

// NewCall starts a call of m with a fresh decision id.
func NewCall(m *Method) *Call {
	return &Call{Method: m, ID: NewID(), Started: time.Now()}
}

// PassOver notes what was wrong with the call and does not end it, for the record. The first counts. It may be called by any goroutine.
func (c *Call) PassOver(err error) {
	var own *Error
	if errors.As(err, &own) {
		c.passedOver.CompareAndSwap(nil, own)
	}
}

// PassedOver returns what was wrong with the call and did not end it; nil if nothing was.
func (c *Call) PassedOver() *Error { return c.passedOver.Load() }

// Context returns the context of the running call. It is here, against the rule that contexts are not stored, because
// the moments of a Check take only the Call; a moment that waits passes it on. It is valid from Admit to Done.
// What grpc-go's interceptors look for besides (peer, incoming metadata, transport stream) is in the context of the front's
// stream, and here only if somebody was put around the call.
func (c *Call) Context() context.Context { return c.ctx }

// WithContext sets the context of the running call, and returns it with the call inside, for fronts and drivers.
func (c *Call) WithContext(ctx context.Context) context.Context {
	switch {
	case CallFrom(ctx) == c:
		c.ctx = ctx
	case c.base.call == nil:
		c.base = callContext{ctx, c}
		c.ctx = &c.base
	default:
		c.ctx = &callContext{ctx, c}
	}
	return c.ctx
}

// CallFrom returns the call that ctx belongs to, nil if none.
func CallFrom(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// callContext is a context with a call inside.
type callContext struct {
	context.Context
	call *Call
}

func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}

// NewID returns a random decision id of 32 hexadecimal digits.
func NewID() string {
	var raw [16]byte
	a, b := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		raw[i], raw[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	return hex.EncodeToString(raw[:])
}

// Listener is one of the gateway's addresses.
type Listener uint8

// The listeners.
const (
	ListenerPublic Listener = iota
	ListenerInternal
	ListenerAdmin
)

// String returns the listener's name.
func (l Listener) String() string { return [...]string{"public", "internal", "admin"}[l] }

type callKey struct{}
