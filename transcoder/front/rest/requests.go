package rest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// requests is a body of many messages, which are read one by one, as the backend takes them: lines of JSON, or the elements of one
// JSON array. A body of any other JSON is one message. A client may wait before a message for as long as the call may take, but not
// within one.
type requests struct {
	source *bufio.Reader // nil for no body
	coding compress.Coding
	limit  int // bytes of one message
	lines  bool
	array  bool // the body began with "["
	values bool // one JSON value behind the other
	comma  bool // what was read last is a comma
	ended  bool
	n      int // messages that were begun
	// within is called when a message begins and when it is here.
	within func(bool)
}

// receiveNext reads the next message of a client that may send many. Path and query are set in each.
func (s *stream) receiveNext(frame *rpc.Frame) (err error) {
	if s.requests == nil {
		if s.requests, err = s.newRequests(); err != nil {
			return err
		}
	}
	if err := s.readNext(frame, s.requests); err != nil {
		return s.passOver(err)
	}
	return nil
}

func (s *stream) readNext(frame *rpc.Frame, q *requests) error {
	text := front.TakeBuffer()
	defer text.Free()
	body, err := q.next(text)
	if err != nil {
		return err
	}
	if err := s.fill(frame, body); err != nil {
		return q.place(err)
	}
	return nil
}

func (s *stream) newRequests() (*requests, error) {
	q := &requests{limit: s.env.BodyBytesMax, within: s.within}
	if s.route.GRPCGateway {
		return q, s.readValues(q)
	}
	var err error
	var form bool
	if q.lines, form, err = checkManyType(s.r); err != nil {
		return nil, err
	}
	if q.coding, err = checkEncoding(s.r); err != nil {
		return nil, err
	}
	body := bodyOf(s.r)
	if body == nil {
		return q, nil
	}
	if q.coding != compress.Identity {
		body = &decoder{coding: q.coding, source: bufio.NewReader(body)}
	}
	q.source = bufio.NewReaderSize(body, 4096)
	if q.lines {
		return q, nil
	}
	first, err := q.peek()
	switch {
	case err != nil && err != io.EOF:
		return nil, q.broken(err)
	case form && first != '{' && first != '[':
		return nil, unsupportedMany()
	case first == '[' && s.route.Elements:
		q.array = true
		_, _ = q.source.Discard(1) // it was peeked
	}
	return q, nil
}

// within bounds the time that a message may take from its first byte on.
func (s *stream) within(begins bool) {
	if s.env.StallTimeout <= 0 {
		return
	}
	end := time.Time{}
	if begins {
		end = time.Now().Add(s.env.StallTimeout + front.BodyTime(s.env.BodyBytesMax))
	}
	s.pace.Set(s.w, end)
}

// typesOfLines are the media types of lines of JSON.
var typesOfLines = map[string]bool{typeLines: true, typeJSONLines: true, "application/ndjson": true}

// checkManyType is checkType for a body that may be lines.
func checkManyType(r *http.Request) (lines, form bool, err error) {
	full, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && typesOfLines[full] && len(r.Header["Content-Type"]) == 1 {
		if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
			return false, false, unsupported(r, "the charset must be utf-8")
		}
		return true, false, nil
	}
	if form, err = checkType(r); err != nil {
		return false, false, unsupportedMany()
	}
	return false, form, nil
}

func unsupportedMany() error {
	return rpc.Errorf(codes.InvalidArgument, front.ReasonMediaType, "this Content-Type is not served; send %s or %s", typeLines, typeJSON).
		Meta("accept_post", typeLines+", "+typeJSONLines+", "+typeJSON)
}

// next returns the text of the next message, in the buffer, or io.EOF. A message without a body has no text.
func (q *requests) next(into *front.Buffer) ([]byte, error) {
	into.Bytes = into.Bytes[:0]
	switch {
	case q.ended:
		return nil, io.EOF
	case q.source == nil:
		if q.ended = true; q.lines || q.values {
			return nil, io.EOF
		}
		return nil, nil
	case q.lines:
		return q.line(into)
	case q.array:
		return q.element(into)
	case q.values:
		return q.value(into)
	}
	q.ended = true
	q.within(true)
	defer q.within(false)
	text, err := front.ReadBody(q.source, compress.Identity, -1, q.limit, into)
	return text, err
}

// line reads the next line that is not empty.
func (q *requests) line(into *front.Buffer) ([]byte, error) {
	if _, err := q.peek(); err != nil {
		return nil, q.broken(err)
	}
	q.n++
	q.within(true)
	defer q.within(false)
	text, err := q.upTo(into)
	if err != nil && err != io.EOF {
		return nil, q.place(q.broken(err))
	}
	return bytes.TrimRight(text, white), nil
}

