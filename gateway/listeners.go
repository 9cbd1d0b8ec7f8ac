package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// idleTimeout is how long a connection without calls stays open; longer than what common load balancers keep.
const idleTimeout = 10 * time.Minute

// lastWords is how long a drain waits for the handlers of calls that it cut off. Their contexts are over by then, so they
// need almost nothing of it.
const lastWords = 2 * time.Second

// listening is a gateway's open listeners.
type listening struct {
	gateway                 *Gateway
	public, internal, admin net.Listener
	publicHTTP, adminHTTP   *http.Server
	quic                    *overQUIC // of the public listener; nil without HTTP/3
	grpc                    *grpc.Server
	places                  *places
	draining                atomic.Bool
}

// listen opens all listeners, or none.
func (g *Gateway) listen() (_ *listening, err error) {
	l := &listening{gateway: g}
	defer func() {
		if err != nil {
			l.closeListeners()
		}
	}()
	if l.public, err = open("listen", g.cfg.GetListen(), 0); err != nil {
		return nil, err
	}
	limits := g.cfg.GetLimits()
	l.places = newPlaces(int(limits.GetConnectionsPerAddressMax()), g.origin)
	l.public = &fairListener{l.public, l.places}
	public, internal := g.shares()
	l.public = netutil.LimitListener(l.public, public)
	if l.internal, err = open("listen-grpc", g.cfg.GetListenGrpc(), noProbes); err != nil {
		return nil, err
	}
	l.internal = netutil.LimitListener(l.internal, internal)
	if l.admin, err = open("listen-admin", g.cfg.GetListenAdmin(), 0); err != nil {
		return nil, err
	}
	return l, l.servers()
}

// shares is how many connections the public and the internal listener take; further ones wait to be accepted.
func (g *Gateway) shares() (public, internal int) {
	files, most := openFilesMax(), int(g.cfg.GetLimits().GetConnectionsMax())
	if public, internal = shares(files, most); public < most {
		g.log.Warn("the limit for open files allows fewer connections than limits.connections_max", "files", files, "connections", public)
	}
	return public, internal
}

// noProbes takes TCP's own probes of idle connections away where grpc-go's PINGs do their work: it sets TCP_USER_TIMEOUT, too, and with
// both Linux ends a connection as soon as one probe is lost.
const noProbes = -1

// open listens. Idle connections are probed every probes; 0 is net's default.
func open(flag, address string, probes time.Duration) (net.Listener, error) {
	listener, err := (&net.ListenConfig{KeepAlive: probes}).Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", flag, address, errors.Unwrap(err))
	}
	return listener, nil
}

func (l *listening) closeListeners() {
	for _, listener := range []net.Listener{l.public, l.internal, l.admin} {
		if listener != nil {
			_ = listener.Close() // nothing was accepted from it
		}
	}
	if l.quic != nil {
		l.quic.end()
	}
}

// servers makes the three servers, with TLS where it is configured.
func (l *listening) servers() error {
	cfg := l.gateway.cfg
	public, err := newTLS("tls", cfg.GetTls(), l.gateway.log)
	if err != nil {
		return err
	}
	internal, err := newTLS("tls_grpc", cfg.GetTlsGrpc(), l.gateway.log)
	if err != nil {
		return err
	}
	admin, err := newTLS("tls_admin", cfg.GetTlsAdmin(), l.gateway.log)
	if err != nil {
		return err
	}
	l.publicHTTP = l.http(l.gateway.handler(rpc.ListenerPublic), public)
	if cfg.GetHttp3() {
		if l.quic, err = l.newOverQUIC(public); err != nil {
			return err
		}
		l.publicHTTP.Handler = l.advertised(l.publicHTTP.Handler)
	}
	l.adminHTTP = l.http(l.adminHandler(), admin)
	options := l.gateway.native()
	if internal != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(internal)))
	}
	l.grpc = grpc.NewServer(options...)
	return nil
}

