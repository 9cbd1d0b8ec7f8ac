package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// series is one method's numbers. A cell is made when the first call with its labels ends and found without a lock or
// an allocation afterwards.
type series struct {
	method   string
	duration *prometheus.HistogramVec
	mu       sync.Mutex
	cells    atomic.Pointer[map[labelSet]*cell]
}

// labelSet is what tells the cells of a method apart.
type labelSet struct {
	protocol string
	listener rpc.Listener
	code     codes.Code
}

// cell is one line of gatehouse_calls_total, and its histogram, which leaves the code out.
type cell struct {
	calls    atomic.Uint64
	observed metric.MeasurementOption
	duration prometheus.Observer
}

func newSeries(method string, duration *prometheus.HistogramVec) *series {
	s := &series{method: method, duration: duration}
	s.cells.Store(&map[labelSet]*cell{})
	return s
}

// cell returns the cell with the given labels.
func (s *series) cell(protocol string, l rpc.Listener, c codes.Code) *cell {
	k := labelSet{protocol, l, known(c)}
	if found, ok := (*s.cells.Load())[k]; ok {
		return found
	}
	return s.add(k)
}

// add makes a cell, unless another goroutine just did.
func (s *series) add(k labelSet) *cell {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.cells.Load()
	if found, ok := old[k]; ok {
		return found
	}
	made := &cell{
		observed: labels("method", s.method, "code", code.Code(k.code).String(), "protocol", k.protocol,
			"listener", k.listener.String()),
		duration: s.duration.WithLabelValues(s.method, k.protocol),
	}
	grown := maps.Clone(old)
	grown[k] = made
	s.cells.Store(&grown)
	return made
}

func (s *series) observe(o metric.Int64Observer) {
	for _, c := range *s.cells.Load() {
		o.Observe(int64(c.calls.Load()), c.observed)
	}
}
