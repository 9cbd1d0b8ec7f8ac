// Package rpc holds the words that every part of Gatehouse uses for one remote procedure call: Method, Call, Frame,
// Principal, Check, Error. Read call.go first, then check.go. It imports no other package of ours.
package rpc

import (
	"context"

	"google.golang.org/grpc"
)

// Backend opens the far side of a call: the handler at the end of every chain. The stream's SendMsg and RecvMsg take
// a *Frame; SendMsg borrows it (until CloseSend, if the method has one request), RecvMsg fills an empty one, which the
// caller then owns. The context ends the stream. A Backend is safe for concurrent use.
type Backend interface {
	Open(ctx context.Context, c *Call) (grpc.ClientStream, error)
}
