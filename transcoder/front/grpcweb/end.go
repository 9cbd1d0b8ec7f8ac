package grpcweb

import (
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
)

// flagTrailers marks the last frame, which has the trailers as HTTP/1 writes headers. It is never compressed.
const flagTrailers = 0x80

// finish ends the call. If nothing was sent and there is no metadata, the status stands in the headers ("Trailers-Only").
func (f *Front) finish(w http.ResponseWriter, s *framed.Stream, id string, err error) {
	trailer, begun := s.Close()
	st := f.env.Status(err)
	if st.Code() != 0 && !begun && bare(trailer) {
		framed.WriteStatus(w.Header(), "", id, st)
		s.Leave()
		w.WriteHeader(http.StatusOK)
		return
	}
	s.Begin()
	h := http.Header{}
	f.env.WriteMetadata(h, trailer, "")
	framed.WriteStatus(h, "", id, st)
	s.End(flagTrailers, block(h))
}

// bare reports whether trailers have nothing but what every failure has.
func bare(md metadata.MD) bool {
	for key := range md {
		if key != framed.DecisionIDKey {
			return false
		}
	}
	return true
}

// block writes headers with names in lower case, in one order.
func block(h http.Header) []byte {
	var b []byte
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			b = append(append(b, strings.ToLower(name)...), ": "...)
			b = append(append(b, v...), "\r\n"...)
		}
	}
	return b
}

// writeRefusal writes an answer that is headers only. What is no content type of ours is answered in the plainest one.
func (f *Front) writeRefusal(w http.ResponseWriter, r *http.Request, httpStatus int, id string, err error) {
	h := w.Header()
	m, known := mediaOf(r.Header)
	if !known {
		m.reply = contentType + "+proto"
	}
	h.Set("Content-Type", m.reply)
	framed.WriteStatus(h, "", id, f.env.Status(err))
	w.WriteHeader(httpStatus)
}
