package gateway

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// unreadGrace is how long a client may take for the rest of a body that nobody will read.
	unreadGrace = time.Second
	// unreadBytesMax bounds what is read of it to keep the connection, as net/http does.
	unreadBytesMax = 256 << 10
)

// notHeldUp answers HTTP/1 requests whose body has not come yet, such as one that is refused by its headers. net/http
// alone reads the body before it sends the head of any response, and waits for it without a limit: the client that
// is slow would hear nothing and could hold its connection for ever, and a handler that still reads the body would
// find parts of it gone.
func notHeldUp(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 || r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		known := *r // net/http looks at its own request's body
		e := &earlyAnswer{ResponseWriter: w, body: &unreadBody{ReadCloser: r.Body}, waits: r.Header.Get("Expect") != "", size: r.ContentLength}
		known.Body = e.body
		defer e.done()
		next.ServeHTTP(e, &known)
	})
}

// earlyAnswer is a response that may begin before the request has ended. A complete request leaves the connection as
// it is. One that stays incomplete ends it, so that what follows is never taken for another request.
type earlyAnswer struct {
	http.ResponseWriter
	body   *unreadBody
	waits  bool  // the client sends the body when it is asked to
	size   int64 // of the body, negative if unknown
	duplex bool  // the handler reads the body while it answers
	headed bool
}

// Unwrap is for http.ResponseController.
func (e *earlyAnswer) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// EnableFullDuplex is for http.ResponseController.
func (e *earlyAnswer) EnableFullDuplex() error {
	e.duplex = true
	return http.NewResponseController(e.ResponseWriter).EnableFullDuplex()
}

func (e *earlyAnswer) WriteHeader(code int) {
	if !e.headed {
		e.headed = true
		e.settle()
	}
	e.ResponseWriter.WriteHeader(code)
}

func (e *earlyAnswer) Write(data []byte) (int, error) {
	if !e.headed {
		e.WriteHeader(http.StatusOK)
	}
	return e.ResponseWriter.Write(data)
}

// FlushError is for http.ResponseController.
func (e *earlyAnswer) FlushError() error {
	if !e.headed {
		e.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(e.ResponseWriter).Flush()
}

// settle decides what becomes of the connection, before the head is written.
func (e *earlyAnswer) settle() {
	if e.body.ended.Load() || !e.duplex && e.rest() {
		return
	}
	e.Header().Set("Connection", "close")
	_ = http.NewResponseController(e.ResponseWriter).EnableFullDuplex() // net/http's always can
}

// rest reads the rest of a body in which nobody is interested, and reports whether all of it was there. A client that
// waits to be asked for it is not asked.
func (e *earlyAnswer) rest() bool {
	if e.waits && !e.body.begun.Load() || e.size > unreadBytesMax {
		return false
	}
	rc := http.NewResponseController(e.ResponseWriter)
	_ = rc.SetReadDeadline(time.Now().Add(unreadGrace)) // net/http's always can
	_, _ = io.CopyN(io.Discard, e.body, unreadBytesMax) // whether the end was reached is in e.body
	_ = rc.SetReadDeadline(time.Time{})
	return e.body.ended.Load()
}

// done lets net/http read on for a while after the response, because a connection that is closed while data comes in is
// reset, and the client may lose the response.
func (e *earlyAnswer) done() {
	if !e.body.ended.Load() {
		_ = http.NewResponseController(e.ResponseWriter).SetReadDeadline(time.Now().Add(unreadGrace)) // net/http's always can
	}
}

// unreadBody knows how much of a body was read.
type unreadBody struct {
	io.ReadCloser
	begun, ended atomic.Bool
}

func (b *unreadBody) Read(p []byte) (int, error) {
	b.begun.Store(true)
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.ended.Store(true)
	}
	return n, err
}
