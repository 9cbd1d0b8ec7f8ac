package registry

import (
	"context"

	"google.golang.org/grpc/codes"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/check"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Candidate is a Revision that is judged before it is stored or served. It is immutable.
type Candidate struct {
	// Revision has the number that it will be stored under.
	Revision *registryv1.Revision
	// Files is its schema.
	Files *compile.Files

	owners map[string]*registryv1.Module
}

func newCandidate(revision *registryv1.Revision, files *compile.Files) *Candidate {
	owners := map[string]*registryv1.Module{}
	for _, module := range revision.GetModules() {
		for _, file := range module.GetFiles() {
			owners[file.GetPath()] = module
		}
	}
	return &Candidate{Revision: revision, Files: files, owners: owners}
}

// Owner returns the module that has the file of a path, nil for a built-in file.
func (c *Candidate) Owner(path string) *registryv1.Module { return c.owners[path] }

// Check judges a Candidate. An error refuses it: a *compile.Error is told to the publisher with every place that it
// names, an *rpc.Error as it is, and any other is for the operator alone.
type Check func(context.Context, *Candidate) (Verdict, error)

// Verdict is what a Check says of a Candidate that it does not refuse.
type Verdict struct {
	// Warnings is what deserves a look.
	Warnings []compile.Diagnostic
	// Live makes the Candidate serve and returns when it does; it cannot fail. It is called at most once, after the
	// Candidate was stored; never when it comes to nothing. Calls of Live and of checks do not overlap. May be nil.
	Live func()
}

// judge runs all checks. The verdict's Live is never nil.
func (r *Registry) judge(ctx context.Context, c *Candidate) (Verdict, error) {
	var all Verdict
	var live []func()
	for _, judge := range append([]Check{r.backends, rules}, r.checks...) {
		if err := ctx.Err(); err != nil {
			return Verdict{}, err
		}
		verdict, err := judge(ctx, c)
		if err != nil {
			return Verdict{}, err
		}
		all.Warnings = append(all.Warnings, verdict.Warnings...)
		if verdict.Live != nil {
			live = append(live, verdict.Live)
		}
	}
	all.Live = func() {
		for _, f := range live {
			f()
		}
	}
	return all, nil
}

// backends checks where modules want their calls to go. It runs for stored revisions too: what an operator no longer
// allows must not go on because it was allowed once.
func (r *Registry) backends(_ context.Context, c *Candidate) (Verdict, error) {
	for _, module := range c.Revision.GetModules() {
		target := module.GetBackend()
		if target == "" {
			continue
		}
		if err := r.options.Allowed(target); err != nil {
			return Verdict{}, rpc.Errorf(codes.PermissionDenied, "BACKEND_NOT_ALLOWED",
				"module %s may not send its calls to %s: %s", module.GetModule(), target, err).
				Meta("module", module.GetModule()).Meta("backend", target)
		}
	}
	return Verdict{}, nil
}

// rules checks what the compiler does not look at: options, and validation rules by running them.
func rules(ctx context.Context, c *Candidate) (Verdict, error) {
	found, err := check.Check(ctx, c.Files)
	if err != nil {
		return Verdict{}, err
	}
	var verdict Verdict
	failed := &compile.Error{}
	for _, d := range found {
		if d.Severity == compile.Warning {
			verdict.Warnings = append(verdict.Warnings, d)
		} else {
			failed.Diagnostics = append(failed.Diagnostics, d)
		}
	}
	if len(failed.Diagnostics) > 0 {
		return Verdict{}, failed
	}
	return verdict, nil
}
