package websocket

import (
	"encoding/base64"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// The subprotocols. A client that names none speaks JSON.
const (
	subprotocolJSON  = "gatehouse.json.v1"
	subprotocolProto = "gatehouse.proto.v1"
	// bearerPrefix begins a subprotocol that is no protocol: what follows is a token, because web pages cannot set headers.
	// It is never chosen, so it does not come back in the response.
	bearerPrefix = "gatehouse.bearer."
	// subprotocolAuthFirst says that the first message is a credential. Beside one of the first two that one is chosen, by
	// itself it is, and messages are JSON.
	subprotocolAuthFirst = "gatehouse.auth-first.v1"
)

// asked is what a handshake asks for.
type asked struct {
	subprotocol string // empty if none was named
	token       string
	authFirst   bool
}

// judge reads a handshake, and refuses what could not work or may not be.
func (f *Front) judge(r *http.Request, face *face) (a asked, err error) {
	if front.HostsDisagree(r) {
		return a, rpc.Errorf(codes.InvalidArgument, "MISDIRECTED", "the connection and the request name two hosts; name one")
	}
	if origins := r.Header["Origin"]; len(origins) > 1 || len(origins) == 1 && !allowed(r, face.Endpoint, origins[0]) {
		return a, rpc.Errorf(codes.PermissionDenied, "ORIGIN_REFUSED", "web pages of this origin may not call here; call from a page of the same host, or have the origin allowed (cors)")
	}
	if err := wellFormed(r); err != nil {
		return a, err
	}
	named := tokens(r.Header, "Sec-Websocket-Protocol")
	for _, name := range named {
		token, bearer := strings.CutPrefix(name, bearerPrefix)
		switch {
		case bearer && a.token != "":
			return a, rpc.Errorf(codes.Unauthenticated, "CONFLICTING_CREDENTIALS", "two subprotocols carry a token; send one")
		case bearer:
			a.token = token
		case name == subprotocolAuthFirst:
			a.authFirst = true
		case a.subprotocol == "" && (name == subprotocolJSON || name == subprotocolProto):
			a.subprotocol = name
		}
	}
	if a.token != "" && r.Header.Get("Authorization") != "" {
		return a, rpc.Errorf(codes.Unauthenticated, "CONFLICTING_CREDENTIALS", "a subprotocol and the header authorization both carry a credential; send one")
	}
	if a.authFirst && (a.token != "" || r.Header.Get("Authorization") != "") {
		return a, rpc.Errorf(codes.Unauthenticated, "CONFLICTING_CREDENTIALS", "the handshake carries a credential, and another is announced for the first message; send one")
	}
	if a.authFirst && a.subprotocol == "" {
		a.subprotocol = subprotocolAuthFirst
	}
	switch {
	case len(named) > 0 && a.subprotocol == "":
		return a, rpc.Errorf(codes.InvalidArgument, "SUBPROTOCOL_UNKNOWN", "name the subprotocol %s or %s", subprotocolJSON, subprotocolProto)
	case a.subprotocol == subprotocolProto && !face.plain:
		return a, rpc.Errorf(codes.InvalidArgument, "SUBPROTOCOL_UNKNOWN", "messages of a REST route are JSON; for protobuf connect to %s", face.Method.Path)
	}
	return a, nil
}

// wellFormed checks what RFC 6455, section 4.2.1 asks of a handshake.
func wellFormed(r *http.Request) error {
	h := r.Header
	if !r.ProtoAtLeast(1, 1) {
		return rpc.Errorf(codes.InvalidArgument, "HANDSHAKE_MALFORMED", "a handshake needs HTTP/1.1")
	}
	if r.ContentLength != 0 {
		return rpc.Errorf(codes.InvalidArgument, "HANDSHAKE_MALFORMED", "a handshake has no body; its bytes would be taken for frames")
	}
	if h.Get("Sec-Websocket-Version") != "13" {
		return rpc.Errorf(codes.InvalidArgument, "HANDSHAKE_MALFORMED", "Sec-WebSocket-Version must be 13")
	}
	keys := h["Sec-Websocket-Key"]
	if len(keys) == 1 {
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keys[0])); err == nil && len(raw) == 16 {
			return nil
		}
	}
	return rpc.Errorf(codes.InvalidArgument, "HANDSHAKE_MALFORMED", "Sec-WebSocket-Key must be 16 bytes in base64, once")
}

// tokens returns the elements of a header that is a list.
func tokens(h http.Header, name string) (list []string) {
	for _, v := range h[name] {
		for token := range strings.SplitSeq(v, ",") {
			if token = strings.Trim(token, " \t"); token != "" {
				list = append(list, token)
			}
		}
	}
	return list
}

func has(h http.Header, name, token string) bool {
	for _, t := range tokens(h, name) {
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}
