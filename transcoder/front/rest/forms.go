package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// The media types of HTML forms.
const (
	typeForm  = "application/x-www-form-urlencoded"
	typeParts = "multipart/form-data"
	// acceptForms is what Accept-Post says where forms are taken.
	acceptForms = typeJSON + ", " + typeForm + ", " + typeParts
)

const (
	// formFieldsMax bounds the fields of a form: each of them takes more memory here than it has bytes.
	formFieldsMax = 1000
	// partHeadersMax and partHeaderBytesMax bound what stands above one part. Browsers send two headers.
	partHeadersMax     = 8
	partHeaderBytesMax = 4 << 10
	// boundaryBytesMax is RFC 2046's, section 5.1.1.
	boundaryBytesMax = 70
)

// formType is what a Content-Type says about a form.
type formType struct {
	media    string
	boundary string // of parts
}

// formOf returns what form the request's body is; false if the route takes none, or the body is something else. A caller whom
// the connection itself identifies cannot send any: a web page could send it in the caller's name.
func (s *stream) formOf() (f formType, ok bool, err error) {
	if s.route.Form == nil || s.r.ContentLength == 0 || front.Certified(s.r) {
		return f, false, nil
	}
	media, params, err := mime.ParseMediaType(s.r.Header.Get("Content-Type"))
	if f.media = media; len(s.r.Header["Content-Type"]) == 1 && err == nil && (media == typeForm || media == typeParts) {
		charset, named := params["charset"]
		f.boundary = params["boundary"]
		switch {
		case named && !strings.EqualFold(charset, "utf-8"):
			return f, false, refusedForm("the charset must be utf-8")
		case media == typeParts && (f.boundary == "" || len(f.boundary) > boundaryBytesMax):
			return f, false, refusedForm("the Content-Type header names no boundary of 1 to 70 characters")
		}
		return f, true, nil
	}
	return f, false, nil
}

// offersForms adds to a refused media type that forms would be taken.
func (s *stream) offersForms(err error) error {
	own := new(rpc.Error)
	if _, refused := checkType(s.r); refused != nil && s.route.Form != nil && errors.As(err, &own) && own.Reason() == front.ReasonMediaType {
		own.Meta("accept_post", acceptForms)
	}
	return err
}

// bindForm makes a form a message. A form that is JSON is that: curl -d sends it so, and a form never begins with a brace.
func (s *stream) bindForm(frame *rpc.Frame, f formType) error {
	stop := s.pace.Hurry(s.env, s.w, s.r, s.call)
	text := front.TakeBuffer()
	defer text.Free()
	body, err := readRaw(s.r, s.env.BodyBytesMax, text)
	if err != nil {
		return err
	}
	stop()
	if len(body) == 0 || f.media == typeForm && looksLikeJSON(body) {
		return s.fill(frame, body)
	}
	in := program.Input{Path: s.formVars()}
	if f.media == typeParts {
		in.Form, err = readParts(body, f.boundary)
	} else {
		in.Query, err = readPairs(body)
	}
	if err != nil {
		return err
	}
	return s.fillForm(frame, in)
}

// formVars are the values of the path that are fields of what the form sets.
func (s *stream) formVars() []string {
	values := make([]string, len(s.route.Form.Vars))
	for i, v := range s.route.Form.Vars {
		values[i] = s.path[v]
	}
	return values
}

// fillForm puts the message together: what path and query set, judged first and as if the body were an empty object, and the
// form, which is the whole message or one field of it.
func (s *stream) fillForm(frame *rpc.Frame, in program.Input) error {
	wire := front.TakeBuffer()
	err := s.appendForm(wire, in)
	if err != nil {
		wire.Free()
		return err
	}
	wire.Fill(frame)
	return nil
}

