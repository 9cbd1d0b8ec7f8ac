package grpcweb

import (
	"net/http"
	"strings"
)

const (
	contentType = "application/grpc-web"
	textType    = contentType + "-text"
	acceptPost  = contentType + "+proto, " + contentType + "+json, " + textType + "+proto, " + textType + "+json"
)

// media is what the headers say about messages.
type media struct {
	json, text bool
	// textReply says that replies are text, too, and reply is their content type.
	textReply bool
	reply     string
}

// isWeb reports whether the content type begins as gRPC-Web's do.
func isWeb(h http.Header) bool {
	v := h.Get("Content-Type")
	return len(v) >= len(contentType) && strings.EqualFold(v[:len(contentType)], contentType)
}

// mediaOf reads the content type, and of Accept whether replies are to be text: most clients send the same in both. known is
// false for a type that is not served.
func mediaOf(h http.Header) (m media, known bool) {
	sent, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	sent = strings.ToLower(strings.TrimRight(sent, " \t"))
	rest, ok := strings.CutPrefix(sent, contentType)
	if !ok || len(h["Content-Type"]) > 1 {
		return media{}, false
	}
	rest, m.text = strings.CutPrefix(rest, "-text")
	switch rest {
	case "", "+proto":
	case "+json":
		m.json = true
	default:
		return media{}, false
	}
	m.textReply = m.text
	for _, v := range h["Accept"] {
		if v = strings.ToLower(v); strings.Contains(v, contentType) {
			m.textReply = strings.Contains(v, textType)
		}
	}
	m.reply = contentType + rest
	if m.textReply {
		m.reply = textType + rest
	}
	return m, true
}
