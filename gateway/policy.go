package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// defaultAccess is the rule's name where nobody says who may call a method.
const defaultAccess = "default_access of the configuration"

// policyOf merges what holds for a method: the gateway's defaults, the service's options, the method's options, and
// the operator's services entries, each winning over the one before. Among the operator's entries the last that
// matches and names a setting wins. With dev every method is PUBLIC and asks for no scope.
func policyOf(cfg *configv1.Config, md protoreflect.MethodDescriptor) rpc.Policy {
	p := policy{Access: rpc.Access(cfg.GetDefaultAccess()), AccessRule: defaultAccess}
	return p.merge(cfg, md)
}

// ownPolicy is what holds for our own services on a listener. On the admin listener its guard has decided. Reflection
// and health are open to internal callers; on the public listener they are denied until a services entry names them,
// whatever default_access says, because a schema is not for everybody.
func ownPolicy(cfg *configv1.Config, l rpc.Listener, md protoreflect.MethodDescriptor) rpc.Policy {
	if l == rpc.ListenerPublic {
		p := policy{Access: rpc.Denied, AccessRule: "the default for Gatehouse's own services"}
		return p.merge(cfg, md)
	}
	return rpc.Policy{Access: rpc.Public, AccessRule: l.String() + " listener", Cost: 1}
}

// merge adds to the default access what options and configuration say. Streams have no time limit of their own: a
// watch lasts as long as its client.
func (p *policy) merge(cfg *configv1.Config, md protoreflect.MethodDescriptor) rpc.Policy {
	if !md.IsStreamingClient() && !md.IsStreamingServer() {
		p.Timeout = cfg.GetLimits().GetTimeout().AsDuration()
	}
	service := serviceOptions(md.Parent().(protoreflect.ServiceDescriptor))
	p.apply(service.GetAccess(), service.GetTimeout(), "option of "+string(md.Parent().FullName()))
	p.Scopes = append(p.Scopes, service.GetScopes()...)
	p.quota(service.GetQuota(), string(md.Parent().FullName()))

	method := methodOptions(md)
	p.apply(method.GetAccess(), method.GetTimeout(), "option of "+string(md.FullName()))
	p.Scopes = append(p.Scopes, method.GetScopes()...)
	p.quota(method.GetQuota(), string(md.FullName()))
	p.Cost = max(1, int(method.GetCost()))

	for i, entry := range cfg.GetServices() {
		if !matches(entry.GetMatch(), md) {
			continue
		}
		p.apply(entry.GetAccess(), entry.GetTimeout(), fmt.Sprintf("services[%d] of the configuration", i))
		if len(entry.GetScopes()) > 0 {
			p.Scopes = entry.GetScopes()
		}
		p.quota(entry.GetQuota(), "configuration: "+entry.GetMatch())
		p.mask(entry.GetMaskBackendErrors())
	}
	if cfg.GetDev() {
		p.Access, p.AccessRule, p.Scopes = rpc.Public, "--dev", nil
	}
	return rpc.Policy(*p)
}

// jsonOf returns how a service's messages look as JSON: the last services entry that names it, else the service's
// own options.
func jsonOf(cfg *configv1.Config, md protoreflect.MethodDescriptor) *policyv1.JsonOptions {
	json := serviceOptions(md.Parent().(protoreflect.ServiceDescriptor)).GetJson()
	for _, entry := range cfg.GetServices() {
		if entry.GetJson() != nil && matches(entry.GetMatch(), md) {
			json = entry.GetJson()
		}
	}
	return json
}

// errorsOf returns how a method's errors look by REST: the last services entry that says it, else the method's options, the
// service's, and the gateway's own setting.
func errorsOf(cfg *configv1.Config, md protoreflect.MethodDescriptor) front.Shape {
	shape := cmp.Or(methodOptions(md).GetErrors(),
		serviceOptions(md.Parent().(protoreflect.ServiceDescriptor)).GetErrors(), cfg.GetErrors())
	for _, entry := range cfg.GetServices() {
		if matches(entry.GetMatch(), md) {
			shape = cmp.Or(entry.GetErrors(), shape)
		}
	}
	return shapeOf(shape, likeGRPCGateway(cfg, md))
}

