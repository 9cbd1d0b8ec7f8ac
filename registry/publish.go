package registry

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Publish replaces a module by what req has: it compiles and checks it together with everything else that is
// published, stores it, and returns when it serves. A module that names no backend keeps the one it has. Whatever goes wrong leaves the store and what serves as they were.
// What is there already is a success that changes nothing. Changes run one after the other; one that has not been
// stored yet stops when ctx ends.
//
// It keeps the strings of req, and not req. Errors are *rpc.Error; those about the sources carry Diagnostics.
func (r *Registry) Publish(ctx context.Context, req *registryv1.PublishModuleRequest) (*registryv1.PublishModuleResponse, error) {
	module, err := r.module(req)
	if err != nil {
		return nil, err
	}
	done, err := r.change(ctx, req.GetDryRun(), func(modules []*registryv1.Module) ([]*registryv1.Module, error) {
		at, found := find(modules, module.GetModule())
		if found && req.GetBackend() == "" && !req.GetNoBackend() {
			module.Backend = modules[at].GetBackend()
		}
		module.Digest = digest(module)
		if found && modules[at].GetDigest() == module.GetDigest() {
			return nil, errUnchanged
		}
		return replace(modules, module), nil
	})
	unchanged := errors.Is(err, errUnchanged)
	if err != nil && !unchanged {
		return nil, err
	}
	return &registryv1.PublishModuleResponse{
		Revision: done.number,
		Changed:  !unchanged,
		Warnings: warnings(r.about(module, done)),
		Digest:   module.GetDigest(),
		Backend:  module.GetBackend(),
	}, nil
}

// module returns what req publishes, files by path, without its digest.
func (r *Registry) module(req *registryv1.PublishModuleRequest) (*registryv1.Module, error) {
	if err := r.validate(req); err != nil {
		return nil, err
	}
	module := &registryv1.Module{
		Module:      req.GetModule(),
		Backend:     req.GetBackend(),
		PublishTime: timestamppb.New(r.options.Now()),
		FileCount:   int32(len(req.GetFiles())), // at most 10,000, says the rule of the field
	}
	for _, file := range req.GetFiles() {
		if !utf8.ValidString(file.GetPath()) || !utf8.ValidString(file.GetContent()) {
			return nil, badFile(file, "is not UTF-8; save it in that encoding")
		}
		module.Files = append(module.Files, &registryv1.File{Path: file.GetPath(), Content: file.GetContent()})
	}
	slices.SortFunc(module.Files, func(a, b *registryv1.File) int { return cmp.Compare(a.GetPath(), b.GetPath()) })
	for i, file := range module.Files[1:] {
		if file.GetPath() == module.Files[i].GetPath() {
			return nil, badFile(file, "is there twice; send each file once")
		}
	}
	return module, nil
}

func badFile(file *registryv1.File, problem string) error {
	return rpc.Invalid("INVALID_FILE", &errdetails.BadRequest_FieldViolation{
		Field:       "files",
		Description: "file " + quote(file.GetPath()) + " " + problem,
	})
}

// Delete takes a module out and returns when what is left serves. It fails where other modules need its files.
func (r *Registry) Delete(ctx context.Context, name string) (*registryv1.DeleteModuleResponse, error) {
	done, err := r.change(ctx, false, func(modules []*registryv1.Module) ([]*registryv1.Module, error) {
		at, found := find(modules, name)
		if !found {
			return nil, NotFound(name)
		}
		return slices.Delete(slices.Clone(modules), at, at+1), nil
	})
	if failed, ok := errors.AsType[*rpc.Error](err); ok && failed.Reason() == reasonCompile {
		return nil, inUse(name, failed)
	}
	if err != nil {
		return nil, err
	}
	return &registryv1.DeleteModuleResponse{Revision: done.number}, nil
}

// outcome is what a change came to.
type outcome struct {
	number   int64
	files    *compile.Files // nil where nothing was compiled
	warnings []compile.Diagnostic
}

// errUnchanged says that a change asks for what is there already.
var errUnchanged = errors.New("unchanged")

// roundsMax bounds how often a change is made again because another gateway stored something meanwhile.
const roundsMax = 10

