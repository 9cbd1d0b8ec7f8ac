package gateway

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/grpc/codes"

	adminv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/admin/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// adminServer is gatehouse.admin.v1.Admin: it shows what this gateway does.
type adminServer struct {
	adminv1.UnimplementedAdminServer
	gateway *Gateway
}

// ListRoutes returns the live table of one listener. The internal one has no REST faces; there a method's own path
// stands for it.
func (a *adminServer) ListRoutes(_ context.Context, r *adminv1.ListRoutesRequest) (*adminv1.ListRoutesResponse, error) {
	i := slices.IndexFunc(listeners[:], func(l rpc.Listener) bool { return l.String() == cmp.Or(r.GetListener(), "public") })
	if i < 0 {
		return nil, rpc.Errorf(codes.InvalidArgument, "UNKNOWN_LISTENER", "there is no listener %q; say public, internal or admin", r.GetListener())
	}
	s := a.gateway.current.Load()
	reply := &adminv1.ListRoutesResponse{Revision: s.Revision}
	if listeners[i] == rpc.ListenerInternal {
		for _, e := range sortedMethods(s.tables[i]) {
			reply.Routes = append(reply.Routes, s.describe("GRPC", e.Method.Path, "*", e.Method))
		}
		return reply, nil
	}
	for _, rule := range s.tables[i].Routes.Rules() {
		reply.Routes = append(reply.Routes, s.describe(rule.Method, rule.Template.String(), rule.Value.Body, rule.Value.Method))
	}
	slices.SortFunc(reply.Routes, func(a, b *adminv1.Route) int {
		return cmp.Or(cmp.Compare(a.GetPath(), b.GetPath()), cmp.Compare(a.GetVerb(), b.GetVerb()))
	})
	return reply, nil
}

func (s *Snapshot) describe(verb, path, body string, m *rpc.Method) *adminv1.Route {
	return &adminv1.Route{
		Verb:      verb,
		Path:      path,
		Method:    m.Name(),
		Access:    policyv1.Access(m.Policy.Access),
		Body:      body,
		Streaming: streaming(m),
		Backend:   s.targets[m.Descriptor.Parent().FullName()],
		Scopes:    m.Policy.Scopes,
	}
}

func streaming(m *rpc.Method) string {
	switch {
	case m.ClientStreams && m.ServerStreams:
		return "bidi"
	case m.ClientStreams:
		return "client"
	case m.ServerStreams:
		return "server"
	default:
		return "unary"
	}
}
