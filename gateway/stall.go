package gateway

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
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

const (
	// asideBytes is how much of a body net/http holds back before it writes anything: 2048 bytes for HTTP/1, 4096 for HTTP/2.
	asideBytes = 2000
	// looks is how often in its time limit a response is looked at.
	looks = 4
	// stepBytes is how much of a write has to get on within the limit: a reply of 64 MiB may come as one piece, and a client
	// that takes it all the time does not stand still.
	stepBytes = 256 << 10
)

// patience is the response of one request. A deadline for each write would cost HTTP/2 two messages to the goroutine of
// the connection, and a timer for each a tenth of what a message of a stream costs. So a write only counts itself, and one
// timer for all looks whether they get on: a write that is stuck is given up after limit, or a quarter more. What net/http
// only puts aside cannot be stuck, and costs nothing.
type patience struct {
	http.ResponseWriter
	limit time.Duration
	room  int // belongs to whoever writes, as timer does until it is set

	writes atomic.Uint64 // begun and ended ones: odd while one runs
	timer  *time.Timer

	mu    sync.Mutex
	taken bool   // whoever took the connection over decides how long it may stand still
	seen  uint64 // writes, at the last look
	still int    // looks since it has changed
	ended bool
}

// Unwrap is for http.ResponseController.
func (p *patience) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Hijack is for http.ResponseController.
func (p *patience) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(p.ResponseWriter).Hijack()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = err == nil
	return conn, brw, err
}

// Write is called by one goroutine at a time, as FlushError is.
func (p *patience) Write(data []byte) (int, error) {
	if p.room -= len(data); p.room >= 0 {
		return p.ResponseWriter.Write(data)
	}
	written := 0
	for {
		n, err := p.step(data[written:min(written+stepBytes, len(data))])
		if written += n; err != nil || written == len(data) {
			return written, err
		}
	}
}

func (p *patience) step(data []byte) (int, error) {
	p.begin()
	defer p.writes.Add(1)
	return p.ResponseWriter.Write(data)
}

// FlushError is for http.ResponseController.
func (p *patience) FlushError() error {
	p.room = 0
	p.begin()
	defer p.writes.Add(1)
	return http.NewResponseController(p.ResponseWriter).Flush()
}

func (p *patience) begin() {
	p.writes.Add(1)
	if p.timer == nil {
		p.mu.Lock()
		p.timer = time.AfterFunc(p.limit/looks, p.look)
		p.mu.Unlock()
	}
}

// look makes a write that is stuck fail.
func (p *patience) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if now := p.writes.Load(); now%2 == 0 || now != p.seen {
		p.seen, p.still = now, 0
	} else if p.still++; p.still >= looks {
		_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Unix(1, 0)) // net/http's always can
		return
	}
	p.timer.Reset(p.limit / looks)
}

// done leaves net/http, which writes what is still buffered, the same time. The response is its own afterwards.
func (p *patience) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.timer != nil {
		p.timer.Stop()
	}
	if !p.taken {
		_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(p.limit))
	}
}
