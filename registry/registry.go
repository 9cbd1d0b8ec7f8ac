// Package registry is a schema's life: sources are published, compiled together with everything else that is
// published, checked, stored as the next Revision, and handed to whoever serves it. Read [New] first, then publish.go.
package registry

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
)

// Registry keeps what is published, and what serves in step with it. It is safe for concurrent use.
type Registry struct {
	options   Options
	checks    []Check
	validator protovalidate.Validator
	turn      chan struct{} // holds a token while a change runs; a channel, so that waiting for it ends with a context
	serving   atomic.Pointer[registryv1.Revision]
}

// Options are what a Registry works with.
type Options struct {
	// Store keeps the Revision. The Registry uses it and does not close it.
	Store store.Store
	// Allowed reports why calls may not go to a target that a publisher names, nil if they may. Without it every
	// target is refused.
	Allowed func(target string) error
	// Routed reports whether the configuration says where the calls of a service go, so that its module needs no
	// backend. Without it, it never does.
	Routed func(service protoreflect.FullName) bool
	// Now is the time that a publish is stamped with. Default: time.Now.
	Now func() time.Time
	// Log gets what Run cannot tell anybody else. Default: slog.Default().
	Log *slog.Logger
}

// New returns a Registry that serves what its store has: the stored Revision was linked, has passed the checks and is
// live when New returns. A Revision that does not load is an error that names the module, and stays as it is.
//
// The checks judge every Revision before it is stored or served, in this order, after the registry's own. Hand in as
// the last one what compiles a Revision to serve it, so that "can be published" and "can be loaded" are one thing.
func New(ctx context.Context, options Options, checks ...Check) (*Registry, error) {
	validator, err := protovalidate.New()
	if err != nil {
		return nil, err
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Allowed == nil {
		options.Allowed = func(string) error { return errors.New("no backend may be named by a publisher") }
	}
	if options.Routed == nil {
		options.Routed = func(protoreflect.FullName) bool { return false }
	}
	r := &Registry{options: options, checks: checks, validator: validator, turn: make(chan struct{}, 1)}
	revision, err := options.Store.Load(ctx)
	if err != nil {
		return nil, err
	}
	return r, r.adopt(ctx, revision)
}

// Run brings live what others put into the store, until ctx ends; it returns nil then. A Revision that does not load
// here is logged, and the one before goes on serving.
func (r *Registry) Run(ctx context.Context) error {
	seen := r.Current().GetNumber()
	for {
		err := r.options.Store.Watch(ctx, seen)
		if err == nil {
			seen, err = r.catchUp(ctx)
		}
		switch {
		case ctx.Err() != nil || errors.Is(err, store.ErrClosed):
			return nil
		case err != nil:
			r.options.Log.ErrorContext(ctx, "the registry's store does not serve; what is live stays live",
				"error", err, "revision", r.Current().GetNumber())
			if !pause(ctx, retryAfter) {
				return nil
			}
		}
	}
}

// retryAfter is how long Run waits when the store fails: soon enough to be up to date when it comes back.
const retryAfter = time.Second

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// catchUp makes the stored Revision live and returns its number. That a Revision does not load is no error here: it
// will not load when tried again, either.
func (r *Registry) catchUp(ctx context.Context) (int64, error) {
	leave, err := r.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	revision, err := r.options.Store.Load(ctx)
	if err != nil {
		return r.Current().GetNumber(), err
	}
	if revision.GetNumber() == r.Current().GetNumber() {
		return revision.GetNumber(), nil // a change of our own
	}
	if err := r.adopt(ctx, revision); err != nil {
		r.options.Log.ErrorContext(ctx, "a revision that another gateway stored does not load here; the one before goes on serving",
			"error", err, "stored", revision.GetNumber(), "revision", r.Current().GetNumber())
	}
	return revision.GetNumber(), ctx.Err()
}

// Current returns the Revision that serves. It must not be changed.
func (r *Registry) Current() *registryv1.Revision { return r.serving.Load() }

// adopt makes a stored Revision live.
func (r *Registry) adopt(ctx context.Context, revision *registryv1.Revision) error {
	files, err := compile.LinkBytes(revision.GetDescriptors())
	if err != nil {
		return notLoaded(revision, err)
	}
	verdict, err := r.judge(ctx, newCandidate(revision, files))
	if err != nil {
		return notLoaded(revision, err)
	}
	r.goLive(revision, verdict)
	return nil
}

// goLive returns when revision serves.
func (r *Registry) goLive(revision *registryv1.Revision, verdict Verdict) {
	verdict.Live()
	r.serving.Store(revision)
}

// enter waits until no other change runs. The caller leaves when it is done.
func (r *Registry) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case r.turn <- struct{}{}:
		return func() { <-r.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
