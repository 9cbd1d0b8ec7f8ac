package grpc

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
)

// framing is gRPC over HTTP/2. As grpc-go does: who sends gzip gets gzip.
var framing = &framed.Protocol{
	Encoding: "Grpc-Encoding", Accept: "Grpc-Accept-Encoding", Mirrors: true, Malformed: codes.Internal,
}

// plainType is a header's value, which nobody changes in place.
var plainType = []string{contentType}

// newStream prepares the stream of a call whose messages are of a subtype.
func (f *Front) newStream(w http.ResponseWriter, r *http.Request, e *front.Endpoint, call *rpc.Call, subtype string) *framed.Stream {
	h := w.Header()
	h["Date"], h["Content-Length"] = nil, nil // clients would take them for metadata
	o := framed.Options{Env: &f.env, W: w, R: r, Call: call, ContentType: plainType}
	if subtype != "" {
		o.ContentType = []string{contentType + "+" + subtype}
	}
	if subtype == subtypeJSON {
		o.JSON = e
	}
	return framed.New(framing, o)
}

// finish ends the call. If nothing was sent, headers and status are one block ("Trailers-Only").
func (f *Front) finish(w http.ResponseWriter, s *framed.Stream, id string, st *status.Status) {
	trailer, begun := s.Close()
	h, prefix := w.Header(), ""
	if begun {
		s.Begin()
		prefix = http.TrailerPrefix
	}
	f.env.WriteMetadata(h, trailer, prefix)
	framed.WriteStatus(h, prefix, id, st)
	if !begun {
		w.WriteHeader(http.StatusOK)
	}
}
