package rpc

import (
	"slices"
	"time"
)

// Principal is a verified caller. It is immutable.
type Principal struct {
	// Name says who it is: "acme-web", or a token's subject.
	Name string
	// Issuer says who vouches for the name: "api-key", or a token's issuer. A name means nothing without it.
	Issuer string
	// Scopes are what the credential allows.
	Scopes []string
	// Expires is when a stream of the caller's ends, the clocks' difference included. Zero: never.
	Expires time.Time
}

// String returns issuer and name as one text that is unique among principals.
func (p *Principal) String() string {
	if p == nil {
		return "anonymous"
	}
	return p.Issuer + "/" + p.Name
}

// Missing returns the first of the wanted scopes that p does not hold, "" if it holds all. A nil Principal holds none.
func (p *Principal) Missing(scopes []string) string {
	for _, want := range scopes {
		if p == nil || !slices.Contains(p.Scopes, want) {
			return want
		}
	}
	return ""
}
