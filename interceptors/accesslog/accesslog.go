// Package accesslog writes one JSON line per call: who called what, how it ended, how long it took. The call's path
// only copies a record of fixed size into a bounded queue; one goroutine turns records into text. Read accesslog.go
// first; line.go is the text.
//
// What a client sent never appears in a line except as text that cannot break it: control characters, escape
// sequences and invalid UTF-8 are escaped, long text is cut. Metadata and messages are never written.
package accesslog

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	// queueMax bounds the records that wait to be written, about 4 MB.
	queueMax = 16384
	// interval is the shortest time between two writes, unless the queue is half full. After a quiet interval a record
	// is written at once, so a human who follows the log sees no lag.
	interval = 20 * time.Millisecond
	// textBytesMax bounds one piece of text in a line; causeBytesMax the operator's cause, which may hold a stack.
	textBytesMax, causeBytesMax = 512, 4096
)

// Log is the interceptor. It is safe for concurrent use.
type Log struct {
	w   io.Writer
	now func() time.Time

	mu      sync.Mutex
	queue   []record
	wake    chan struct{} // the queue is no longer empty
	pressed chan struct{} // the queue is half full
	dropped atomic.Uint64
}

// record is what is known about a call when it ends. Its strings are shared, not copied.
type record struct {
	at         time.Time
	took       time.Duration
	id         string
	protocol   string
	method     string
	principal  *rpc.Principal
	client     netip.Addr
	listener   rpc.Listener
	code       codes.Code
	httpStatus int
	path       string
	verb       string
	reason     string
	message    string
	rule       string
	cause      string
}

// New returns a Log that writes to w, from Run's goroutine only, by the clock now.
func New(w io.Writer, now func() time.Time) *Log {
	return &Log{w: w, now: now, queue: make([]record, 0, 256), wake: make(chan struct{}, 1), pressed: make(chan struct{}, 1)}
}

// Check records every call when it is done.
func (l *Log) Check(m *rpc.Method) rpc.Check {
	name := m.Name()
	return rpc.Check{Done: func(c *rpc.Call, st *status.Status) {
		now := l.now()
		r := record{
			at: now, took: now.Sub(c.Started), id: c.ID, protocol: c.Protocol, method: name,
			principal: c.Principal, client: c.Client, listener: c.Listener, code: st.Code(),
		}
		if c.Err != nil || st.Code() != codes.OK {
			r.explain(c.Err, st)
		} else if err := c.PassedOver(); err != nil {
			r.explain(err, err.GRPCStatus())
		}
		l.put(r)
	}}
}

// Unrouted records a request that ended before it reached a method.
func (l *Log) Unrouted(listener rpc.Listener, client netip.Addr, protocol, id string, httpStatus int, r *http.Request) {
	l.put(record{
		at: l.now(), id: id, protocol: protocol, client: client, listener: listener,
		httpStatus: httpStatus, verb: cut(r.Method, textBytesMax), path: cut(r.URL.EscapedPath(), textBytesMax),
	})
}

// Dropped returns how many records were lost because the writer could not keep up.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Run writes records until ctx ends and everything that was recorded by then is written. It returns the last error of
// the writer; records that a failing writer did not take are counted as dropped.
func (l *Log) Run(ctx context.Context) error {
	var batch []record
	var text []byte
	var told uint64
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		ended := ctx.Err() != nil // looked at before the queue is taken, so the last turn takes everything
		batch = l.swap(batch[:0])
		text = text[:0]
		for i := range batch {
			text = batch[i].append(text)
			batch[i] = record{} // drop what the strings hold
		}
		if lost := l.dropped.Load(); lost != told {
			text = appendDropped(text, l.now(), lost-told)
			told = lost
		}
		err := l.write(text, len(batch))
		if ended {
			return err
		}
		if len(batch) > 0 {
			timer.Reset(interval)
			select {
			case <-timer.C:
			case <-l.pressed:
			case <-ctx.Done():
			}
			continue
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		}
	}
}

// put queues a record, or counts it as dropped.
func (l *Log) put(r record) {
	l.mu.Lock()
	n := len(l.queue)
	if n < queueMax {
		l.queue = append(l.queue, r)
	}
	l.mu.Unlock()
	if n == queueMax {
		l.dropped.Add(1)
		return
	}
	switch n {
	case 0:
		signal(l.wake)
	case queueMax / 2:
		signal(l.pressed)
	}
}

// swap takes all queued records and leaves the given slice for the next ones.
func (l *Log) swap(empty []record) []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.queue
	l.queue = empty
	return full
}

// write writes text, which holds n records.
func (l *Log) write(text []byte, n int) error {
	if len(text) == 0 {
		return nil
	}
	_, err := l.w.Write(text)
	if err != nil {
		l.dropped.Add(uint64(n))
	}
	return err
}

// signal leaves a token in a channel of one.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