// likeGRPCGateway reports whether a method's REST has the habits of grpc-gateway: by the last services entry that says it, else the
// service's options, and the gateway's own setting. No other gateway ever served our own services.
func likeGRPCGateway(cfg *configv1.Config, md protoreflect.MethodDescriptor) bool {
	if strings.HasPrefix(string(md.FullName()), "gatehouse.") {
		return false
	}
	compat := cmp.Or(serviceOptions(md.Parent().(protoreflect.ServiceDescriptor)).GetCompat(), cfg.GetCompat())
	for _, entry := range cfg.GetServices() {
		if matches(entry.GetMatch(), md) {
			compat = cmp.Or(entry.GetCompat(), compat)
		}
	}
	return compat == policyv1.Compat_GRPC_GATEWAY
}

// shapeOf takes a number that no shape has, of a newer policy.proto, for the default, which is that of grpc-gateway where its
// habits are wanted.
func shapeOf(shape policyv1.ErrorShape, likeGRPCGateway bool) front.Shape {
	if shape == policyv1.ErrorShape_ERROR_SHAPE_UNSPECIFIED && likeGRPCGateway {
		return front.GRPCGateway
	}
	if shape == policyv1.ErrorShape_ERROR_SHAPE_UNSPECIFIED || policyv1.ErrorShape_name[int32(shape)] == "" {
		return front.AIP193
	}
	return front.Shape(shape - 1)
}

// successOf returns the HTTP status of a method's success; 0 if nothing is said about it.
func successOf(md protoreflect.MethodDescriptor) (int, error) {
	switch code := methodOptions(md).GetSuccessCode(); {
	case code == http.StatusNoContent && md.IsStreamingServer():
		return 0, errors.New("success_code 204 has no body, and the method streams replies; leave it out, or use 200, 201 or 202")
	case code == 0, code == http.StatusOK, code == http.StatusCreated, code == http.StatusAccepted, code == http.StatusNoContent:
		return int(code), nil
	default:
		return 0, fmt.Errorf("success_code %d is none of 200, 201, 202 and 204", code)
	}
}

// idleServices names the entries of the configuration that match no method of the schema nor of our own services: most
// likely they are misspelled, and what they should forbid is not forbidden.
func idleServices(cfg *configv1.Config, files *compile.Files) (idle []string) {
	for i, entry := range cfg.GetServices() {
		used := config.Match(entry.GetMatch(), "grpc.reflection.v1.ServerReflection") ||
			config.Match(entry.GetMatch(), "grpc.reflection.v1alpha.ServerReflection") ||
			config.Match(entry.GetMatch(), "grpc.health.v1.Health")
		for _, sd := range files.Services() {
			for md := range methodsOf(sd) {
				used = used || matches(entry.GetMatch(), md)
			}
		}
		if !used {
			idle = append(idle, fmt.Sprintf("services[%d].match %s", i, entry.GetMatch()))
		}
	}
	return idle
}

func matches(pattern string, md protoreflect.MethodDescriptor) bool {
	return config.Match(pattern, string(md.FullName())) || config.Match(pattern, string(md.Parent().FullName()))
}

func serviceOptions(sd protoreflect.ServiceDescriptor) *policyv1.ServicePolicy {
	p, _ := proto.GetExtension(sd.Options(), policyv1.E_Service).(*policyv1.ServicePolicy)
	return p
}

func methodOptions(md protoreflect.MethodDescriptor) *policyv1.MethodPolicy {
	p, _ := proto.GetExtension(md.Options(), policyv1.E_Method).(*policyv1.MethodPolicy)
	return p
}

// policy is rpc.Policy while it is put together.
type policy rpc.Policy

// apply takes over what is said: a timeout of 0, too, which means none.
func (p *policy) apply(access policyv1.Access, timeout *durationpb.Duration, rule string) {
	if access != policyv1.Access_ACCESS_UNSPECIFIED {
		p.Access, p.AccessRule = rpc.Access(access), rule
	}
	if d := timeout.AsDuration(); timeout != nil && d >= 0 {
		p.Timeout = d
	}
}

func (p *policy) mask(m *configv1.MaskBackendErrors) {
	switch {
	case m == nil:
	case m.GetEnabled():
		p.Mask = &rpc.Mask{Details: m.GetDetails()}
	default: // takes an earlier entry's away
		p.Mask = nil
	}
}

func (p *policy) quota(q *policyv1.Quota, name string) {
	if q == nil {
		return
	}
	if q.GetLimit() == 0 { // a quota without a limit takes the inherited one away
		p.Quota = nil
		return
	}
	period := q.GetPeriod().AsDuration()
	if period <= 0 {
		period = time.Minute
	}
	burst := q.GetBurst()
	if burst == 0 {
		burst = q.GetLimit()
	}
	p.Quota = &rpc.Quota{Name: name, Limit: int(q.GetLimit()), Period: period, Burst: int(burst), Per: rpc.Per(q.GetPer())}
}
