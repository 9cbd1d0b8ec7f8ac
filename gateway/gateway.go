// Package gateway joins everything behind one address: configuration, listeners, snapshots, backends. Read this file
// first, then snapshot.go for what a schema becomes, and drive.go for what happens to a call.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend"
	"github.com/gatehouse-gateway/gatehouse/gateway/services"
	"github.com/gatehouse-gateway/gatehouse/interceptors"
	adminv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/admin/v1"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry"
	"github.com/gatehouse-gateway/gatehouse/registry/check"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	registryapi "github.com/gatehouse-gateway/gatehouse/registry/service"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// Gateway is one running gateway. New makes it, Run serves until its context ends.
type Gateway struct {
	cfg    *configv1.Config
	log    *slog.Logger
	set    *interceptors.Set
	pool   *backend.Pool
	own    [len(listeners)]own
	origin origin
	cors   crossOrigin
	// ending is over when upgraded connections have to end; net/http does not end them. It is a context because a call can
	// listen to one without a goroutine of its own.
	ending context.Context
	end    context.CancelFunc
	// publishing is nil when the schema is fixed.
	publishing *publishing
	current    atomic.Pointer[Snapshot]
	// answering counts the requests and the upgraded connections of the two HTTP servers.
	answering atomic.Int64
}

// own is the services that Gatehouse itself has on one listener, and how calls reach them.
type own struct {
	server  *services.Server
	backend rpc.Backend
	release func()
}

