package connect

import (
	"io"
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// finish writes the response ("Unary-Response"): metadata, trailers as headers, then the reply or an error.
func (s *unary) finish(err error, types program.Resolver) {
	s.pace.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		err = s.failed // whoever was put around the call may not have passed it on
	}
	if err == nil && !s.replied {
		err = rpc.Errorf(codes.Internal, "INTERNAL", "%s succeeded without a reply", s.call.Method.Path)
	}
	h := s.w.Header()
	s.env.WriteMetadata(h, s.header, "")
	s.env.WriteMetadata(h, s.trailer, "Trailer-")
	if err != nil {
		s.drop()
		front.FailureOf(err).SetHeaders(h)
		front.Connect.Write(s.w, s.r, s.env.Failure(err), s.call.ID, types)
		return
	}
	h["X-Content-Type-Options"] = nosniff
	coding := s.coding()
	if s.asked != nil {
		h["Vary"] = append(h["Vary"], "Accept-Encoding")
	}
	if s.asked != nil && s.unmodified(coding) {
		s.drop()
		s.w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = s.media.reply()
	s.write(coding)
}

var nosniff = []string{"nosniff"}

// drop frees a reply that is not sent.
func (s *unary) drop() {
	s.text.Free()
	s.wire.Free()
	s.text, s.wire = nil, nil
}

// reply is the reply as it stands.
func (s *unary) reply() mem.BufferSlice {
	if s.text != nil {
		return mem.BufferSlice{mem.SliceBuffer(s.text.Bytes)}
	}
	return s.wire
}

// coding is that of the reply: what the client likes best, if the reply is worth it.
func (s *unary) coding() compress.Coding {
	accepts := s.r.Header["Accept-Encoding"]
	if len(accepts) == 0 || s.reply().Len() < compressedBytesMin || front.NoTransform(s.header) {
		return compress.Identity
	}
	return compress.AcceptedInOrder(accepts)
}

// unmodified gives a reply to GET its ETag, unless the backend did or nobody wants one, and reports whether the client has it
// already.
func (s *unary) unmodified(coding compress.Coding) bool {
	h := s.w.Header()
	if len(h["Etag"]) == 0 && s.env.ETags {
		whole := s.reply().MaterializeToBuffer(mem.DefaultBufferPool())
		h["Etag"] = []string{front.ETagOf(whole.ReadOnlyData())}
		whole.Free()
	}
	if len(h["Etag"]) != 1 {
		return false
	}
	same := front.ETagMatches(s.r.Header["If-None-Match"], h["Etag"][0])
	if coding != compress.Identity {
		h["Etag"] = []string{front.Weak(h["Etag"][0])}
	}
	return same
}

// write sends the reply. After an error its buffer is nobody's: net/http's HTTP/2 server has once read on from what it was
// given when a stream was reset (go.dev/issue/58446).
func (s *unary) write(coding compress.Coding) {
	reply := s.reply()
	if coding == compress.Identity {
		s.w.Header()["Content-Length"] = []string{strconv.Itoa(reply.Len())}
		s.w.WriteHeader(http.StatusOK)
		s.written(writeAll(s.w, reply))
		return
	}
	s.w.Header()["Content-Encoding"] = []string{coding.String()}
	s.w.WriteHeader(http.StatusOK)
	z := coding.Writer(s.w)
	err := writeAll(z, reply)
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		z.Free()
	}
	s.written(err)
}

func (s *unary) written(err error) {
	if err == nil {
		s.drop()
		return
	}
	s.text.Abandon()
	s.text, s.wire = nil, nil
}

func writeAll(w io.Writer, data mem.BufferSlice) error {
	for _, b := range data {
		if _, err := w.Write(b.ReadOnlyData()); err != nil {
			return err
		}
	}
	return nil
}
