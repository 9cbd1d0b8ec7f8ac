package rest

import (
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// finish writes what is left of the response: a unary reply, an error, or the end of the lines.
func (s *stream) finish(err error) {
	s.pace.Stop()
	defer s.release()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.flusher.Stop()
	defer func() { s.json.Free(); s.json = nil }()
	if err == nil {
		err = s.failed // whoever was put around the call may not have passed it on
	}
	if s.heart != nil {
		s.heart.Stop()
	}
	if err == nil && !s.route.Method.ServerStreams && !s.replied {
		err = rpc.Errorf(codes.Internal, "INTERNAL", "%s succeeded without a reply", s.call.Method.Path)
	}
	switch {
	case err != nil && s.torn:
		// The client must not take what it has for a whole message. The last chunk does not come (HTTP/1.1), or the
		// stream is reset (HTTP/2).
		panic(http.ErrAbortHandler)
	case err != nil && !s.headDone:
		s.writeMetadata()
		s.addTrailers(err)
		s.writeTrailers()
		s.writeEarlyError(err)
	case err != nil && s.r.Method != http.MethodHead:
		s.json.Free()
		s.json = &front.Buffer{Bytes: s.lateError(err)}
		_ = s.write() // a client that is gone misses it
		if s.wantsTrailers() {
			s.w.Header().Set(http.TrailerPrefix+"Gatehouse-Decision-Id", s.call.ID)
		}
	case err == nil && !s.route.Method.ServerStreams:
		s.writeReply()
	case err == nil:
		s.writeHead()
		s.endSequence()
	}
	s.endBody()
	s.writeTrailers()
}

// lateError is what a failure looks like in the middle of a response.
func (s *stream) lateError(err error) []byte {
	text := errorShape(s.r.Header, s.route.Errors).LateJSON(front.FailureOf(err), s.types)
	if q := s.sequence(); q != nil {
		return q.late(nil, s.messages, text)
	}
	return append(text, '\n')
}

// sequence is how messages are written, nil if there is one only, or raw bytes.
func (s *stream) sequence() *sequence {
	if !s.route.Method.ServerStreams || s.route.RawReply != nil {
		return nil
	}
	if s.route.GRPCGateway {
		return envelopes
	}
	return sequences[s.media]
}

// endSequence writes what follows the last of many messages. HEAD has none, and raw bytes are no sequence.
func (s *stream) endSequence() {
	q := s.sequence()
	if q == nil || s.r.Method == http.MethodHead {
		return
	}
	if s.json == nil {
		s.json = front.TakeBuffer()
	}
	s.json.Bytes = q.end(s.json.Bytes[:0], s.messages)
	_ = s.write() // a client that is gone misses it
}

// countedBytesMax is the longest body whose length net/http tells by itself, because it has it whole when the handler
// returns.
const countedBytesMax = 2000

// writeReply writes the response of a unary call, or what is left of it. Its length is told even to HEAD.
func (s *stream) writeReply() {
	s.writeTrailers()
	if s.success() == http.StatusNoContent || s.unmodified() {
		s.writeHead()
		return
	}
	head := s.r.Method == http.MethodHead
	if (head || len(s.json.Bytes) > countedBytesMax) && !s.headDone && !front.AnnouncesTrailers(s.w.Header()) {
		s.w.Header().Set("Content-Length", strconv.Itoa(s.counted+len(s.json.Bytes)))
	}
	s.writeHead()
	if !head {
		_ = s.write() // a client that is gone misses it
	}
}

// writeHead writes the head of a response that is not an error, once.
func (s *stream) writeHead() {
	if s.headDone {
		return
	}
	s.headDone = true
	s.writeMetadata()
	if s.route.RawReply != nil && !s.route.GRPCGateway {
		s.writeRawMetadata()
	}
	h := s.w.Header()
	if s.success() != http.StatusNoContent && !s.unchanged && !s.endsEmpty() {
		h["Content-Type"] = valuesOf[s.media]
		if s.route.RawReply != nil {
			h["Content-Type"] = []string{s.media}
		}
	}
	h["X-Content-Type-Options"] = valuesOf["nosniff"]
	if s.media == typeEvents && s.route.RawReply == nil {
		eventHeaders(h)
	}
	s.encode()
	s.writeTrailers() // those that are known; HTTP/1.1 has none after a short body that did not announce them
	s.w.WriteHeader(s.success())
}

// endsEmpty reports whether a stream ends without a reply, which by grpc-gateway has no type.
func (s *stream) endsEmpty() bool {
	return s.route.GRPCGateway && s.ended && s.route.Method.ServerStreams
}

// success is the HTTP status of a call that went well.
func (s *stream) success() int {
	if s.unchanged {
		return http.StatusNotModified
	}
	if s.partial() {
		return http.StatusPartialContent
	}
	if s.route.Success == 0 {
		return http.StatusOK
	}
	return s.route.Success
}

// writeMetadata makes the header metadata HTTP headers. What depends on the request is told to caches.
func (s *stream) writeMetadata() {
	h := s.w.Header()
	if s.route.GRPCGateway {
		if s.headDone && !s.endsEmpty() || len(s.header) > 0 { // else the backend sent nothing but a status
			h["Grpc-Metadata-Content-Type"] = valuesOf["application/grpc"] // which every other answer of a gRPC server has
		}
		s.env.WriteGRPCGatewayMetadata(h, s.header, false)
	} else {
		s.env.WriteMetadata(h, s.header, "")
	}
	if s.route.Request.TakesFieldMask() {
		h.Add("Vary", program.HeaderFieldMask)
	}
	vary := varyAccept
	if s.env.Compress {
		vary = varyBoth
	}
	if h["Vary"] != nil {
		vary = append(h["Vary"], vary...)
	}
	h["Vary"] = vary
}

// writeTrailers makes the trailer metadata HTTP trailers, for clients that want them.
func (s *stream) writeTrailers() {
	if s.trailer == nil || !s.wantsTrailers() || s.route.GRPCGateway && s.route.Method.ServerStreams {
		return
	}
	if s.route.GRPCGateway {
		s.env.WriteGRPCGatewayMetadata(s.w.Header(), s.trailer, true)
	} else {
		s.env.WriteMetadata(s.w.Header(), s.trailer, http.TrailerPrefix)
	}
	s.trailer = nil
}

// valuesOf are the values of headers that most responses have. They are shared, so nobody may change them in place, nor append
// to them.
var (
	valuesOf = map[string][]string{
		typeJSON: {typeJSON}, typeLines: {typeLines}, typeJSONLines: {typeJSONLines}, typeEvents: {typeEvents}, "nosniff": {"nosniff"},
		"application/grpc": {"application/grpc"},
	}
	varyAccept = []string{"Accept"}
	varyBoth   = []string{"Accept", "Accept-Encoding"}
)

// wantsTrailers reports whether the client said that it reads trailers (RFC 9110, section 10.1.4).
func (s *stream) wantsTrailers() bool {
	for _, v := range s.r.Header["Te"] {
		for coding := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(coding, " \t"), "trailers") {
				return true
			}
		}
	}
	return false
}
