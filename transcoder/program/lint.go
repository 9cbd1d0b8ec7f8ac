package program

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// lint finds what AIP-127 and AIP-131 to 136 advise against in one binding.
func (r *Request) lint(rule RequestRule) []string {
	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	switch rule.HTTPMethod {
	case "GET", "DELETE":
		if rule.Body != "" {
			warn("%s takes a body; many clients and proxies drop it (AIP-127)", rule.HTTPMethod)
		}
	case "PUT":
		warn("PUT replaces a resource and loses fields that the client does not know; use PATCH (AIP-134)")
	case "POST", "PATCH":
	default:
		warn("custom HTTP method %q; clients may be unable to send it (AIP-127)", rule.HTTPMethod)
	}
	if f := r.body.field; f != nil {
		if len(f.fields) > 1 {
			warn("body %q is nested; google.api.http wants a field of the request itself", rule.Body)
		}
		if f.leaf().Cardinality() == protoreflect.Repeated {
			warn("body %q is %s; no field can be added to such a body later (AIP-127)", rule.Body, describe(f.leaf()))
		}
		for i := range r.vars {
			if r.vars[i].path.name == f.name {
				warn("body %q is also a path variable, which always wins (AIP-127)", rule.Body)
			}
		}
	}
	return warnings
}
