package connect

import (
	"mime"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// media is how messages are written.
type media struct{ json, stream bool }

var types = map[string]media{
	"application/json":          {json: true},
	"application/proto":         {},
	"application/connect+json":  {json: true, stream: true},
	"application/connect+proto": {stream: true},
}

const (
	acceptUnary  = "application/proto, application/json"
	acceptStream = "application/connect+proto, application/connect+json"
)

// replies are the content types of responses, which nobody changes in place.
var replies = func() map[media][]string {
	all := map[media][]string{}
	for name, m := range types {
		all[m] = []string{name}
	}
	return all
}()

func (m media) reply() []string { return replies[m] }

// ownType reports whether the content type is one that only Connect has, known or not.
func ownType(h http.Header) bool {
	v := strings.ToLower(h.Get("Content-Type"))
	base, _, _ := strings.Cut(v, ";")
	return strings.TrimRight(base, " \t") == "application/proto" || strings.HasPrefix(v, "application/connect+")
}

// readType reads the content type. Of parameters only a charset matters.
func readType(h http.Header) (media, error) {
	values := h["Content-Type"]
	if len(values) != 1 {
		return media{}, unsupported(acceptUnary + ", " + acceptStream)
	}
	if m, ok := types[values[0]]; ok {
		return m, nil
	}
	base, params, err := mime.ParseMediaType(values[0])
	m, ok := types[base]
	if charset, said := params["charset"]; err != nil || !ok || said && !strings.EqualFold(charset, "utf-8") {
		return media{}, unsupported(acceptUnary + ", " + acceptStream)
	}
	return m, nil
}

// fit refuses a stream for a method that has none, and the other way round.
func (m media) fit(method *rpc.Method) error {
	streams := method.ClientStreams || method.ServerStreams
	switch {
	case streams == m.stream:
		return nil
	case streams:
		return unsupported(acceptStream)
	}
	return unsupported(acceptUnary)
}

// unsupported is a 415. Its code is what clients make of that status.
func unsupported(accept string) error {
	return rpc.Errorf(codes.Unknown, front.ReasonMediaType, "this Content-Type is not served here; send one of %s", accept).Meta("accept_post", accept)
}
