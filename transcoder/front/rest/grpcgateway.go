package rest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// This file has what is different where a route has the habits of grpc-gateway (compat: GRPC_GATEWAY): its clients shall not notice that
// another gateway answers. What it does about JSON and parameters is in package program, about metadata in package front.

// envelopes are replies as grpc-gateway writes a stream: {"result": …} a line, and {"error": …} at the end of one that failed.
var envelopes = &sequence{
	before: func(dst []byte, _ *stream, _ int64) []byte { return append(dst, `{"result":`...) },
	after:  "}\n",
	late:   lines.late,
	end:    lines.end,
}

// Match finds the route of a request as ServeHTTP does, for those who decide about it before.
func Match(r *http.Request, t *front.Table, path string, b *route.Binding[*front.Route]) error {
	return (&Front{}).match(r, t, path, b) // where a path leads does not depend on the front, only what is said of one that leads nowhere
}

// match finds the route of a request. A form that no POST takes is a GET by grpc-gateway, and HEAD is none.
func (f *Front) match(r *http.Request, t *front.Table, path string, b *route.Binding[*front.Route]) error {
	err := t.Match(r.Method, path, f.env.GRPCGateway, b)
	if err != nil && r.Method == http.MethodPost && isForm(r) && t.MatchForm(path, b) {
		return nil
	}
	if err == nil && r.Method == http.MethodHead && b.Rule.Value.GRPCGateway && b.Rule.Method != http.MethodHead {
		return &route.MethodNotAllowedError{Method: r.Method, Allow: []string{b.Rule.Method}}
	}
	return err
}

func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// likeGRPCGateway reports whether a request without a route is answered as grpc-gateway does: if all are, or if those at its path
// would be by another method.
func (f *Front) likeGRPCGateway(t *front.Table, path string, err error) bool {
	return f.env.GRPCGateway || t.GRPCGateway && t.LikeGRPCGateway(path, err)
}

// takesOptions reports whether OPTIONS is a method like any other at a path: one that its routes have not, for the most part.
func (f *Front) takesOptions(t *front.Table, path string, err error, b *route.Binding[*front.Route]) bool {
	switch {
	case err == nil:
		return b.Rule.Value.GRPCGateway
	case allowOf(err) == nil:
		return f.env.GRPCGateway
	}
	return t.GRPCGateway && t.LikeGRPCGateway(path, err)
}

// refuseLikeGRPCGateway answers a request without a route. A wrong method is 501 there, which is what UNIMPLEMENTED is.
func (f *Front) refuseLikeGRPCGateway(w http.ResponseWriter, r *http.Request, allow []string) {
	code, reason, status := codes.NotFound, "ROUTE_NOT_FOUND", http.StatusNotFound
	if allow != nil {
		code, reason, status = codes.Unimplemented, "METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed
		allow = slices.DeleteFunc(slices.Clone(allow), func(m string) bool { return m == http.MethodHead || m == http.MethodOptions })
		w.Header().Set("Allow", strings.Join(allow, ", "))
	}
	failure := front.FailureOf(rpc.Errorf(code, reason, "%s", http.StatusText(status)))
	if allow != nil {
		failure.HTTP = http.StatusNotImplemented
	}
	id := rpc.NewID()
	f.gatewayShape().Write(w, r, failure, id, nil)
	f.env.Unrouted(Protocol, id, failure.HTTP, r)
}

// gatewayShape is how errors look without a route.
func (f *Front) gatewayShape() front.Shape {
	if f.env.GRPCGateway {
		return f.env.Errors
	}
	return front.GRPCGateway
}

// readLoosely reads a body as grpc-gateway does: whatever its type and coding, and only the first JSON value of it. What takes no body
// reads none, but a form is part of the query, as in net/http's ParseForm.
func (s *stream) readLoosely(into *front.Buffer) ([]byte, error) {
	form := s.route.Body == "" && isForm(s.r) && slices.Contains(verbsOfForms, s.r.Method)
	source := bodyOf(s.r)
	if source == nil || s.route.Body == "" && !form {
		return nil, nil
	}
	if err := s.certified(); err != nil {
		return nil, err
	}
	if s.r.ContentLength > int64(s.env.BodyBytesMax) {
		return nil, front.TooLarge(s.env.BodyBytesMax)
	}
	body, err := front.ReadBody(source, compress.Identity, int(s.r.ContentLength), s.env.BodyBytesMax, into)
	switch {
	case err != nil:
		return nil, err
	case form:
		s.query = strings.Trim(string(body)+"&"+s.query, "&")
		return nil, nil
	}
	return firstValue(body), nil
}

var verbsOfForms = []string{http.MethodPost, http.MethodPut, http.MethodPatch}

