// Package telemetry counts calls, by OpenTelemetry's metric SDK, times them, and serves the numbers in Prometheus' form.
// Read telemetry.go first; series.go is what the hot path touches.
//
// Labels come from the schema and from the gateway's own words, never from a client: a request for a method that does
// not exist is counted by its HTTP status only, so nobody can make new series by asking for new names.
package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	// methodsMax bounds the method label over the life of a gateway; methods published after that many others are
	// counted together as "other".
	methodsMax = 5000
	// kindsMax bounds the labels of ignored things.
	kindsMax = 32
)

// Telemetry is the interceptor. It lives across snapshots, has a registry of its own and starts no goroutine. It is
// safe for concurrent use.
type Telemetry struct {
	now      func() time.Time
	registry *prometheus.Registry
	meter    metric.Meter
	duration *prometheus.HistogramVec // by the library under OpenTelemetry's exporter, because a record costs half there
	inFlight [3]atomic.Int64

	mu       sync.Mutex
	methods  map[string]*series
	ignored  map[string]*atomic.Uint64
	unrouted map[unrouted]*atomic.Uint64
}

// unrouted labels requests that reached no method.
type unrouted struct {
	protocol   string
	listener   rpc.Listener
	httpStatus int
}

// New returns a Telemetry by the clock now.
func New(now func() time.Time) (*Telemetry, error) {
	registry := prometheus.NewRegistry()
	reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithoutTargetInfo(),
		otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithSuffixes))
	if err != nil {
		return nil, fmt.Errorf("prometheus exporter: %w", err)
	}
	// The labels are bounded here, so the SDK's own limit, which would fold series away silently, is off.
	provider := sdk.NewMeterProvider(sdk.WithReader(reader), sdk.WithCardinalityLimit(0),
		sdk.WithExemplarFilter(exemplar.AlwaysOffFilter))
	t := &Telemetry{
		now: now, registry: registry, meter: provider.Meter("gatehouse"),
		methods: map[string]*series{}, ignored: map[string]*atomic.Uint64{}, unrouted: map[unrouted]*atomic.Uint64{},
	}
	if err := t.instruments(); err != nil {
		return nil, err
	}
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return t, nil
}

// instruments creates what can be scraped. Counters are plain atomics that are read when somebody scrapes.
func (t *Telemetry) instruments() error {
	t.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gatehouse_call_duration_seconds", Help: "Time from the first sight of a call to its end.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"method", "protocol"})
	if err := t.registry.Register(t.duration); err != nil {
		return fmt.Errorf("metric gatehouse_call_duration: %w", err)
	}
	for _, c := range []struct {
		name, help string
		observe    func(metric.Int64Observer)
	}{
		{"gatehouse_calls", "Calls that ended, by method and status code.", t.observeCalls},
		{"gatehouse_ignored", "Fields, parameters, headers and messages that were left out.", t.observeIgnored},
		{"gatehouse_unrouted_requests", "Requests that reached no method, by HTTP status.", t.observeUnrouted},
	} {
		if err := t.counter(c.name, c.help, c.observe); err != nil {
			return err
		}
	}
	_, err := t.meter.Int64ObservableUpDownCounter("gatehouse_calls_in_flight",
		metric.WithDescription("Calls that are running."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for l := range t.inFlight {
				o.Observe(t.inFlight[l].Load(), labels("listener", rpc.Listener(l).String()))
			}
			return nil
		}))
	return err
}

// Check counts and times every call of m.
func (t *Telemetry) Check(m *rpc.Method) rpc.Check {
	s := t.series(m.Name())
	return rpc.Check{
		Admit: func(c *rpc.Call) error {
			t.inFlight[c.Listener].Add(1)
			return nil
		},
		Done: func(c *rpc.Call, st *status.Status) {
			t.inFlight[c.Listener].Add(-1)
			cell := s.cell(c.Protocol, c.Listener, st.Code())
			cell.calls.Add(1)
			cell.duration.Observe(t.now().Sub(c.Started).Seconds())
		},
	}
}

// Ignored counts n fields, parameters, headers or messages that were left out, by their kind.
func (t *Telemetry) Ignored(kind string, n int) {
	t.mu.Lock()
	count, ok := t.ignored[kind]
	if !ok {
		if len(t.ignored) >= kindsMax {
			kind = "other"
		}
		if count = t.ignored[kind]; count == nil {
			count = &atomic.Uint64{}
			t.ignored[kind] = count
		}
	}
	t.mu.Unlock()
	count.Add(uint64(n))
}

// Unrouted counts a request that ended before it reached a method.
func (t *Telemetry) Unrouted(l rpc.Listener, protocol string, httpStatus int) {
	k := unrouted{protocol, l, httpStatus}
	t.mu.Lock()
	count, ok := t.unrouted[k]
	if !ok {
		count = &atomic.Uint64{}
		t.unrouted[k] = count
	}
	t.mu.Unlock()
	count.Add(1)
}

// Counter adds a counter that is kept elsewhere; read is called when somebody scrapes. The name gets "_total".
func (t *Telemetry) Counter(name, help string, read func() uint64) error {
	return t.counter(name, help, func(o metric.Int64Observer) { o.Observe(int64(read())) })
}

// Handler serves the metrics.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

func (t *Telemetry) counter(name, help string, observe func(metric.Int64Observer)) error {
	_, err := t.meter.Int64ObservableCounter(name, metric.WithDescription(help),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			observe(o)
			return nil
		}))
	if err != nil {
		return fmt.Errorf("metric %s: %w", name, err)
	}
	return nil
}

// series returns the series of a method, across snapshots.
func (t *Telemetry) series(method string) *series {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.methods[method]; !ok && len(t.methods) >= methodsMax {
		method = "other"
	}
	s, ok := t.methods[method]
	if !ok {
		s = newSeries(method, t.duration)
		t.methods[method] = s
	}
	return s
}

func (t *Telemetry) observeCalls(o metric.Int64Observer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.methods {
		s.observe(o)
	}
}

func (t *Telemetry) observeIgnored(o metric.Int64Observer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for kind, n := range t.ignored {
		o.Observe(int64(n.Load()), labels("kind", kind))
	}
}

func (t *Telemetry) observeUnrouted(o metric.Int64Observer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, n := range t.unrouted {
		o.Observe(int64(n.Load()),
			labels("protocol", k.protocol, "listener", k.listener.String(), "status", strconv.Itoa(k.httpStatus)))
	}
}

// labels makes an attribute set of keys and values in turn.
func labels(pairs ...string) metric.MeasurementOption {
	attributes := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		attributes = append(attributes, attribute.String(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributeSet(attribute.NewSet(attributes...))
}

// known maps codes outside gRPC's own, which a backend may send, to UNKNOWN.
func known(c codes.Code) codes.Code {
	if c > codes.Unauthenticated {
		return codes.Unknown
	}
	return c
}
