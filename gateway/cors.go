package gateway

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
)

// crossOrigin is which web pages may call which methods, by the configuration.
type crossOrigin struct {
	standard *cors.Policy
	services []*configv1.Service // those that say something about it
	policies []*cors.Policy      // of each of them
	some     bool                // somebody may call something
}

func newCrossOrigin(cfg *configv1.Config) (o crossOrigin, err error) {
	if o.standard, err = cors.New(config.CORSOptions(cfg.GetCors())); err != nil {
		return o, fmt.Errorf("cors: %w", err)
	}
	o.some = o.standard != nil
	for i, entry := range cfg.GetServices() {
		if entry.GetCors() == nil {
			continue
		}
		p, err := cors.New(config.CORSOptions(entry.GetCors()))
		if err != nil {
			return o, fmt.Errorf("services[%d].cors: %w", i, err)
		}
		o.services, o.policies = append(o.services, entry), append(o.policies, p)
		o.some = o.some || p != nil
	}
	return o, nil
}

// of returns the policy of a method: that of the last services entry that has one, else the gateway's.
func (o crossOrigin) of(md protoreflect.MethodDescriptor) *cors.Policy {
	p := o.standard
	for i, entry := range o.services {
		if matches(entry.GetMatch(), md) {
			p = o.policies[i]
		}
	}
	return p
}