// http returns a server for HTTP/1.1 and HTTP/2, over TLS or with prior knowledge; never by upgrade.
func (l *listening) http(handler http.Handler, config *tls.Config) *http.Server {
	limits := l.gateway.cfg.GetLimits()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(config == nil)
	stall := limits.GetStallTimeout().AsDuration()
	return &http.Server{
		Handler:           l.counted(notStalled(stall, notHeldUp(handler))),
		TLSConfig:         config,
		Protocols:         protocols,
		ReadHeaderTimeout: limits.GetHeaderTimeout().AsDuration(),
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    int(limits.GetHeaderBytesMax()),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: int(limits.GetStreamsMax()),
			// A client that is gone without a word, or that does not get on with a frame, leaves a ping unanswered.
			SendPingTimeout:  2 * stall,
			PingTimeout:      stall,
			WriteByteTimeout: stall,
		},
		ErrorLog: slog.NewLogLogger(l.gateway.log.Handler(), slog.LevelDebug),
	}
}

// counted keeps answering up to date.
func (l *listening) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.gateway.answering.Add(1)
		defer l.gateway.answering.Add(-1)
		h.ServeHTTP(w, r)
	})
}

// serve answers until ctx ends, and drains then. If one listener fails, the others drain too.
func (l *listening) serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(l.publicHTTP, l.public) })
	group.Go(func() error { return serveHTTP(l.adminHTTP, l.admin) })
	if l.quic != nil {
		group.Go(l.quic.serve)
	}
	group.Go(func() error {
		// A signal may come before Serve was reached.
		if err := l.grpc.Serve(l.internal); !errors.Is(err, grpc.ErrServerStopped) {
			return err
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		l.drain(context.WithoutCancel(ctx))
		return nil
	})
	return group.Wait()
}

func serveHTTP(s *http.Server, listener net.Listener) error {
	serve := s.Serve
	if s.TLSConfig != nil {
		serve = func(listener net.Listener) error { return s.ServeTLS(listener, "", "") }
	}
	if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// drain lets the calls in flight end, for as long as limits.drain says; then it cuts them off. The admin listener
// goes last, so that readiness can be asked to the end.
func (l *listening) drain(ctx context.Context) {
	l.draining.Store(true)
	for _, o := range l.gateway.own {
		o.server.Drain()
	}
	ctx, cancel := context.WithTimeout(ctx, l.gateway.cfg.GetLimits().GetDrain().AsDuration())
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { shut(ctx, l.publicHTTP); return nil })
	if l.quic != nil {
		group.Go(func() error { l.quic.shut(ctx); return nil })
	}
	group.Go(func() error {
		defer context.AfterFunc(ctx, l.grpc.Stop)()
		l.grpc.GracefulStop()
		return nil
	})
	_ = group.Wait()            // none returns an error
	l.awaitHandlers(ctx.Done()) // of upgraded connections, which Shutdown does not wait for
	l.gateway.end()
	shut(ctx, l.adminHTTP)
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer stop()
	l.awaitHandlers(last.Done())
}

func shut(ctx context.Context, s *http.Server) {
	if s.Shutdown(ctx) != nil {
		_ = s.Close() // time is up: the calls that are left are cut off
	}
}

// awaitHandlers waits for handlers until end, also for those that were cut off, which http.Server.Close does not, so that
// their calls still get into the access log.
func (l *listening) awaitHandlers(end <-chan struct{}) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for l.gateway.answering.Load() > 0 {
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

// adminHandler serves what the admin listener has besides its methods.
func (l *listening) adminHandler() http.Handler {
	methods, metrics := l.gateway.handler(rpc.ListenerAdmin), l.gateway.set.Metrics()
	return newGuard(l.gateway.cfg.GetAdmin(), l.gateway.refuse(rpc.ListenerAdmin), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			fmt.Fprintln(w, "ok")
		case "/readyz":
			l.readiness(w)
		case "/metrics":
			metrics.ServeHTTP(w, r)
		default:
			methods.ServeHTTP(w, r)
		}
	}))
}

func (l *listening) readiness(w http.ResponseWriter) {
	if l.draining.Load() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}
