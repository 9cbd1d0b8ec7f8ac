// Package authn finds out who calls: by a static API key, or by a JSON Web Token of a configured issuer. It says who
// somebody is, not what they may do. Read authn.go first; credential.go reads the headers, apikey.go and token.go
// judge what stands there, keyset.go keeps the issuers' keys fresh.
//
// No error and no log line ever repeats a credential.
package authn

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Authn is the interceptor. It lives across snapshots. It is safe for concurrent use.
type Authn struct {
	keys   *apiKeys
	tokens *tokens
	// consumed are the lists of metadata keys for Call.Consumed, made once.
	consumed [3][]string
}

// New reads the configuration and the key files that it names; key URLs are read in Run. A nil or empty configuration
// identifies nobody and leaves credentials alone, for backends that check their own.
func New(cfg *configv1.Authn, now func() time.Time, log *slog.Logger) (*Authn, error) {
	a := &Authn{consumed: [3][]string{byHeader: {headerAPIKey}, byBearer: {headerBearer}, byBoth: {headerAPIKey, headerBearer}}}
	var err error
	if len(cfg.GetApiKeys()) > 0 {
		if a.keys, err = newAPIKeys(cfg.GetApiKeys()); err != nil {
			return nil, err
		}
	}
	if len(cfg.GetJwt()) > 0 {
		if a.tokens, err = newTokens(cfg.GetJwt(), now, log); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Check identifies the caller of every method, the PUBLIC ones too: a wrong credential is refused and never becomes
// an anonymous call. A credential is required by AUTHENTICATED methods, and by INTERNAL ones that name scopes.
//
// It sets Call.Principal, and Call.Consumed to the metadata keys whose values were credentials.
func (a *Authn) Check(m *rpc.Method) rpc.Check {
	required := m.Policy.Access == rpc.Authenticated || m.Policy.Access == rpc.Internal && len(m.Policy.Scopes) > 0
	if a.keys == nil && a.tokens == nil {
		if !required {
			return rpc.Check{}
		}
		return rpc.Check{Admit: nobody}
	}
	return rpc.Check{
		Admit: func(c *rpc.Call) error { return a.admit(c, required) },
		Waits: a.tokens != nil && a.tokens.waits(),
	}
}

// Run keeps the issuers' keys fresh until ctx ends; every goroutine is gone when it returns.
func (a *Authn) Run(ctx context.Context) error {
	if a.tokens == nil {
		return nil
	}
	var running sync.WaitGroup
	for _, i := range a.tokens.issuers {
		running.Go(func() { i.keys.run(ctx) })
	}
	running.Wait()
	return nil
}

func (a *Authn) admit(c *rpc.Call, required bool) error {
	found, err := read(c.Metadata)
	if err != nil {
		return err
	}
	if found.by == byNothing {
		if required {
			return missing(c)
		}
		return nil
	}
	if c.Principal, err = a.identify(c, found); err != nil {
		return err
	}
	if list := a.consumed[found.by]; c.Consumed == nil {
		c.Consumed = list[:len(list):len(list)] // appending to it copies
	} else {
		c.Consumed = append(c.Consumed, list...)
	}
	return nil
}

// identify returns whose credential it is.
func (a *Authn) identify(c *rpc.Call, found credential) (*rpc.Principal, error) {
	switch {
	case found.token && a.tokens != nil:
		return a.tokens.verify(c, found.text)
	case found.token:
		return nil, invalid("this gateway takes API keys, not tokens; send a key as x-api-key or as Authorization: Bearer <key>")
	case a.keys == nil:
		return nil, invalid("this gateway takes tokens, not API keys; send a token as Authorization: Bearer <token>")
	}
	return a.keys.verify(found.text)
}

// nobody refuses where no credential could help.
func nobody(c *rpc.Call) error {
	return rpc.Errorf(codes.Unauthenticated, "MISSING_CREDENTIAL",
		"%s needs a verified caller, but this gateway has no API keys and no token issuers; its operator sets them under authn",
		c.Method.Name()).Meta("method", c.Method.Name())
}

func missing(c *rpc.Call) error {
	return rpc.Errorf(codes.Unauthenticated, "MISSING_CREDENTIAL",
		"%s needs a verified caller; send an API key as x-api-key, or a key or token as Authorization: Bearer",
		c.Method.Name()).Meta("method", c.Method.Name())
}

func invalid(format string, args ...any) *rpc.Error {
	return rpc.Errorf(codes.Unauthenticated, "INVALID_CREDENTIAL", "%s", fmt.Sprintf(format, args...))
}