// New makes a gateway from a complete configuration (package config loads it). It reads the schema, which may mean to
// ask backends or a store, and compiles it; it opens no listener. Operators' messages go to log, the access log to
// accessLog.
func New(ctx context.Context, cfg *configv1.Config, log *slog.Logger, accessLog io.Writer) (*Gateway, error) {
	g := &Gateway{cfg: cfg, log: log}
	g.ending, g.end = context.WithCancel(context.WithoutCancel(ctx))
	if cfg.GetAccessLog() == configv1.AccessLog_OFF {
		accessLog = nil
	}
	var err error
	if g.set, err = interceptors.New(interceptors.Config{Authn: cfg.GetAuthn(), AccessLog: accessLog, Dev: cfg.GetDev(), Log: log}); err != nil {
		return nil, err
	}
	if g.origin, err = newOrigin(cfg.GetTrustedProxies()); err != nil {
		return nil, err
	}
	if g.cors, err = newCrossOrigin(cfg); err != nil {
		return nil, err
	}
	g.pool = backend.New(backend.Config{
		ReplyBytesMax:   int(cfg.GetLimits().GetReplyBytesMax()),
		RequestMetadata: cfg.GetMetadata().GetRequest(),
		ReplyMetadata:   cfg.GetMetadata().GetReply(),
	})
	for _, l := range listeners {
		if g.own[l], err = g.newOwn(l); err != nil {
			return nil, err
		}
	}
	if err := g.start(ctx); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

func (g *Gateway) newOwn(l rpc.Listener) (o own, err error) {
	if o.server, err = services.New(g.log, g.registerOn(l)); err == nil {
		o.backend, o.release, err = g.pool.Local(l.String(), o.server.Dial)
	}
	return o, err
}

// registerOn adds to a listener's own services what only it has.
func (g *Gateway) registerOn(l rpc.Listener) func(grpc.ServiceRegistrar) {
	return func(r grpc.ServiceRegistrar) {
		if l != rpc.ListenerAdmin {
			return
		}
		adminv1.RegisterAdminServer(r, &adminServer{gateway: g})
		if g.cfg.GetData() != "" {
			registryv1.RegisterRegistryServer(r, registryapi.New(func() *registry.Registry { return g.publishing.registry }))
		}
	}
}

// errNoSchema says that a gateway was told neither what to serve nor where to keep it.
var errNoSchema = errors.New("there is nothing to serve: say --data DIR to publish to, or --descriptors FILE, --proto DIR or --reflect")

// start brings up the first snapshot.
func (g *Gateway) start(ctx context.Context) (err error) {
	switch {
	case g.cfg.GetData() != "":
		g.publishing, err = newPublishing(ctx, g)
	case g.cfg.GetSource() != nil:
		err = g.serveSource(ctx)
	default:
		err = errNoSchema
	}
	return err
}

// serveSource compiles a fixed schema.
func (g *Gateway) serveSource(ctx context.Context) error {
	files, sources, err := g.readSource(ctx, g.cfg.GetSource())
	if err != nil {
		return err
	}
	s, err := g.compileFixed(ctx, files)
	if failed := new(compile.Error); errors.As(err, &failed) {
		sources.Quote(failed.Diagnostics)
	}
	if err != nil {
		return err
	}
	for _, w := range s.Warnings {
		g.log.Warn(w.String())
	}
	for _, service := range slices.Sorted(maps.Keys(s.targets)) {
		if s.targets[service] == "" {
			g.log.Warn("no backend: its calls answer UNAVAILABLE; say --backend, or backends in the configuration", "service", service)
		}
	}
	g.swap(s)
	return nil
}

// compileFixed judges a fixed schema as a registry would, and compiles it. What the configuration says about names
// that the schema does not have is an error here, because nobody will publish them later.
func (g *Gateway) compileFixed(ctx context.Context, files *compile.Files) (*Snapshot, error) {
	found, err := check.Check(ctx, files)
	if err != nil {
		return nil, err
	}
	faults := slices.DeleteFunc(found, func(d compile.Diagnostic) bool { return d.Severity != compile.Fault })
	if len(faults) > 0 {
		return nil, &compile.Error{Diagnostics: faults}
	}
	if idle := idleServices(g.cfg, files); len(idle) > 0 {
		return nil, fmt.Errorf("%s: nothing in the schema has this name, so the entry would decide nothing", idle[0])
	}
	return g.compile(Schema{Files: files})
}

// compile makes the snapshot of a schema, without putting it to use. Whoever gets it swaps or releases it.
func (g *Gateway) compile(schema Schema) (*Snapshot, error) {
	c := &compiler{cfg: g.cfg, cors: g.cors, set: g.set, own: g.own, schema: schema, backends: newBackends(g.cfg, g.pool)}
	return c.compile()
}

// swap puts a snapshot to use. Calls that run stay on the one they began with, which lives until the last ends.
func (g *Gateway) swap(s *Snapshot) {
	old := g.current.Swap(s)
	for _, l := range listeners {
		g.own[l].server.Show(s.views[l])
	}
	if old != nil {
		old.release()
	}
}

// acquire returns what a listener serves now, and keeps it alive until release is called.
func (g *Gateway) acquire(l rpc.Listener) (t *front.Table, release func()) {
	for {
		s := g.current.Load()
		if s.acquire() {
			return s.tables[l], s.letGo
		}
		// A snapshot that went between Load and acquire has a successor already, unless the gateway was closed: then
		// calls find their backends gone.
		if s == g.current.Load() {
			return s.tables[l], func() {}
		}
	}
}

// close gives back what New took.
func (g *Gateway) close() (err error) {
	if g.publishing != nil {
		err = g.publishing.close()
	}
	if s := g.current.Load(); s != nil {
		s.release()
	}
	for _, o := range g.own {
		o.release()
	}
	// What every call holds until it ends is its snapshot, and with it the backends.
	if n := g.pool.Open(); n > 0 {
		g.log.Warn("calls have not ended", "backends", n)
	}
	return err
}

// Run opens the listeners and serves until ctx ends, then drains: readiness goes off, clients are told to go, calls in
// flight get limits.drain to finish. It returns nil after a drain, and an error if a listener cannot be opened or fails.
// A Gateway runs once.
func (g *Gateway) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, g.close()) }()
	l, err := g.listen()
	if err != nil {
		return err
	}
	g.describe(l)
	// What serves the calls outlasts ctx: it ends when the last call has.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { return g.set.Run(background) })
	for _, o := range g.own {
		group.Go(func() error { return o.server.Run(background) })
	}
	if g.publishing != nil {
		group.Go(func() error { return g.publishing.registry.Run(background) })
	}
	err = l.serve(ctx)
	stop()
	return errors.Join(err, group.Wait())
}

// describe says where a gateway listens, and warns of what only belongs on a developer's machine.
func (g *Gateway) describe(l *listening) {
	if g.cfg.GetDev() {
		g.log.Warn("--dev: every method is public; for a machine of your own only")
	}
	g.log.Info("listening", "public", l.public.Addr(), "grpc", l.internal.Addr(), "admin", l.admin.Addr(),
		"methods", fmt.Sprint(len(g.current.Load().tables[rpc.ListenerInternal].Methods)))
}
