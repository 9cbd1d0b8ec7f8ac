package rest

import (
	"bufio"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// uploadBytes is how much of an upload one message carries at most.
const uploadBytes = 64 << 10

// upload is a request body that becomes messages with a google.api.HttpBody as it comes. A client that stands still is
// bounded; how long the whole takes is not.
type upload struct {
	source io.Reader
	coding compress.Coding
	head   []byte // what every message begins with: the fields that path and query set
	media  string
	chunk  [uploadBytes]byte
	sent   bool // the first message was
}

// bindRaw makes a body that is a google.api.HttpBody a message: the bytes as they are, with the Content-Type that they
// have.
func (s *stream) bindRaw(frame *rpc.Frame) error {
	media, err := mediaOf(s.r)
	if err != nil {
		return err
	}
	stop := s.pace.Hurry(s.env, s.w, s.r, s.call)
	text := front.TakeBuffer()
	defer text.Free()
	body, err := readRaw(s.r, s.env.BodyBytesMax, text)
	if err != nil {
		return err
	}
	stop()
	wire := front.TakeBuffer()
	if wire.Bytes, err = s.bindRest(wire.Bytes[:0]); err != nil {
		wire.Free()
		return err
	}
	wire.Bytes = appendRaw(wire.Bytes, s.route.RawRequest, raw{media, body})
	wire.Fill(frame)
	return nil
}

// bindRest appends what path and query set.
func (s *stream) bindRest(dst []byte) ([]byte, error) {
	return s.env.AppendRequest(dst, s.route.Request, program.Input{Path: s.path, Query: s.query})
}

// mediaOf is what the client says that the body is, whatever that is.
func mediaOf(r *http.Request) (string, error) {
	values := r.Header["Content-Type"]
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || !utf8.ValidString(values[0]):
		return "", unsupported(r, "the Content-Type header is malformed")
	}
	return values[0], nil
}

// receive reads the next message of an upload: at most uploadBytes, and what is there already rather than more. An upload
// of nothing is one message.
func (s *stream) receive(frame *rpc.Frame) (err error) {
	if s.upload == nil {
		if s.upload, err = s.newUpload(); err != nil {
			return err
		}
	}
	u := s.upload
	n, err := s.readSome(u)
	switch {
	case n == 0 && err == io.EOF && u.sent:
		return io.EOF
	case n == 0 && err != nil && err != io.EOF:
		return front.Unreadable(err, u.coding)
	}
	u.sent = true
	wire := front.TakeBuffer()
	wire.Bytes = appendRaw(append(wire.Bytes[:0], u.head...), s.route.RawRequest, raw{u.media, u.chunk[:n]})
	wire.Fill(frame)
	return nil
}

func (s *stream) newUpload() (*upload, error) {
	media, err := mediaOf(s.r)
	if err != nil {
		return nil, err
	}
	u := &upload{source: s.r.Body, media: media}
	if u.coding, err = checkEncoding(s.r); err != nil {
		return nil, err
	}
	if u.head, err = s.bindRest(nil); err != nil {
		return nil, err
	}
	if u.coding != compress.Identity {
		u.source = &decoder{coding: u.coding, source: bufio.NewReader(s.r.Body)}
	}
	return u, nil
}

// readSome waits for some bytes, as long as a client may stand still.
func (s *stream) readSome(u *upload) (n int, err error) {
	if s.env.StallTimeout > 0 {
		s.pace.Set(s.w, time.Now().Add(s.env.StallTimeout))
		defer s.pace.Set(s.w, time.Time{})
	}
	for n == 0 && err == nil {
		n, err = u.source.Read(u.chunk[:])
	}
	return n, err
}

// decoder takes the coding off an upload. Of nothing it makes nothing: an empty body is not decoded. Its reader is not given
// back: the call may end while it is read.
type decoder struct {
	coding compress.Coding
	source *bufio.Reader
	plain  io.Reader
}

func (d *decoder) Read(p []byte) (int, error) {
	if d.plain == nil {
		if _, err := d.source.Peek(1); err == io.EOF {
			return 0, io.EOF
		}
		d.plain = d.coding.SlowReader(d.source)
	}
	return d.plain.Read(p)
}