func (s *stream) appendForm(wire *front.Buffer, in program.Input) (err error) {
	f := s.route.Form
	if f.Field != 0 || s.query != "" {
		wire.Bytes, err = s.env.AppendRequest(wire.Bytes, s.route.Request, program.Input{Path: s.path, Query: s.query, Body: []byte("{}")})
		if err != nil {
			return err
		}
	}
	if f.Field == 0 {
		wire.Bytes, err = s.env.AppendRequest(wire.Bytes[:0], f.Request, in)
		return err
	}
	inner := front.TakeBuffer()
	defer inner.Free()
	inner.Bytes, err = s.env.AppendRequest(inner.Bytes, f.Request, in)
	wire.Bytes = protowire.AppendBytes(protowire.AppendTag(wire.Bytes, f.Field, protowire.BytesType), inner.Bytes)
	return err
}

// readPairs bounds the fields of an urlencoded form, which is read as a query is.
func readPairs(body []byte) (string, error) {
	if bytes.Count(body, []byte("&")) >= formFieldsMax {
		return "", malformedForm("it has more than 1000 fields")
	}
	return string(body), nil
}

// readParts reads the parts of a form. What it returns points into copies of the body, which bounds it.
func readParts(body []byte, boundary string) (values []program.FormValue, err error) {
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := parts.NextRawPart()
		switch {
		case err == io.EOF:
			return values, nil
		case err != nil:
			return nil, malformedForm("its parts are not as RFC 7578 has them, or its end is missing").Because(err)
		case len(values) == formFieldsMax:
			return nil, malformedForm("it has more than 1000 fields")
		}
		v, chosen, err := readPart(part)
		if err != nil {
			return nil, err
		}
		if chosen {
			values = append(values, v)
		}
	}
}

// readPart reads one field. chosen is false for a file that was not chosen, of which browsers send an empty part without
// a name.
func readPart(part *multipart.Part) (v program.FormValue, chosen bool, err error) {
	if err := checkPart(part.Header); err != nil {
		return v, false, err
	}
	disposition, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if err != nil || disposition != "form-data" || params["name"] == "" || !utf8.ValidString(params["name"]) {
		return v, false, malformedForm("a part has no name; its Content-Disposition must be form-data with a name in UTF-8")
	}
	v.Name, v.Media = params["name"], part.Header.Get("Content-Type")
	if v.Value, err = io.ReadAll(part); err != nil {
		return v, false, malformedForm("its end is missing").Because(err)
	}
	file, named := params["filename"]
	media, typed, err := mime.ParseMediaType(v.Media)
	if err != nil && v.Media != "" {
		return v, false, malformedForm("the Content-Type of a part is malformed")
	}
	v.File = named || v.Media != "" && media != "text/plain"
	if charset, ok := typed["charset"]; ok && !v.File && !strings.EqualFold(charset, "utf-8") {
		return v, false, malformedForm("the charset of a part is not utf-8")
	}
	return v, !named || file != "" || len(v.Value) > 0, nil
}

// checkPart bounds what stands above a part, and refuses what two readers could understand differently.
func checkPart(h map[string][]string) error {
	lines, size := 0, 0
	for name, values := range h {
		for _, v := range values {
			lines++
			size += len(name) + len(v)
		}
	}
	head := http.Header(h)
	switch coding := strings.ToLower(head.Get("Content-Transfer-Encoding")); {
	case lines > partHeadersMax || size > partHeaderBytesMax:
		return malformedForm("a part has more than 8 headers or 4096 bytes of them")
	case len(head["Content-Disposition"]) != 1 || len(head["Content-Type"]) > 1:
		return malformedForm("a part must have one Content-Disposition, and one Content-Type at most")
	case coding != "" && coding != "binary" && coding != "8bit" && coding != "7bit":
		return malformedForm("the Content-Transfer-Encoding of a part must be binary")
	}
	return nil
}

func refusedForm(what string) error {
	return rpc.Errorf(codes.InvalidArgument, front.ReasonMediaType, "%s", what).Meta("accept_post", acceptForms)
}

func malformedForm(what string) *rpc.Error {
	return rpc.Errorf(codes.InvalidArgument, "MALFORMED_BODY", "the form cannot be read: %s", what)
}
