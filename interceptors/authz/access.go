package authz

import (
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Access is the interceptor for access levels and scopes. The zero value is ready and safe for concurrent use.
//
// Scopes count on AUTHENTICATED and INTERNAL methods; a PUBLIC method takes anyone, as its level says, also where its
// service names scopes for the others. That a credential is there at all is authn's to ask.
type Access struct{}

// Check returns nothing for a PUBLIC method. What refuses names the rule and what would fix it.
func (Access) Check(m *rpc.Method) rpc.Check {
	switch m.Policy.Access {
	case rpc.Public:
		return rpc.Check{}
	case rpc.Authenticated:
		if len(m.Policy.Scopes) == 0 {
			return rpc.Check{}
		}
		return rpc.Check{Admit: func(c *rpc.Call) error { return needScopes(c) }}
	case rpc.Internal:
		return rpc.Check{Admit: func(c *rpc.Call) error {
			if err := needInside(c); err != nil {
				return err
			}
			return needScopes(c)
		}}
	}
	return rpc.Check{Admit: denied} // DENIED, and whatever is not known
}

// denied refuses everybody.
func denied(c *rpc.Call) error {
	return rpc.Errorf(codes.PermissionDenied, "ACCESS_DENIED",
		"nobody may call %s: its access level is DENIED by %s; set another with services in the gateway's configuration or, if the .proto is yours, with option (gatehouse.policy.v1.method)",
		c.Method.Name(), rule(c.Method)).
		Meta("method", c.Method.Name()).Meta("rule", rule(c.Method))
}

// needInside keeps INTERNAL methods off the public listener. Its table does not have them, so this is the second lock.
// The answer is that of a method that does not exist.
func needInside(c *rpc.Call) error {
	if c.Listener != rpc.ListenerPublic {
		return nil
	}
	return rpc.Errorf(codes.Unimplemented, "ROUTE_NOT_FOUND", "no method %s is published here", c.Method.Path)
}

// needScopes asks for all of the method's scopes.
func needScopes(c *rpc.Call) error {
	missing := c.Principal.Missing(c.Method.Policy.Scopes)
	if missing == "" {
		return nil
	}
	return rpc.Errorf(codes.PermissionDenied, "SCOPE_MISSING",
		"%s needs the scope %q, which this credential does not hold; use one that does, or ask its issuer to add the scope",
		c.Method.Name(), missing).
		Meta("method", c.Method.Name()).Meta("rule", rule(c.Method)).Meta("scope", missing)
}

// rule names what decided the access level.
func rule(m *rpc.Method) string {
	if m.Policy.AccessRule == "" {
		return "its policy"
	}
	return m.Policy.AccessRule
}
