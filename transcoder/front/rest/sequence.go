package rest

import (
	"net/http"
	"strconv"
	"time"
)

// sequence is how many replies are written, one after the other, in one response. It is immutable. Its functions append to what
// they are given.
type sequence struct {
	// before stands before the n-th message, counted from 0, and after behind it.
	before func(dst []byte, s *stream, n int64) []byte
	after  string
	// late is a failure after n messages; end is what follows when all went well.
	late func(dst []byte, n int64, failure []byte) []byte
	end  func(dst []byte, n int64) []byte
}

// sequences by media type. Each is text that ends with a line.
var sequences = map[string]*sequence{typeLines: lines, typeJSONLines: lines, typeJSON: array, typeEvents: events}

// lines is one JSON text a line.
var lines = &sequence{
	before: func(dst []byte, _ *stream, _ int64) []byte { return dst },
	after:  "\n",
	late:   func(dst []byte, _ int64, failure []byte) []byte { return append(append(dst, failure...), '\n') },
	end:    func(dst []byte, _ int64) []byte { return dst },
}

// array is one JSON text, also when the call fails late: then its last element is an object whose one key is "error".
var array = &sequence{
	before: func(dst []byte, _ *stream, n int64) []byte { return append(dst, separator(n)...) },
	late: func(dst []byte, n int64, failure []byte) []byte {
		return append(append(append(dst, separator(n)...), failure...), "]\n"...)
	},
	end: func(dst []byte, n int64) []byte {
		if n == 0 {
			dst = append(dst, '[')
		}
		return append(dst, "]\n"...)
	},
}

func separator(n int64) string {
	if n == 0 {
		return "["
	}
	return ",\n"
}

// events are server-sent events (the HTML standard, section 9.2). A message has no event name, so that EventSource's onmessage gets
// it, and a number as its id, on from that which the client had last. A page that is told "end" closes its EventSource, which
// would ask again otherwise.
var events = &sequence{
	before: func(dst []byte, s *stream, n int64) []byte {
		dst = append(s.greet(dst), "id: "...)
		return append(strconv.AppendInt(dst, s.lastEvent+n+1, 10), "\ndata: "...)
	},
	after: "\n\n",
	late: func(dst []byte, _ int64, failure []byte) []byte {
		return append(append(append(dst, "event: error\ndata: "...), failure...), "\n\n"...)
	},
	end: func(dst []byte, _ int64) []byte { return append(dst, "event: end\ndata: {}\n\n"...) },
}

// greet appends how long a client shall wait before it comes again, once.
func (s *stream) greet(dst []byte) []byte {
	if s.greeted || s.env.Retry <= 0 {
		return dst
	}
	s.greeted = true
	dst = strconv.AppendInt(append(dst, "retry: "...), s.env.Retry.Milliseconds(), 10)
	return append(dst, "\n\n"...)
}

// beginEvents prepares for server-sent events, if that is what the client wants: what it had last, and the heartbeat.
func (s *stream) beginEvents() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.media != typeEvents || s.sequence() == nil || s.r.Method == http.MethodHead {
		return
	}
	if last, err := strconv.ParseInt(s.r.Header.Get("Last-Event-Id"), 10, 64); err == nil && last > 0 && last < 1<<53 {
		s.lastEvent = last
	}
	if s.env.Heartbeat > 0 {
		s.written = time.Now()
		s.heart = time.AfterFunc(s.env.Heartbeat, s.beat)
	}
}

// beat writes a comment to a client that has heard nothing for an interval, so that nobody in between takes the connection for
// dead. The head leaves with the first, even if the backend has said nothing yet: a failure after it is a late one.
func (s *stream) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if time.Since(s.written) >= s.env.Heartbeat {
		s.writeHead()
		if _, err := s.writeBody(append(s.greet(nil), ": \n\n"...)); err != nil || s.flush() != nil {
			return // net/http tells the call that the client is gone
		}
		s.written = time.Now()
	}
	s.heart.Reset(time.Until(s.written.Add(s.env.Heartbeat)))
}

// eventHeaders keep those in between from holding events back.
func eventHeaders(h http.Header) {
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = []string{"no-cache"}
	}
	h["X-Accel-Buffering"] = []string{"no"}
}
