package rest

import (
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// compressedBytesMin is the shortest reply that compressing makes shorter by more than it costs; it fits one packet anyway.
const compressedBytesMin = 1024

// chooseCoding settles what coding a reply may have (RFC 9110, section 12.5.3). A request without Accept-Encoding costs nothing.
func (s *stream) chooseCoding() error {
	accepts := s.r.Header["Accept-Encoding"]
	if !s.env.Compress || len(accepts) == 0 {
		return nil
	}
	var plain bool
	if s.coding, plain = compress.Accepted(accepts); plain {
		return nil
	}
	if s.mustCode = true; s.coding == compress.Identity && !s.route.GRPCGateway {
		return rpc.Errorf(codes.InvalidArgument, "NOT_ACCEPTABLE",
			"the Accept-Encoding header rules out all of %s; add one of them or leave the header out", compress.Names)
	}
	return nil
}

// reserve takes what a stream needs of the coders that may stand still. Without one for its replies they are sent plain.
func (s *stream) reserve() error {
	m := s.route.Method
	if idle := m.ServerStreams && (s.mustCode || s.media != typeEvents || s.sequence() == nil); idle && s.coding != compress.Identity {
		if s.encodes = compress.StreamEncoders.Take(); !s.encodes && s.mustCode {
			return tooManyCoders("replies come compressed; accept identity, too,")
		}
		if !s.encodes {
			s.coding = compress.Identity
		}
	}
	if !m.ClientStreams || s.route.GRPCGateway {
		return nil
	}
	if coding, _ := checkEncoding(s.r); coding == compress.Zstd { // what is wrong with it is told when the body's turn comes
		if s.decodes = compress.StreamDecoders.Take(); !s.decodes {
			return tooManyCoders("requests are compressed by zstd; send gzip or identity,")
		}
	}
	return nil
}

func tooManyCoders(whose string) error {
	return rpc.Errorf(codes.ResourceExhausted, "COMPRESSION_LIMIT", "the gateway has as many streams as it can have whose %s or come again later", whose)
}

// release gives back what reserve took.
func (s *stream) release() {
	if s.encodes {
		compress.StreamEncoders.Give()
	}
	if s.decodes {
		compress.StreamDecoders.Give()
	}
}

// encode begins the coding of a reply whose head is about to be written, if it shall have one. HEAD says what GET does.
func (s *stream) encode() {
	if s.coding == compress.Identity {
		return
	}
	h, worth := s.w.Header(), s.worthCoding()
	if tag := h["Etag"]; (worth || s.unchanged) && len(tag) == 1 {
		// A strong one is of one coding only (RFC 9110, section 8.8.3.3). What coding the client's copy has is not known.
		h["Etag"] = []string{front.Weak(tag[0])}
	}
	if !worth {
		return
	}
	h["Content-Encoding"] = []string{s.coding.String()}
	delete(h, "Content-Length")
	if s.r.Method != http.MethodHead {
		s.zip = s.coding.Writer(s.w)
	}
}

// worthCoding is false for what is small, for what is compressed by its own format, for a part of something, for server-sent events,
// because each of many idle streams would hold an encoder, and where the backend forbids changes (RFC 9111, section 5.2.2.6). A
// client that refuses plain replies gets none.
func (s *stream) worthCoding() bool {
	status := s.success()
	if status == http.StatusNoContent || status == http.StatusNotModified || status == http.StatusPartialContent {
		return false
	}
	if s.mustCode {
		return true
	}
	whole := !s.route.Method.ServerStreams && !s.torn
	if whole && s.counted+len(s.json.Bytes) < compressedBytesMin || s.route.RawReply != nil && packed(s.media) {
		return false
	}
	if s.media == typeEvents && s.sequence() != nil {
		return false
	}
	return !front.NoTransform(s.header)
}

// packed reports whether a media type's bytes are compressed already.
func packed(media string) bool {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	media = strings.TrimRight(media, " \t")
	switch media {
	case "image/svg+xml", "image/bmp", "audio/wav":
		return false
	case "application/zip", "application/gzip", "application/x-gzip", "application/zstd", "application/x-7z-compressed",
		"application/x-bzip2", "application/x-xz", "application/vnd.rar", "application/java-archive", "application/pdf":
		return true
	}
	for _, prefix := range [...]string{"image/", "video/", "audio/", "font/woff"} {
		if strings.HasPrefix(media, prefix) {
			return true
		}
	}
	return strings.HasSuffix(media, "+zip")
}

// writeBody writes to the response, by its coding.
func (s *stream) writeBody(text []byte) (int, error) {
	if s.zip != nil {
		return s.zip.Write(text)
	}
	return s.w.Write(text)
}

// flush sends what was written, so that the client can read all of it.
func (s *stream) flush() error {
	if s.zip != nil {
		if err := s.zip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(s.w).Flush()
}

// endBody ends the coding. A writer that failed is not used again: net/http may still read what it has (see write).
func (s *stream) endBody() {
	if s.zip != nil && s.zip.Close() == nil {
		s.zip.Free()
	}
	s.zip = nil
}
