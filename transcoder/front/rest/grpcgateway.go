package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
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

// match finds the route of a request. grpc-gateway decodes a path before it splits it, so %2F is a slash there and %3A begins a verb; its
// variables take empty segments; and it gives a form that no POST takes to the GET of that path, so that its query may be long.
func (f *Front) match(r *http.Request, t *front.Table, path string, b *route.Binding[*front.Route]) error {
	err := t.Routes.Match(r.Method, path, b)
	if !t.GRPCGateway {
		return err
	}
	if strings.Contains(path, "%") {
		err = f.matchDecoded(r, t, path, b, err)
	}
	if err != nil {
		err = matchEmpty(r, t, path, b, err)
	}
	if err != nil && r.Method == http.MethodPost && isForm(r) {
		var get route.Binding[*front.Route]
		if t.Routes.Match(http.MethodGet, path, &get) == nil && get.Rule.Value.GRPCGateway {
			*b, err = get, nil
		}
	}
	if err == nil && r.Method == http.MethodHead && b.Rule.Value.GRPCGateway && b.Rule.Method != http.MethodHead {
		return &route.MethodNotAllowedError{Method: r.Method, Allow: t.Routes.Allowed(path)}
	}
	return err
}

// matchDecoded prefers the decoded path where that leads to a route of this kind, and finds no other way to one.
func (f *Front) matchDecoded(r *http.Request, t *front.Table, path string, b *route.Binding[*front.Route], err error) error {
	plain, bad := url.PathUnescape(path)
	if bad != nil {
		return err
	}
	var decoded route.Binding[*front.Route]
	otherwise := t.Routes.Match(r.Method, (&url.URL{Path: plain}).EscapedPath(), &decoded)
	switch {
	case otherwise == nil && decoded.Rule.Value.GRPCGateway:
		*b = decoded
		return nil
	case err == nil && b.Rule.Value.GRPCGateway && otherwise != nil, err != nil && otherwise != nil && f.likeGRPCGateway(t, path, allowOf(err)):
		return otherwise
	}
	return err
}

// nobody stands for an empty segment while a route is looked for: a character of nobody's, which no path has that has one.
const nobody = "\U0010FFFF"

// matchEmpty finds the route of this kind whose variables take what is empty.
func matchEmpty(r *http.Request, t *front.Table, path string, b *route.Binding[*front.Route], err error) error {
	escaped := url.PathEscape(nobody)
	if !strings.Contains(path, "//") && !strings.HasSuffix(path, "/") || path == "/" || strings.Contains(path, nobody) || strings.Contains(strings.ToUpper(path), escaped) {
		return err
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if s == "" {
			segments[i] = escaped
		}
	}
	var found route.Binding[*front.Route]
	otherwise := t.Routes.Match(r.Method, "/"+strings.Join(segments, "/"), &found)
	if not := new(route.MethodNotAllowedError); errors.As(otherwise, &not) {
		return otherwise
	}
	if otherwise != nil || !found.Rule.Value.GRPCGateway {
		return err
	}
	for i := range found.Values {
		found.Values[i] = strings.ReplaceAll(found.Values[i], nobody, "")
	}
	*b = found
	return nil
}

func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// likeGRPCGateway reports whether a request without a route is answered as grpc-gateway does: if all are, or if those at its path
// would be by another method.
func (f *Front) likeGRPCGateway(t *front.Table, path string, allow []string) bool {
	if f.env.GRPCGateway || !t.GRPCGateway {
		return f.env.GRPCGateway
	}
	return slices.ContainsFunc(allow, func(method string) bool {
		var b route.Binding[*front.Route]
		return t.Routes.Match(method, path, &b) == nil && b.Rule.Value.GRPCGateway
	})
}

// refuseLikeGRPCGateway answers a request without a route. A wrong method is 501 there, which is what UNIMPLEMENTED is.
func (f *Front) refuseLikeGRPCGateway(w http.ResponseWriter, r *http.Request, allow []string) {
	code, reason, status := codes.NotFound, "ROUTE_NOT_FOUND", http.StatusNotFound
	if allow != nil {
		code, reason, status = codes.Unimplemented, "METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed
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

// readLoosely reads a body as grpc-gateway does: whatever its type, and only the first JSON value of it. What takes no body reads
// none, but a form is part of the query.
func (s *stream) readLoosely(into *front.Buffer) ([]byte, error) {
	if s.route.Body == "" && !(s.r.Method == http.MethodPost && isForm(s.r)) {
		return nil, nil
	}
	source := bodyOf(s.r)
	if source == nil {
		return nil, nil
	}
	if s.r.ContentLength > int64(s.env.BodyBytesMax) {
		return nil, front.TooLarge(s.env.BodyBytesMax)
	}
	coding, _ := checkEncoding(s.r) // what is unknown is ignored there
	body, err := front.ReadBody(source, coding, int(s.r.ContentLength), s.env.BodyBytesMax, into)
	switch {
	case err != nil:
		return nil, err
	case s.route.Body == "":
		s.query = strings.Trim(s.query+"&"+string(body), "&")
		return nil, nil
	}
	return firstValue(body), nil
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

// writeEarlyError answers a stream that failed before its first message: in an envelope, unless the request itself was wrong.
func (s *stream) writeEarlyError(err error) {
	if !s.route.GRPCGateway || !s.route.Method.ServerStreams || s.misread.Load() {
		writeError(s.w, s.r, err, s.call.ID, s.types, s.route.Errors)
		return
	}
	f, h := front.FailureOf(err), s.w.Header()
	f.SetHeaders(h)
	h["Content-Type"] = valuesOf[typeJSON]
	h["X-Content-Type-Options"] = valuesOf["nosniff"]
	h.Set("Cache-Control", "no-store")
	h.Set("Gatehouse-Decision-Id", s.call.ID)
	s.w.WriteHeader(f.HTTP)
	if s.r.Method != http.MethodHead {
		_, _ = s.w.Write(append(s.route.Errors.LateJSON(f, s.types), '\n')) // a client that is gone misses it
	}
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
