package rpc

import "google.golang.org/grpc/status"

// Check is what one interceptor does to the calls of one method. A nil moment costs nothing.
//
// The moments of one call never run at the same time, except that Request and Reply of a bidi call may: one
// goroutine runs Request, another Reply. A moment that returns an error ends the call with it. Moments must not keep
// the Call or the Frame after they return; frames are borrowed and read-only.
type Check struct {
	// Admit runs once, when headers are known and no body has been read.
	Admit func(*Call) error
	// Request runs for each message from the client, before the backend sees it.
	Request func(*Call, *Frame) error
	// Reply runs for each message from the backend, before the client sees it.
	Reply func(*Call, *Frame) error
	// Done runs exactly once, whatever happened, with the call's final status. It runs for refused calls too.
	Done func(*Call, *status.Status)
	// Waits says that Admit or Request may wait on the network.
	Waits bool
}

// Interceptor makes the Check of a method. Check runs when a snapshot is compiled, once per method, and does there
// all the work that can be done there; a method with nothing to check gets an empty Check.
type Interceptor interface{ Check(*Method) Check }
