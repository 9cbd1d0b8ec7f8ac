package grpcweb

import (
	"net/http"
	"testing"
)

func TestMediaOf(t *testing.T) {
	for _, c := range []struct {
		sent, accept string
		want         media
		known        bool
	}{
		{"application/grpc-web", "", media{reply: "application/grpc-web"}, true},
		{"Application/gRPC-Web+Proto; charset=utf-8", "", media{reply: "application/grpc-web+proto"}, true},
		{"application/grpc-web+json", "*/*", media{json: true, reply: "application/grpc-web+json"}, true},
		{"application/grpc-web-text", "application/grpc-web-text", media{text: true, textReply: true, reply: "application/grpc-web-text"}, true},
		{"application/grpc-web-text", "application/grpc-web+proto", media{text: true, reply: "application/grpc-web"}, true},
		{"application/grpc-web+proto", "application/grpc-web-text", media{textReply: true, reply: "application/grpc-web-text+proto"}, true},
		{"application/grpc-web+thrift", "", media{}, false},
		{"application/grpc-websocket", "", media{}, false},
		{"application/grpc-web-textual", "", media{}, false},
	} {
		h := http.Header{"Content-Type": {c.sent}}
		if c.accept != "" {
			h.Set("Accept", c.accept)
		}
		got, known := mediaOf(h)
		if got != c.want || known != c.known {
			t.Errorf("%s, accept %s: %+v, %t", c.sent, c.accept, got, known)
		}
	}
}
