package interceptors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-gateway/gatehouse/interceptors/accesslog"
	"github.com/gatehouse-gateway/gatehouse/interceptors/authn"
	"github.com/gatehouse-gateway/gatehouse/interceptors/authz"
	"github.com/gatehouse-gateway/gatehouse/interceptors/deadline"
	"github.com/gatehouse-gateway/gatehouse/interceptors/quota"
	"github.com/gatehouse-gateway/gatehouse/interceptors/telemetry"
	"github.com/gatehouse-gateway/gatehouse/interceptors/validate"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Config is what New needs. The zero value identifies nobody and logs no calls.
type Config struct {
	// Authn says how callers are identified. Nil or without entries: credentials are not looked at.
	Authn *configv1.Authn
	// AccessLog receives one JSON line per call, from Run's goroutine only. Nil: no access log.
	AccessLog io.Writer
	// Dev lets everybody set every field, as the gateway's dev makes every method public.
	Dev bool
	// Log is the operator's log. Nil: slog.Default().
	Log *slog.Logger
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Set is the interceptors of one gateway. It lives as long as the gateway, across snapshots: budgets, verified tokens
// and counters stay when a schema changes. It is safe for concurrent use.
type Set struct {
	telemetry *telemetry.Telemetry
	accesslog *accesslog.Log // nil: off
	authn     *authn.Authn
	quota     *quota.Quota
	dev       bool
}

// New builds the set. It reads key files, but asks no network and starts nothing; that happens in Run.
func New(cfg Config) (*Set, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Set{quota: quota.New(quota.BucketsMax, cfg.Now), dev: cfg.Dev}
	var err error
	if s.authn, err = authn.New(cfg.Authn, cfg.Now, cfg.Log); err != nil {
		return nil, fmt.Errorf("authn: %w", err)
	}
	if s.telemetry, err = telemetry.New(cfg.Now); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	if cfg.AccessLog == nil {
		return s, nil
	}
	s.accesslog = accesslog.New(cfg.AccessLog, cfg.Now)
	err = s.telemetry.Counter("gatehouse_access_log_dropped", "Access log lines that were lost.", s.accesslog.Dropped)
	return s, err
}

// List returns the checks of one snapshot, in the order in which they run, for Bind. What belongs to a snapshot and
// not to the gateway is built here: the validation rules of the methods' messages, with the extensions in which their
// rules may be declared (nil: the built-in ones). An error names the method or the rule that could never work; such a
// snapshot must not go live.
func (s *Set) List(methods []*rpc.Method, extensions protoregistry.ExtensionTypeResolver) ([]rpc.Interceptor, error) {
	for _, m := range methods {
		if err := quota.Vet(m); err != nil {
			return nil, err
		}
	}
	rules, err := validate.New(methods, extensions)
	if err != nil {
		return nil, err
	}
	list := []rpc.Interceptor{
		// Telemetry is outermost: what refuses below is counted too. Done runs from the bottom up, so it comes last.
		s.telemetry,
	}
	if s.accesslog != nil {
		// The access log is next to it, so its line has everything that went wrong in the others' Done.
		list = append(list, s.accesslog)
	}
	return append(list,
		// The deadline comes before anything that may wait.
		deadline.Deadline{},
		// Authn is the first to refuse for a reason of the caller's: 401 before 429 before 403.
		s.authn,
		// Quota sits after authn, so the budget belongs to a principal, and before authz, so that probing for
		// permissions costs budget too.
		s.quota,
		// Access ends the header checks: no body is read for who may not call.
		authz.Access{},
		// From here on messages are read. Validation comes before authorization on fields, so a rule on fields never
		// judges a message that is not well formed.
		rules,
		authz.NewFields(s.dev),
	), nil
}

// Run does the background work: it writes the access log and keeps signing keys fresh. It returns when ctx has ended,
// everything is written and every goroutine is gone. Stop it after the last call is done.
func (s *Set) Run(ctx context.Context) error {
	logged := make(chan error, 1)
	go func() {
		if s.accesslog == nil {
			logged <- nil
			return
		}
		logged <- s.accesslog.Run(ctx)
	}()
	err := s.authn.Run(ctx)
	<-ctx.Done()
	if logErr := <-logged; logErr != nil {
		err = errors.Join(err, fmt.Errorf("access log: %w", logErr))
	}
	return err
}

// Metrics serves the gateway's metrics in Prometheus' form.
func (s *Set) Metrics() http.Handler { return s.telemetry.Handler() }

// Ignored counts fields, parameters or headers that were left out, by kind; for front.Env.
func (s *Set) Ignored(kind string, n int) { s.telemetry.Ignored(kind, n) }

// Unrouted records requests of one listener that ended before they reached a method; for front.Env. The request's
// remote address is its client.
func (s *Set) Unrouted(l rpc.Listener) func(protocol, id string, httpStatus int, r *http.Request) {
	return func(protocol, id string, httpStatus int, r *http.Request) {
		s.telemetry.Unrouted(l, protocol, httpStatus)
		if s.accesslog != nil {
			peer, _ := netip.ParseAddrPort(r.RemoteAddr) // not an address: none is written
			s.accesslog.Unrouted(l, peer.Addr().Unmap(), protocol, id, httpStatus, r)
		}
	}
}