// certified refuses what any web page could send in the name of a caller whom the connection itself identifies. grpc-gateway takes it.
func (s *stream) certified() error {
	if !front.Certified(s.r) {
		return nil
	}
	if len(s.r.Header["Content-Type"]) == 0 {
		return unsupported(s.r, "a caller with a client certificate names JSON as the Content-Type")
	}
	_, err := checkType(s.r)
	return err
}

// firstValue is the first JSON value of a text, or all of what does not begin with one.
func firstValue(text []byte) []byte {
	var value json.RawMessage
	d := json.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&value); err {
	case nil:
		return text[:d.InputOffset()]
	case io.EOF:
		return nil
	}
	return text
}

// writeEarlyError answers a stream that failed before its first message: in an envelope, unless the request could not be read, or no backend
// began to answer it. What the gateway's checks refuse, a backend's did behind grpc-gateway.
func (s *stream) writeEarlyError(err error) {
	f, h := front.FailureOf(err), s.w.Header()
	code := f.Status.Code()
	unanswered := s.misread.Load() || f.Own && (code == codes.Unavailable || code == codes.DeadlineExceeded && !s.began.Load())
	if unanswered || !s.route.GRPCGateway || !s.route.Method.ServerStreams {
		writeError(s.w, s.r, err, s.call.ID, s.types, s.route.Errors)
		return
	}
	f.SetHeaders(h)
	h["Content-Type"] = valuesOf[typeJSON]
	h["X-Content-Type-Options"] = valuesOf["nosniff"]
	h.Set("Cache-Control", "no-store")
	h.Set("Gatehouse-Decision-Id", s.call.ID)
	s.w.WriteHeader(f.HTTP)
	_, _ = s.w.Write(append(s.route.Errors.LateJSON(f, s.types), '\n')) // a client that is gone misses it
}

// addTrailers adds what every answer of a gRPC server has, which is a trailer where there is nothing but a status.
func (s *stream) addTrailers(err error) {
	if s.route.GRPCGateway && len(s.header) == 0 && !front.FailureOf(err).Own {
		s.trailer = metadata.Join(s.trailer, metadata.Pairs("content-type", "application/grpc"))
	}
}

// passOver takes what cannot be read of a client's messages for their end, where the backend answers meanwhile: grpc-gateway does, and lets
// the backend have the last word. Log and metrics say what it was. A body that is too large or too slow, or whose client is gone, stays
// a failure.
func (s *stream) passOver(err error) error {
	own := new(rpc.Error)
	if !s.route.GRPCGateway || !s.route.Method.ServerStreams || !errors.As(err, &own) || own.Code() != codes.InvalidArgument {
		return err
	}
	s.requests.ended = true
	s.call.PassOver(err)
	s.env.Ignored("message", 1)
	return io.EOF
}

// readValues prepares for JSON values one behind the other, whatever the body's type and coding are called.
func (s *stream) readValues(q *requests) error {
	q.values = true
	body := bodyOf(s.r)
	if body == nil {
		return nil
	}
	q.source = bufio.NewReaderSize(body, 4096)
	return s.certified()
}

// value reads the next JSON value of several, one behind the other with or without space in between.
func (q *requests) value(into *front.Buffer) ([]byte, error) {
	first, err := q.peek()
	if err != nil {
		return nil, q.broken(err)
	}
	q.n++
	q.within(true)
	defer q.within(false)
	s := valueSplitter{word: !strings.ContainsRune(`{["`, rune(first))}
	for {
		if _, err := q.source.Peek(1); err == io.EOF {
			return into.Bytes, nil // whoever reads it says whether it is whole
		} else if err != nil {
			return nil, q.place(q.broken(err))
		}
		chunk, _ := q.source.Peek(q.source.Buffered()) // which is there
		n, ends := s.scan(chunk)
		if len(into.Bytes)+n > q.limit {
			return nil, q.place(front.TooLarge(q.limit))
		}
		into.Bytes = append(into.Bytes, chunk[:n]...)
		_, _ = q.source.Discard(n)
		if ends {
			return into.Bytes, nil
		}
	}
}

// valueSplitter finds the end of a value behind which there may be another.
type valueSplitter struct {
	splitter
	word bool // a number, true, false, null or nothing of the kind
}

// scan returns how many bytes belong to the value, and whether it ends there.
func (s *valueSplitter) scan(chunk []byte) (n int, ends bool) {
	for i, c := range chunk {
		if s.word {
			if space(c) || strings.IndexByte(`{["`, c) >= 0 {
				return i, true
			}
			continue
		}
		closes := s.depth == 1 && !s.quoted && (c == '}' || c == ']') || s.depth == 0 && s.quoted && !s.escaping && c == '"'
		if s.splitter.step(c); closes {
			return i + 1, true
		}
	}
	return len(chunk), false
}
