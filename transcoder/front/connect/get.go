package connect

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// asked is the message of a GET ("Unary-Get-Request").
type asked struct {
	message []byte
	coding  compress.Coding
}

// asksByGet reports whether the query has connect=v1.
func asksByGet(r *http.Request) bool {
	_, query := front.Target(r)
	if !strings.Contains(query, "connect=v1") {
		return false
	}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "connect=v1" {
			return true
		}
	}
	return false
}

// readQuery reads the parameters, in any order; those that it does not know are left alone.
func readQuery(query string) (m media, a *asked, err error) {
	params, err := url.ParseQuery(query)
	if err != nil {
		return m, nil, malformed("the query cannot be decoded").Because(err)
	}
	for _, name := range [...]string{"connect", "encoding", "message", "base64", "compression"} {
		if len(params[name]) > 1 {
			return m, nil, malformed("the parameter " + name + " is there more than once")
		}
	}
	switch encoding := params.Get("encoding"); encoding {
	case "json":
		m.json = true
	case "proto":
	case "":
		return m, nil, malformed("the parameter encoding is missing; it is proto or json")
	default:
		return m, nil, unsupported(acceptUnary)
	}
	if !params.Has("message") {
		return m, nil, malformed("the parameter message is missing")
	}
	a = &asked{message: []byte(params.Get("message"))}
	if params.Get("base64") == "1" { // other values are ignored, and padding is optional ("Message-Query")
		if a.message, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(params.Get("message"), "=")); err != nil {
			return m, nil, malformed("the parameter message is not URL-safe base64").Because(err)
		}
	}
	if name := params.Get("compression"); name != "" {
		var ok bool
		if a.coding, ok = compress.Parse(name); !ok {
			return m, nil, unknownCoding(name)
		}
	}
	return m, a, nil
}

func malformed(what string) *rpc.Error {
	return rpc.Errorf(codes.InvalidArgument, "MALFORMED_QUERY", "%s", what)
}

func unknownCoding(name string) error {
	return rpc.Errorf(codes.Unimplemented, "ENCODING_UNKNOWN", "messages compressed by %q cannot be read here; use one of %s", name, compress.Names)
}
