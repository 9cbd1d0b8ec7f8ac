// Package framed is what gRPC, gRPC-Web and Connect's streams share: messages with a length before each of them, as a
// grpc.ServerStream of one HTTP request. What differs between them is a Protocol, and how a call ends, which the fronts write.
//
// Read stream.go first, then reader.go and writer.go; pace.go bounds the time that clients keep the gateway waiting, and
// status.go is a status as gRPC and gRPC-Web write it.
package framed

import (
	"io"
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// Protocol is what differs between protocols. It is immutable.
type Protocol struct {
	// Encoding and Accept are the headers that name the coding of messages, and those that the other side reads, spelled
	// as net/http does.
	Encoding, Accept string
	// Mirrors says that only those who send compressed messages get some. Others get what they name first.
	Mirrors bool
	// CompressedMin is the shortest message that is compressed, in bytes.
	CompressedMin int
	// Malformed is the code of messages that are cut off, or not compressed as they say.
	Malformed codes.Code
}

// Options are what a front says of one call.
type Options struct {
	Env  *front.Env
	W    http.ResponseWriter
	R    *http.Request
	Call *rpc.Call
	// JSON is set where messages are JSON: the endpoint whose programs read and write it.
	JSON *front.Endpoint
	// ContentType is the response's; nobody changes it in place.
	ContentType []string
	// Body is where frames come from, nil for the request's body.
	Body io.Reader
	// Out is where frames go, nil for the response. EndFrame, unless nil, is called after each.
	Out      io.Writer
	EndFrame func() error
}
