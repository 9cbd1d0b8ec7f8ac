package backend

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// stream is one call to a backend. It tells a status that the backend sent, which passes as it is, from a failure that
// grpc-go made up because there was no status, whose text names addresses and is for the operator only.
//
// grpc-go returns both as the same type. What sets them apart is the trailer frame: grpc-go reports it to the stats
// handler, in the goroutine that reads the connection, before anybody can see the status in it, and reports it only
// when it was well formed. That costs a call some allocations, and no time that can be told from the noise.
type stream struct {
	grpc.ClientStream
	conn *conn
	call *rpc.Call
	ctx  watched
	// toClient is the metadata that passes.
	toClient *names
}

// watched is the context of one call to a backend: what the call was opened with, and what the stats handler has seen.
type watched struct {
	context.Context
	ended atomic.Bool // the backend's trailers have come
}

// over is why the context has ended, or is about to: the backend, which was told the same deadline, may be a little faster.
func (w *watched) over() error {
	if end, ok := w.Deadline(); ok && w.Err() == nil && !time.Now().Before(end) {
		return context.DeadlineExceeded
	}
	return w.Err()
}

func (w *watched) Value(key any) any {
	if key == (watchedKey{}) {
		return w
	}
	return w.Context.Value(key)
}

// SendMsg borrows the frame. io.EOF means that the call is over; RecvMsg says why.
func (s *stream) SendMsg(m any) error {
	err := s.ClientStream.SendMsg(m)
	if err == nil || err == io.EOF {
		return err
	}
	return s.fault(err)
}

// RecvMsg fills the frame, which the caller then owns.
func (s *stream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil || err == io.EOF {
		return err
	}
	return s.fault(err)
}

// Header waits for the backend's headers and returns those of them that pass. It is nil if the call ended
// without any.
func (s *stream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	return s.passing(md), err
}

// Trailer returns those of the backend's trailers that pass, once RecvMsg has returned an error.
func (s *stream) Trailer() metadata.MD { return s.passing(s.ClientStream.Trailer()) }

// passing returns what clients may see of the backend's metadata: nothing of the protocol, and only what the configuration
// lets pass. It may change and return md.
func (s *stream) passing(md metadata.MD) metadata.MD { return s.toClient.keep(foreign(md)) }

// fault turns an error of grpc-go, or of our own transport, into what the caller may see.
func (s *stream) fault(err error) error {
	st := status.Convert(err)
	if s.ctx.ended.Load() {
		return s.masked(defined(st, err))
	}
	cause := fmt.Errorf("backend %s: %w", s.conn.name, err)
	switch s.ctx.over() {
	case context.DeadlineExceeded:
		return rpc.Errorf(codes.DeadlineExceeded, "DEADLINE_EXCEEDED",
			"%s did not answer in time; allow more time, or ask for less", s.call.Method.Service()).Because(cause)
	case context.Canceled:
		return rpc.Errorf(codes.Canceled, "CANCELED", "the call was cancelled").Because(cause)
	}
	switch st.Code() {
	case codes.Unavailable:
		return rpc.Errorf(codes.Unavailable, "BACKEND_UNAVAILABLE",
			"the backend of %s is not available; try again later", s.call.Method.Service()).Because(cause)
	case codes.ResourceExhausted:
		return rpc.Errorf(codes.ResourceExhausted, "BACKEND_LIMIT",
			"%s sent a message that is larger than limits.reply_bytes_max, or refused more load; ask for less", s.call.Method.Service()).Because(cause)
	}
	return rpc.Errorf(st.Code(), "BACKEND_BROKE_OFF",
		"the backend of %s broke the call off without a valid gRPC status", s.call.Method.Service()).Because(cause)
}

// ReplyMissing says that the backend ended a call without the one reply that the method has.
func ReplyMissing(c *rpc.Call) error {
	return rpc.Errorf(codes.Internal, "REPLY_MISSING", "the backend of %s sent no reply", c.Method.Name())
}

// ReplyRepeated says that the backend sent a reply too many.
func ReplyRepeated(c *rpc.Call) error {
	return rpc.Errorf(codes.Internal, "REPLY_REPEATED", "the backend of %s sent more than one reply", c.Method.Name())
}

// defined returns err unless its code is a number that gRPC does not define. Such a status becomes UNKNOWN and keeps
// the number in its ErrorInfo, under "grpc-status".
func defined(st *status.Status, err error) error {
	if st.Code() <= codes.Unauthenticated {
		return err
	}
	number := strconv.Itoa(int(int32(st.Code())))
	p := &spb.Status{Code: int32(codes.Unknown), Message: st.Message(), Details: st.Proto().GetDetails()}
	if p.Message == "" {
		p.Message = "the backend ended the call with status " + number + ", which gRPC does not define"
	}
	info, packErr := anypb.New(&errdetails.ErrorInfo{
		Reason: "BACKEND_STATUS_UNDEFINED", Domain: rpc.Domain, Metadata: map[string]string{"grpc-status": number},
	})
	if packErr != nil {
		return err
	}
	p.Details = append([]*anypb.Any{info}, p.Details...)
	return status.FromProto(p).Err()
}

// foreign returns md without what belongs to one connection or to the gateway, and without what gRPC does not allow in
// metadata: grpc-go's client reads it, but its server would fail the whole call. It may change and return md.
func foreign(md metadata.MD) metadata.MD {
	for k, values := range md {
		switch {
		case k == "content-type", strings.HasPrefix(k, "grpc-"), strings.HasPrefix(k, "gatehouse-"), strings.HasPrefix(k, ":"):
			delete(md, k)
		case strings.HasSuffix(k, "-bin"):
		case slices.ContainsFunc(values, unprintable):
			md[k] = slices.DeleteFunc(values, unprintable)
		}
	}
	return md
}

// unprintable reports whether a value has bytes outside 0x20 to 0x7E.
func unprintable(v string) bool {
	for i := range len(v) {
		if v[i] < ' ' || v[i] > '~' {
			return true
		}
	}
	return false
}

// observer is the stats handler that stream's comment speaks of.
type observer struct{}

func (observer) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (observer) HandleRPC(ctx context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.InTrailer); !ok {
		return
	}
	if w, ok := ctx.Value(watchedKey{}).(*watched); ok {
		w.ended.Store(true)
	}
}

func (observer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (observer) HandleConn(context.Context, stats.ConnStats) {}

type watchedKey struct{}
