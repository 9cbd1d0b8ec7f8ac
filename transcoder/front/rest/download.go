package rest

import (
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

const (
	// heldRawMax is the largest reply that is kept until its call has ended. A larger one leaves when it comes, like a large JSON
	// reply (parts.go).
	heldRawMax = 1 << 20
	// downloadBytes is how much of a reply is written at a time.
	downloadBytes = 64 << 10
	typeBytes     = "application/octet-stream"
)

// sendRaw writes a message that is a google.api.HttpBody as the bytes that it holds. The first message of a stream gives the
// content type. There is no place for an error behind it: a call that fails then is cut off.
func (s *stream) sendRaw(frame *rpc.Frame) error {
	body, err := rawOf(s.route.RawReply, frame.Bytes())
	if err != nil {
		return badRaw(s.call.Method, err)
	}
	if !s.headDone {
		s.media = s.rawMedia(body.contentType)
	}
	if !s.route.Method.ServerStreams {
		return s.keepRaw(body.data)
	}
	s.writeHead()
	if s.r.Method == http.MethodHead {
		return rpc.Errorf(codes.Canceled, "HEAD_COMPLETE", "HEAD asks for no messages")
	}
	s.torn = true
	if err := s.writeRaw(body.data); err != nil {
		return err
	}
	if s.route.GRPCGateway {
		if err := s.writeRaw([]byte{'\n'}); err != nil {
			return err
		}
		s.torn = false // an error is one more line
	}
	if err := s.flusher.Written(); err != nil {
		return front.Gone(err)
	}
	s.messages++
	return nil
}

// rawMedia is the content type of a reply, if a header can carry it. Without one a browser would guess.
func (s *stream) rawMedia(contentType string) string {
	if contentType == "" {
		return typeBytes
	}
	if !front.Printable(contentType) {
		s.env.Ignored("header", 1)
		return typeBytes
	}
	return contentType
}

// keepRaw holds the only reply until the status is known, unless it is large.
func (s *stream) keepRaw(data []byte) error {
	if err := s.onlyReply(); err != nil {
		return err
	}
	switch s.sameByBackend(); {
	case s.unchanged, s.success() == http.StatusNoContent:
	case len(data) > heldRawMax && s.r.Method == http.MethodHead:
		s.counted = len(data)
		s.json = front.TakeBuffer()
	case len(data) > heldRawMax:
		s.torn = true
		if !front.AnnouncesTrailers(s.w.Header()) {
			s.w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		}
		s.writeHead()
		s.failed = s.writeRaw(data)
	default:
		s.json = front.TakeBuffer()
		s.json.Bytes = append(s.json.Bytes, data...)
	}
	return s.failed
}

// writeRaw writes in parts, each copied: net/http may read on from what it was given after an error (see write), and the
// message's memory is used again.
func (s *stream) writeRaw(data []byte) error {
	if s.json == nil {
		s.json = front.TakeBuffer()
	}
	for len(data) > 0 {
		n := min(len(data), downloadBytes)
		s.json.Bytes = append(s.json.Bytes[:0], data[:n]...)
		if err := s.write(); err != nil {
			return front.Gone(err)
		}
		data = data[n:]
	}
	s.json.Bytes = s.json.Bytes[:0]
	return nil
}

// rawHeaders are names of metadata that only say something about bytes that are passed as they are, so only such replies
// have them.
var rawHeaders = map[string]string{
	"content-range":       "Content-Range",
	"content-disposition": "Content-Disposition",
	"content-language":    "Content-Language",
	"content-location":    "Content-Location",
}

// writeRawMetadata makes those names headers of a reply that is no error.
func (s *stream) writeRawMetadata() {
	for key, name := range rawHeaders {
		if key == "content-range" && s.success() != http.StatusPartialContent {
			continue // it would say that less was sent than there is
		}
		for _, v := range s.header[key] {
			if front.Printable(v) {
				s.w.Header().Add(name, v)
			} else {
				s.env.Ignored("header", 1)
			}
		}
	}
}

// partial reports whether the backend answered a range of what was asked for (RFC 9110, section 14): it says which, and the
// client had asked for one.
func (s *stream) partial() bool {
	return s.route.RawReply != nil && !s.route.GRPCGateway && s.r.Method == http.MethodGet && s.r.Header["Range"] != nil && len(s.header["content-range"]) == 1
}