// upTo reads a line.
func (q *requests) upTo(into *front.Buffer) ([]byte, error) {
	for {
		part, err := q.source.ReadSlice('\n')
		if len(into.Bytes)+len(part) > q.limit {
			return nil, front.TooLarge(q.limit)
		}
		if into.Bytes = append(into.Bytes, part...); err != bufio.ErrBufferFull {
			return into.Bytes, err
		}
	}
}

// element reads the next element of the array: what stands between commas that are in no string and in no bracket. Whether it is
// JSON whoever reads it says.
func (q *requests) element(into *front.Buffer) ([]byte, error) {
	first, err := q.peek()
	if err != nil {
		return nil, q.cut(err)
	}
	if first == ']' && !q.comma {
		return nil, q.close()
	}
	q.n++
	q.within(true)
	defer q.within(false)
	var s splitter
	for {
		if _, err := q.source.Peek(1); err != nil {
			return nil, q.place(q.cut(err))
		}
		chunk, _ := q.source.Peek(q.source.Buffered()) // which is there
		n, ends := s.scan(chunk)
		if len(into.Bytes)+n > q.limit {
			return nil, q.place(front.TooLarge(q.limit))
		}
		into.Bytes = append(into.Bytes, chunk[:n]...)
		_, _ = q.source.Discard(n)
		if !ends {
			continue
		}
		if q.comma = chunk[n] == ','; q.comma {
			_, _ = q.source.Discard(1) // the bracket waits for the next call: this message must not
		}
		text := bytes.Trim(into.Bytes, white)
		if len(text) == 0 {
			return nil, q.place(rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "there is nothing before a comma or bracket"))
		}
		return text, nil
	}
}

// close reads the end of the array, behind which there is nothing.
func (q *requests) close() error {
	_, _ = q.source.Discard(1)
	q.ended = true
	_, err := q.peek()
	switch {
	case err == nil:
		return rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "there is something behind the array's end")
	case err != io.EOF:
		return q.broken(err)
	}
	return io.EOF
}

// peek returns the next byte that is no white space, without taking it. White space is nobody's message, so no backend holds back a
// client that sends nothing else, and a few bytes of gzip are very much of it: it may be as long as a message, and costs only a look.
func (q *requests) peek() (byte, error) {
	for blank := 0; blank <= q.limit; {
		if _, err := q.source.Peek(1); err != nil {
			return 0, err
		}
		chunk, _ := q.source.Peek(q.source.Buffered()) // which is there
		rest := bytes.TrimLeft(chunk, white)
		n := len(chunk) - len(rest)
		if q.lines {
			q.n += bytes.Count(chunk[:n], []byte("\n"))
		}
		_, _ = q.source.Discard(n)
		if len(rest) > 0 {
			return rest[0], nil
		}
		blank += n
	}
	q.n++
	return 0, q.place(rpc.Errorf(codes.ResourceExhausted, "BODY_TOO_LARGE", "more than %d bytes of white space stand before a message", q.limit))
}

// white is what may stand between messages.
const white = " \t\r\n"

func space(c byte) bool { return strings.IndexByte(white, c) >= 0 }

// cut is an array that does not end.
func (q *requests) cut(err error) error {
	if err == io.EOF {
		return rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "the body ends within the array")
	}
	return q.broken(err)
}

// broken names why a body cannot be read; its end is io.EOF as it is.
func (q *requests) broken(err error) error {
	if own := new(rpc.Error); err == io.EOF || errors.As(err, &own) {
		return err
	}
	return front.Unreadable(err, q.coding)
}

// place says in which message something is wrong.
func (q *requests) place(err error) error {
	own := new(rpc.Error)
	switch {
	case !errors.As(err, &own) || !q.lines && !q.array && !q.values:
		return err
	case q.lines:
		return own.In("line", q.n)
	case !q.array:
		return own.In("message", q.n)
	}
	return own.In("element", q.n)
}

// splitter finds the end of an array's element.
type splitter struct {
	depth            int
	quoted, escaping bool
}

// scan returns how many bytes belong to the element, and whether the one behind them ends it.
func (s *splitter) scan(chunk []byte) (n int, ends bool) {
	for i, c := range chunk {
		if s.depth == 0 && !s.quoted && (c == ',' || c == ']') {
			return i, true
		}
		s.step(c)
	}
	return len(chunk), false
}

// step takes the next byte.
func (s *splitter) step(c byte) {
	switch {
	case s.escaping:
		s.escaping = false
	case s.quoted:
		s.escaping, s.quoted = c == '\\', c != '"'
	case c == '"':
		s.quoted = true
	case c == '{' || c == '[':
		s.depth++
	case c == '}' || c == ']':
		s.depth--
	}
}
