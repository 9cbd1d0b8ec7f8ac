package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

const (
	// quicWindowBytes is how much one HTTP/3 connection may send unread, as net/http allows by HTTP/2.
	quicWindowBytes = 1 << 20
	// oneWayStreamsMax is for a client's control stream, the two of QPACK, and those of types that it makes up (RFC 9114, section 7.2.8).
	oneWayStreamsMax = 8
	// shakingMax is how many handshakes go on before clients have to show that they are where they say: that costs them another
	// round trip (RFC 9000, section 8.1.2).
	shakingMax = 100
	// parting is how long an HTTP/3 connection stays open after its last call when the gateway drains: what was sent last may have to
	// be sent again, and clients that take GOAWAY close it themselves.
	parting = time.Second
)

// overQUIC is the public listener's HTTP/3 side, on the UDP port that has its TCP port's number. It serves the same handler.
type overQUIC struct {
	socket    *net.UDPConn
	transport *quic.Transport
	listener  *quic.Listener
	server    *http3.Server

	places     *places
	most       int64 // open connections
	quietFirst time.Duration

	open, shaking atomic.Int64

	mu      sync.Mutex
	talks   map[*talk]struct{}
	leaving bool
}

// newOverQUIC opens the UDP port.
func (l *listening) newOverQUIC(config *tls.Config) (_ *overQUIC, err error) {
	tcp := l.public.Addr().(*net.TCPAddr)
	limits := l.gateway.cfg.GetLimits()
	stall := limits.GetStallTimeout().AsDuration()
	q := &overQUIC{
		places: l.places, most: int64(limits.GetConnectionsMax()), quietFirst: limits.GetHeaderTimeout().AsDuration(),
		talks: map[*talk]struct{}{},
	}
	if q.socket, err = net.ListenUDP("udp", &net.UDPAddr{IP: tcp.IP, Port: tcp.Port, Zone: tcp.Zone}); err != nil {
		return nil, fmt.Errorf("http3: %w", err)
	}
	q.transport = &quic.Transport{Conn: q.socket, VerifySourceAddress: q.doubts, ConnContext: q.admit}
	// Not ListenEarly: a request in a handshake's early data could be another client's, played again.
	q.listener, err = q.transport.Listen(http3.ConfigureTLSConfig(config), &quic.Config{
		HandshakeIdleTimeout:       limits.GetHeaderTimeout().AsDuration() / 2, // the whole handshake may take twice that
		MaxIdleTimeout:             3 * stall,                                  // as by HTTP/2: a ping, and no answer to it
		KeepAlivePeriod:            stall,
		MaxStreamReceiveWindow:     quicWindowBytes,
		MaxConnectionReceiveWindow: quicWindowBytes,
		MaxIncomingStreams:         int64(limits.GetStreamsMax()),
		MaxIncomingUniStreams:      oneWayStreamsMax,
	})
	if err != nil {
		return nil, errors.Join(err, q.socket.Close())
	}
	q.server = &http3.Server{
		Handler:        q.talking(l.publicHTTP.Handler),
		MaxHeaderBytes: int(limits.GetHeaderBytesMax()),
		ConnContext: func(ctx context.Context, conn *quic.Conn) context.Context {
			ctx = context.WithValue(ctx, http.ServerContextKey, l.publicHTTP) // has the log that fronts write to
			return context.WithValue(ctx, talkKey{}, q.talk(conn))
		},
	}
	return q, nil
}

// doubts reports whether a client that begins a handshake has to show that its address is its own.
func (q *overQUIC) doubts(net.Addr) bool { return q.shaking.Load() >= shakingMax }

var errFull = errors.New("there are too many connections")

// admit counts a connection from the first packet of its handshake to its end.
func (q *overQUIC) admit(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
	if q.open.Add(1) > q.most {
		q.open.Add(-1)
		return nil, errFull
	}
	q.shaking.Add(1)
	done := sync.OnceFunc(func() { q.shaking.Add(-1) })
	context.AfterFunc(ctx, func() { q.open.Add(-1); done() })
	return context.WithValue(ctx, shakenKey{}, done), nil
}

type shakenKey struct{}

// Accept returns the next connection that may stay. Only here an address is certain.
func (q *overQUIC) Accept(ctx context.Context) (*quic.Conn, error) {
	for {
		conn, err := q.listener.Accept(ctx)
		if err != nil {
			return nil, err
		}
		conn.Context().Value(shakenKey{}).(func())()
		if release, ok := q.places.take(conn.RemoteAddr()); ok {
			context.AfterFunc(conn.Context(), release)
			return conn, nil
		}
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "") // nothing was said on it
	}
}

// Addr is for http3.
func (q *overQUIC) Addr() net.Addr { return q.listener.Addr() }

// Close is for http3.
func (q *overQUIC) Close() error { return q.listener.Close() }

// serve answers until the server is shut down.
func (q *overQUIC) serve() error {
	if err := q.server.ServeListener(q); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// shut tells clients to go, and lets calls in flight end until ctx does.
func (q *overQUIC) shut(ctx context.Context) {
	q.mu.Lock()
	q.leaving = true
	for t := range q.talks {
		t.part()
	}
	q.mu.Unlock()
	_ = q.server.Shutdown(ctx) // an error is that time was up, and the calls that were left are cut off
	q.end()
}

// end gives the port back. Nobody is served any more, so nothing is lost with an error.
func (q *overQUIC) end() {
	_ = q.listener.Close()
	_ = q.transport.Close()
	_ = q.socket.Close()
}

// advertised says in answers by TCP that the same is there by HTTP/3 (RFC 7838).
func (l *listening) advertised(next http.Handler) http.Handler {
	service := []string{fmt.Sprintf(`h3=":%d"`, l.public.Addr().(*net.TCPAddr).Port)}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !l.draining.Load() {
			w.Header()["Alt-Svc"] = service
		}
		next.ServeHTTP(w, r)
	})
}

// talk is one connection. It ends when nothing has been answered on it for a while: http3 counts a request that never gets
// on with its headers as one that is answered, and so would wait for it without end.
type talk struct {
	conn *quic.Conn

	mu        sync.Mutex
	answering int
	quiet     time.Duration // how long
	timer     *time.Timer
}

type talkKey struct{}

// talk begins to watch a connection, whose first request has to come as soon as by TCP.
func (q *overQUIC) talk(conn *quic.Conn) *talk {
	t := &talk{conn: conn, quiet: idleTimeout}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.leaving {
		t.quiet = parting
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(min(q.quietFirst, t.quiet), t.hush)
	q.talks[t] = struct{}{}
	context.AfterFunc(conn.Context(), func() {
		t.timer.Stop()
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.talks, t)
	})
	return t
}

// talking watches the requests of a connection.
func (q *overQUIC) talking(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := r.Context().Value(talkKey{}).(*talk)
		t.count(1)
		defer t.count(-1)
		if r.ContentLength > 0 {
			r.Body = &wholeBody{r.Body, r.ContentLength}
		}
		next.ServeHTTP(w, r)
	})
}

func (t *talk) count(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answering += n; t.answering > 0 {
		t.timer.Stop()
	} else {
		t.timer.Reset(t.quiet)
	}
}

// part makes the connection end soon after its last call.
func (t *talk) part() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.quiet = parting; t.answering == 0 {
		t.timer.Reset(t.quiet)
	}
}

func (t *talk) hush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answering == 0 {
		_ = t.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") // it may have ended already
	}
}

// wholeBody is a body of which nothing may be missing (RFC 9114, section 4.1.2). http3 looks only whether there is too much.
type wholeBody struct {
	io.ReadCloser
	left int64
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); err == io.EOF && b.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
