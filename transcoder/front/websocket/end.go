package websocket

import (
	"context"
	"net/http"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

const (
	// closeCodes is where the close codes that carry a status begin: 4005 is NOT_FOUND. RFC 6455 leaves 4000 and up to
	// private use.
	closeCodes = 4000
	// reasonBytesMax is what a close frame has room for beside its code (RFC 6455, section 5.5).
	reasonBytesMax = 123
)

// finish ends the call. Before the upgrade an error is an HTTP response; after it, a last text frame and a close code.
func (s *stream) finish(err error) {
	defer s.cancel(nil)
	if err != nil && s.unseen() {
		s.stopWatch()
		writeError(s.w, s.r, err, s.call.ID, s.types)
		return
	}
	conn, failed := s.accept()
	s.end()
	if failed != nil {
		return // the client is gone
	}
	defer func() { _ = conn.CloseNow() }()
	_ = s.wire.SetReadDeadline(time.Time{}) // a message may have come too late; what the client says in its end need not
	// The library waits for that end, for as long as the rest of a message takes that is far too large.
	defer time.AfterFunc(closing, func() { _ = s.wire.Close() }).Stop()
	switch {
	case context.Cause(s.base) == errGone:
		return
	case err == nil:
		_ = conn.Close(websocket.StatusNormalClosure, "") // a client that is gone misses it, here and below
		return
	}
	f := front.FailureOf(err)
	_ = s.write(websocket.MessageText, front.AIP193.JSON(f, s.types))
	_ = conn.Close(s.closeCode(f), clip(f.Status.Message()))
}

// leave is what the call's goroutine does in its end, also in that of a panic, after which net/http ends the connection if it
// still has it.
func (s *stream) leave() {
	v := recover()
	if s.release != nil {
		defer s.release()
	}
	if v != nil {
		s.printf("%s, decision %s: panic: %v\n%s", s.call.Method.Path, s.call.ID, v, debug.Stack())
		s.cancel(errGone)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.CloseNow()
		return
	}
	s.broken = v != nil
	s.part()
}

// closeCode is RFC 6455's own where it has one for what is wrong, and otherwise the status's.
func (s *stream) closeCode(f front.Failure) websocket.StatusCode {
	if context.Cause(s.base) == errGoingAway {
		return websocket.StatusGoingAway
	}
	if own := s.wrong.Load(); own != 0 {
		return websocket.StatusCode(own)
	}
	return closeCodes + websocket.StatusCode(f.Status.Code())
}

// clip shortens a text to what a close frame has room for, between two characters.
func clip(text string) string {
	if len(text) <= reasonBytesMax {
		return text
	}
	cut := reasonBytesMax
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut]
}

// writeError answers a handshake with an error and returns its HTTP status.
func writeError(w http.ResponseWriter, r *http.Request, err error, id string, types program.Resolver) int {
	f := front.FailureOf(err)
	w.Header().Set("Sec-WebSocket-Version", "13") // RFC 6455, section 4.4
	front.AIP193.Write(w, r, f, id, types)
	return f.HTTP
}
