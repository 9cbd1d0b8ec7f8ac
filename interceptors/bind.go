package interceptors

import (
	"errors"

	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/interceptors/recovery"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Chain is the checks of one method, flat: one list per moment, without the nil ones. It is immutable and safe for
// concurrent use; the moments of one call keep to the order that rpc.Check promises.
type Chain struct {
	admit   []func(*rpc.Call) error
	request []func(*rpc.Call, *rpc.Frame) error
	reply   []func(*rpc.Call, *rpc.Frame) error
	done    []func(*rpc.Call, *status.Status)
	waits   bool
}

// Bind asks each interceptor for its check of m and lays the moments out in the order of list; Done in the reverse
// order, as a call unwinds.
func Bind(m *rpc.Method, list []rpc.Interceptor) *Chain {
	c := &Chain{}
	for _, i := range list {
		check := i.Check(m)
		if check.Admit != nil {
			c.admit = append(c.admit, check.Admit)
		}
		if check.Request != nil {
			c.request = append(c.request, check.Request)
		}
		if check.Reply != nil {
			c.reply = append(c.reply, check.Reply)
		}
		if check.Done != nil {
			c.done = append([]func(*rpc.Call, *status.Status){check.Done}, c.done...)
		}
		c.waits = c.waits || check.Waits
	}
	return c
}

// Admit runs the header checks and stops at the first that refuses. Every Done runs afterwards all the same.
func (c *Chain) Admit(call *rpc.Call) error {
	for _, admit := range c.admit {
		if err := admit(call); err != nil {
			return err
		}
	}
	return nil
}

// Request runs the checks of one message from the client and stops at the first that refuses. It borrows f.
func (c *Chain) Request(call *rpc.Call, f *rpc.Frame) error {
	for _, request := range c.request {
		if err := request(call, f); err != nil {
			return err
		}
	}
	return nil
}

// Reply runs the checks of one message from the backend and stops at the first that refuses. It borrows f.
func (c *Chain) Reply(call *rpc.Call, f *rpc.Frame) error {
	for _, reply := range c.reply {
		if err := reply(call, f); err != nil {
			return err
		}
	}
	return nil
}

// Done runs every Done moment, also after one that panics: its panic joins call.Err, so the moments that run last,
// the records of the call, show it.
func (c *Chain) Done(call *rpc.Call, st *status.Status) {
	for _, done := range c.done {
		if err := guarded(done, call, st); err != nil {
			call.Err = errors.Join(call.Err, err)
		}
	}
}

// ReadsRequests reports whether any check looks at messages from the client.
func (c *Chain) ReadsRequests() bool { return len(c.request) > 0 }

// ReadsReplies reports whether any check looks at messages from the backend.
func (c *Chain) ReadsReplies() bool { return len(c.reply) > 0 }

// Waits reports whether Admit or Request may wait on the network.
func (c *Chain) Waits() bool { return c.waits }

// guarded runs one Done moment and returns its panic as an error.
func guarded(done func(*rpc.Call, *status.Status), call *rpc.Call, st *status.Status) (err error) {
	defer recovery.Guard(&err)
	done(call, st)
	return nil
}
