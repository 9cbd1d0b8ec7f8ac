package rest

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// readBody returns the request's body, decoded, at most limit bytes, in the buffer into. What says what the body is, is judged before it is
// read: media type, then content coding, then length. A request without a body, or with an empty one, has nothing to
// judge: its Content-Type and Content-Encoding do not matter.
func readBody(r *http.Request, limit int, into *front.Buffer) ([]byte, error) {
	source := bodyOf(r)
	if source == nil {
		return nil, nil
	}
	form, err := checkType(r)
	if err != nil {
		return nil, err
	}
	body, err := decoded(r, source, limit, into)
	if err != nil {
		return nil, err
	}
	if form && !looksLikeJSON(body) {
		return nil, unsupported(r, "a form cannot be read")
	}
	return body, nil
}

// readRaw is readBody for bytes that may be anything.
func readRaw(r *http.Request, limit int, into *front.Buffer) ([]byte, error) {
	source := bodyOf(r)
	if source == nil {
		return nil, nil
	}
	return decoded(r, source, limit, into)
}

// bodyOf returns where the body comes from, nil if there is none or it is empty.
func bodyOf(r *http.Request) io.Reader {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if r.ContentLength > 0 {
		return r.Body
	}
	// Only its first byte tells whether there is a body.
	buffered := bufio.NewReaderSize(r.Body, 4096)
	if _, err := buffered.Peek(1); err == io.EOF {
		return nil
	}
	return buffered
}

// decoded reads the body without its content coding.
func decoded(r *http.Request, source io.Reader, limit int, into *front.Buffer) ([]byte, error) {
	coding, err := checkEncoding(r)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > int64(limit) {
		return nil, front.TooLarge(limit)
	}
	return front.ReadBody(source, coding, int(r.ContentLength), limit, into)
}

// checkType refuses a Content-Type that is not JSON. form says that it is the type of HTML forms, which counts as JSON
// if the body is, because that is what curl -d sends. A caller whom the connection itself identifies, by its client
// certificate, has to name JSON: otherwise any web page could send such a form in the caller's name.
func checkType(r *http.Request) (form bool, err error) {
	values := r.Header["Content-Type"]
	if len(values) == 0 {
		return false, nil
	}
	full, params, err := mime.ParseMediaType(values[0])
	if err != nil || len(values) > 1 {
		return false, unsupported(r, "the Content-Type header is malformed")
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false, unsupported(r, "the charset must be utf-8")
	}
	switch {
	case full == typeJSON:
		return false, nil
	case full == "application/merge-patch+json":
		if r.Method == http.MethodPatch {
			return false, nil
		}
	case strings.HasPrefix(full, "application/connect+"), strings.HasPrefix(full, "application/grpc"):
		// Other protocols, whose bodies have frames around the JSON.
	case strings.HasSuffix(full, "+json"):
		return false, nil
	case full == "application/x-www-form-urlencoded":
		if !front.Certified(r) {
			return true, nil
		}
	}
	return false, unsupported(r, "this Content-Type is not served")
}

// unsupported refuses a media type, for which the answer says in its headers what is taken (RFC 9110, section 15.5.16).
func unsupported(r *http.Request, what string) error {
	err := rpc.Errorf(codes.InvalidArgument, front.ReasonMediaType, "%s; send %s", what, typeJSON).Meta("accept_post", typeJSON)
	if r.Method == http.MethodPatch {
		err.Meta("accept_patch", typeJSON+", application/merge-patch+json")
	}
	return err
}

// checkEncoding refuses content codings that nobody here knows, and more than one of them.
func checkEncoding(r *http.Request) (coding compress.Coding, err error) {
	known := true
	for _, v := range r.Header["Content-Encoding"] {
		for name := range strings.SplitSeq(v, ",") {
			name = strings.ToLower(strings.Trim(name, " \t"))
			if name == "" {
				continue
			}
			next, ok := compress.Parse(name)
			known = known && ok && (coding == compress.Identity || next == compress.Identity)
			coding = max(coding, next)
		}
	}
	if known {
		return coding, nil
	}
	return compress.Identity, rpc.Errorf(codes.InvalidArgument, front.ReasonMediaType,
		"the Content-Encoding of the body must be one of %s, once", compress.Names).Meta("accept_encoding", compress.Names)
}

// looksLikeJSON reports whether the first byte that is not white space opens an object or an array.
func looksLikeJSON(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[')
}
