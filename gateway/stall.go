package gateway

import (
	"net/http"
	"sync"
	"time"
)

// notStalled ends a response that its client does not take: one whose connection, or whose HTTP/2 stream, has had no
// room for longer than limit. net/http alone would wait for ever.
func notStalled(limit time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &patience{ResponseWriter: w, limit: limit, room: asideBytes}
		defer p.done()
		next.ServeHTTP(p, r)
	})
}

// asideBytes is how much of a body net/http holds back before it writes anything: 2048 bytes for HTTP/1, 4096 for HTTP/2.
const asideBytes = 2000

// patience is the response of one request. A write costs it a timer that is set and stopped: a deadline for each would
// cost HTTP/2 two messages to the goroutine of the connection. What net/http only puts aside cannot be stuck, and costs
// nothing.
type patience struct {
	http.ResponseWriter
	limit time.Duration
	room  int // belongs to whoever writes

	mu    sync.Mutex
	timer *time.Timer
	busy  int // writes and flushes that run
	ended bool
}

// Unwrap is for http.ResponseController.
func (p *patience) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *patience) Write(data []byte) (int, error) {
	if p.room -= len(data); p.room >= 0 {
		return p.ResponseWriter.Write(data)
	}
	p.begin()
	defer p.end()
	return p.ResponseWriter.Write(data)
}

// FlushError is for http.ResponseController.
func (p *patience) FlushError() error {
	p.room = 0
	p.begin()
	defer p.end()
	return http.NewResponseController(p.ResponseWriter).Flush()
}

func (p *patience) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy++; p.timer == nil {
		p.timer = time.AfterFunc(p.limit, p.over)
	} else {
		p.timer.Reset(p.limit)
	}
}

func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy--; p.busy == 0 {
		p.timer.Stop()
	}
}

// over makes the write that is stuck fail.
func (p *patience) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy > 0 && !p.ended {
		_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Unix(1, 0)) // net/http's always can
	}
}

// done leaves net/http, which writes what is still buffered, the same time. The response is its own afterwards.
func (p *patience) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(p.limit))
}
