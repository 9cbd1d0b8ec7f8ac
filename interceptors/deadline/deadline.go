// Package deadline bounds how long a call may take: the shorter of what the caller asked for and what the method's
// policy allows.
package deadline

import (
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Deadline is the interceptor. The zero value is ready and safe for concurrent use.
type Deadline struct{}

// Check lowers Call.Timeout to the policy's: a caller that names none gets the whole limit, one that asks for more
// gets the limit too. A policy whose timeout is 0 (a streaming method without one of its own) limits nobody. A
// caller that asks for 0, or less, has no time left and is refused before any work.
func (Deadline) Check(m *rpc.Method) rpc.Check {
	limit := m.Policy.Timeout
	return rpc.Check{Admit: func(c *rpc.Call) error { return lower(c, limit) }}
}

func lower(c *rpc.Call, limit time.Duration) error {
	if c.HasTimeout && c.Timeout <= 0 {
		return rpc.Errorf(codes.DeadlineExceeded, "DEADLINE_EXCEEDED",
			"the deadline had passed when the call arrived; ask for a timeout of more than 0")
	}
	if limit > 0 && (!c.HasTimeout || c.Timeout > limit) {
		c.Timeout = limit
	}
	return nil
}