// change makes the next Revision from the modules that edit returns, unless dry, and returns when it serves. An error
// of edit is returned with the outcome that the stored Revision, as it is, serves.
func (r *Registry) change(ctx context.Context, dry bool, edit func([]*registryv1.Module) ([]*registryv1.Module, error)) (outcome, error) {
	leave, err := r.enter(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer leave()
	for range roundsMax {
		done, err := r.attempt(ctx, dry, edit)
		if !errors.Is(err, store.ErrConflict) {
			return done, err
		}
	}
	return outcome{}, rpc.Errorf(codes.Aborted, "PUBLISH_CONFLICT",
		"other publishes were faster %d times in a row; publish again", roundsMax)
}

func (r *Registry) attempt(ctx context.Context, dry bool, edit func([]*registryv1.Module) ([]*registryv1.Module, error)) (outcome, error) {
	base, err := r.options.Store.Load(ctx)
	if err != nil {
		return outcome{}, storeFailed(ctx, err)
	}
	modules, err := edit(base.GetModules())
	if err != nil {
		return r.asItIs(ctx, base, err)
	}
	next, verdict, err := r.compile(ctx, base.GetNumber()+1, modules)
	if err != nil {
		return outcome{}, err
	}
	done := outcome{number: next.Revision.GetNumber(), files: next.Files, warnings: verdict.Warnings}
	if dry {
		done.number = base.GetNumber()
		return done, nil
	}
	// Up to here nothing happened. From here on the change is made even if nobody waits for it any more.
	if err := r.options.Store.Save(ctx, next.Revision, base.GetNumber()); err != nil {
		return outcome{}, storeFailed(ctx, err)
	}
	r.goLive(next.Revision, verdict)
	return done, nil
}

// asItIs ends a change that changes nothing, for the reason why. If that is because the content is there already,
// another gateway may have stored it a moment ago: then it must serve here, too, before the publisher is told so.
func (r *Registry) asItIs(ctx context.Context, base *registryv1.Revision, why error) (outcome, error) {
	if errors.Is(why, errUnchanged) && base.GetNumber() != r.Current().GetNumber() {
		if err := r.adopt(ctx, base); err != nil {
			return outcome{}, err
		}
	}
	return outcome{number: base.GetNumber()}, why
}

// compile makes a Candidate of modules and has it judged.
func (r *Registry) compile(ctx context.Context, number int64, modules []*registryv1.Module) (*Candidate, Verdict, error) {
	all, err := sources(modules)
	if err != nil {
		return nil, Verdict{}, err
	}
	result, err := compileAll(ctx, all)
	if err != nil {
		return nil, Verdict{}, refused(ctx, reasonCompile, err)
	}
	descriptors, err := result.Files.Encode()
	if err != nil {
		return nil, Verdict{}, err
	}
	revision := &registryv1.Revision{Number: number, Modules: modules, Descriptors: descriptors}
	candidate := newCandidate(revision, result.Files)
	verdict, err := r.judge(ctx, candidate)
	if found, ok := errors.AsType[*compile.Error](err); ok {
		all.Quote(found.Diagnostics)
	}
	if err != nil {
		return nil, Verdict{}, refused(ctx, reasonCheck, err)
	}
	all.Quote(verdict.Warnings)
	verdict.Warnings = append(result.Warnings, verdict.Warnings...)
	return candidate, verdict, nil
}

// compileAll is compile.Compile, which wants at least one file.
func compileAll(ctx context.Context, all compile.Sources) (*compile.Result, error) {
	if len(all) > 0 {
		return compile.Compile(ctx, all)
	}
	files, err := compile.LinkBytes(nil)
	return &compile.Result{Files: files}, err
}

// about returns the warnings that concern whoever publishes module, and not what is there already.
func (r *Registry) about(module *registryv1.Module, done outcome) []compile.Diagnostic {
	if done.files == nil {
		return nil
	}
	own := map[string]bool{"": true}
	for _, file := range module.GetFiles() {
		own[file.GetPath()] = true
	}
	found := slices.DeleteFunc(done.warnings, func(d compile.Diagnostic) bool { return !own[d.File] })
	if module.GetBackend() != "" {
		return found
	}
	for _, service := range done.files.Services() {
		if own[service.ParentFile().Path()] && !r.options.Routed(service.FullName()) {
			found = append(found, compile.Diagnostic{Severity: compile.Warning, Message: "nothing says where the calls of " +
				string(service.FullName()) + " go, so they will fail; publish with a backend, or name one in the gateway's configuration"})
		}
	}
	return found
}
