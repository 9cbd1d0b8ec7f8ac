package gateway

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend"
	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// backends is the backends of one snapshot. It holds its share of the pool's connections until release.
type backends struct {
	cfg      *configv1.Config
	pool     *backend.Pool
	byTarget map[string]rpc.Backend
	releases []func()
}

func newBackends(cfg *configv1.Config, pool *backend.Pool) *backends {
	return &backends{cfg: cfg, pool: pool, byTarget: map[string]rpc.Backend{}}
}

// of returns the backend of a service and its target: the first configured entry whose pattern matches, else what
// the publisher named, else one that answers UNAVAILABLE, whose target is empty.
func (all *backends) of(sd protoreflect.ServiceDescriptor, published string) (rpc.Backend, string, error) {
	if b := configured(all.cfg, sd.FullName()); b != nil {
		return all.take(b)
	}
	if published == "" {
		return backend.Missing(string(sd.FullName())), "", nil
	}
	return all.take(&configv1.Backend{Target: published})
}

// configured returns the configuration's backend for a service, nil if it names none.
func configured(cfg *configv1.Config, service protoreflect.FullName) *configv1.Backend {
	for _, b := range cfg.GetBackends() {
		if b.GetServices() == "" || config.Match(b.GetServices(), string(service)) {
			return b
		}
	}
	return nil
}

func (all *backends) take(spec *configv1.Backend) (rpc.Backend, string, error) {
	key := spec.String()
	if b := all.byTarget[key]; b != nil {
		return b, spec.GetTarget(), nil
	}
	b, release, err := all.pool.Backend(spec)
	if err != nil {
		return nil, "", err
	}
	all.byTarget[key] = b
	all.releases = append(all.releases, release)
	return b, spec.GetTarget(), nil
}

func (all *backends) release() {
	for _, release := range all.releases {
		release()
	}
}
