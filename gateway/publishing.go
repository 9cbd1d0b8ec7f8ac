package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend"
	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	"github.com/gatehouse-gateway/gatehouse/registry"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
)

// publishing is a gateway's registry and what serves in step with it.
type publishing struct {
	gateway  *Gateway
	store    store.Store
	registry *registry.Registry
	// candidate is a snapshot that passed and did not go live yet. One that never will (a dry run) waits here for the
	// next, and is released then. The registry does not let checks and Live overlap.
	candidate *Snapshot
}

// newPublishing opens the store and brings live what it has.
func newPublishing(ctx context.Context, g *Gateway) (*publishing, error) {
	s, err := registry.OpenStore(g.cfg.GetData())
	if err != nil {
		return nil, err
	}
	p := &publishing{gateway: g, store: s}
	options := registry.Options{
		Store:   s,
		Allowed: g.allowed,
		Routed:  func(service protoreflect.FullName) bool { return configured(g.cfg, service) != nil },
		Log:     g.log,
	}
	if p.registry, err = registry.New(ctx, options, p.judge); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return p, nil
}

// allowed reports why calls may not go to a target that a publisher names: the operator does not allow it, or it is one
// of the gateway's own listeners, where they would come in again and again.
func (g *Gateway) allowed(target string) error {
	if err := config.TargetAllowed(g.cfg.GetAllowedBackends(), target); err != nil {
		return err
	}
	named, err := backend.ParseTarget(target)
	if err != nil {
		return err
	}
	for _, own := range []string{g.cfg.GetListen(), g.cfg.GetListenGrpc(), g.cfg.GetListenAdmin()} {
		host, port, err := net.SplitHostPort(own)
		if err == nil && port == strconv.Itoa(int(named.Port)) && (host == named.Host || named.Loopback()) {
			return fmt.Errorf("%s is a listener of this gateway", own)
		}
	}
	return nil
}

// judge is the registry's last check: it compiles the candidate's snapshot, the very one that goes live if the
// candidate is stored.
func (p *publishing) judge(_ context.Context, c *registry.Candidate) (registry.Verdict, error) {
	p.drop()
	schema := Schema{Files: c.Files, Revision: c.Revision.GetNumber(), Backends: map[protoreflect.FullName]string{}}
	for _, sd := range c.Files.Services() {
		schema.Backends[sd.FullName()] = c.Owner(sd.ParentFile().Path()).GetBackend()
	}
	s, err := p.gateway.compile(schema)
	if err != nil {
		return registry.Verdict{}, err
	}
	p.candidate = s
	return registry.Verdict{Warnings: s.Warnings, Live: func() {
		p.candidate = nil
		p.gateway.swap(s)
		for _, idle := range idleServices(p.gateway.cfg, c.Files) {
			p.gateway.log.Warn("nothing that is published has this name; the entry decides nothing", "entry", idle, "revision", s.Revision)
		}
	}}, nil
}

// drop lets go of a candidate that did not go live.
func (p *publishing) drop() {
	if p.candidate != nil {
		p.candidate.release()
		p.candidate = nil
	}
}

func (p *publishing) close() error {
	p.drop()
	return p.store.Close()
}
