package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/registry/store"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Reasons of refusals that carry Diagnostics.
const (
	reasonCompile = "COMPILE_FAILED"
	reasonCheck   = "CHECK_FAILED"
)

// refused returns what a publisher is told of an error of the compiler or of a check.
func refused(ctx context.Context, reason string, err error) error {
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	found, ok := errors.AsType[*compile.Error](err)
	if !ok {
		return err
	}
	list, more := diagnostics(found.Diagnostics)
	return rpc.Errorf(codes.InvalidArgument, reason, "%s", headline(found)).
		With(&registryv1.Diagnostics{Diagnostics: list}).
		Meta("errors", strconv.Itoa(len(list)+more+found.More))
}

// headline returns the first error in one line, and how many more there are.
func headline(found *compile.Error) string {
	const shown = 500 // bytes; what is cut off is in the details
	if len(found.Diagnostics) == 0 {
		return "the sources were refused"
	}
	first := found.Diagnostics[0]
	first.Source = ""
	text, _, _ := strings.Cut(first.String(), "\n")
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	if more := len(found.Diagnostics) - 1 + found.More; more > 0 {
		text += fmt.Sprintf(" (and %d more errors)", more)
	}
	return text
}

// diagnosticsBytesMax bounds the text of a refusal's Diagnostics: by gRPC they travel in a trailer, and clients and
// proxies bound those, some at 64 KiB.
const diagnosticsBytesMax = 24 << 10

// diagnostics returns as many of found as fit, and the number of those that do not.
func diagnostics(found []compile.Diagnostic) (list []*registryv1.Diagnostic, more int) {
	const lineMax = 400 // bytes of a source line that is worth showing
	budget := diagnosticsBytesMax
	for i, d := range found {
		if len(d.Source) > lineMax {
			d.Source = ""
		}
		if budget -= len(d.File) + len(d.Message) + len(d.Source); budget < 0 && i > 0 {
			return list, len(found) - i
		}
		list = append(list, &registryv1.Diagnostic{
			File: d.File, Line: int32(d.Line), Column: int32(d.Column), Message: d.Message, Source: d.Source,
		})
	}
	return list, 0
}

func warnings(found []compile.Diagnostic) []*registryv1.Diagnostic {
	list, more := diagnostics(found)
	if more > 0 {
		list = append(list, &registryv1.Diagnostic{Message: fmt.Sprintf("and %d more warnings", more)})
	}
	return list
}

// validate checks req by the rules in its .proto.
func (r *Registry) validate(req *registryv1.PublishModuleRequest) error {
	err := r.validator.Validate(req)
	invalid, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return err
	}
	list := &errdetails.BadRequest{}
	for _, violation := range invalid.Violations {
		list.FieldViolations = append(list.FieldViolations, &errdetails.BadRequest_FieldViolation{
			Field:       protovalidate.FieldPathString(violation.Proto.GetField()),
			Description: violation.Proto.GetMessage(),
			Reason:      violation.Proto.GetRuleId(),
		})
	}
	return rpc.Invalid("INVALID_MODULE", list.GetFieldViolations()...)
}

// NotFound is the error for a module that is not published.
func NotFound(name string) *rpc.Error {
	return rpc.Errorf(codes.NotFound, "MODULE_NOT_FOUND", "there is no module %s; `gatehouse modules` lists what is published", quote(name))
}

// inUse is the error for a module that others need, from what the compiler says without it.
func inUse(name string, failed *rpc.Error) *rpc.Error {
	e := rpc.Errorf(codes.FailedPrecondition, "MODULE_IN_USE",
		"module %s cannot be deleted, because other modules need it: %s", name, failed.Message())
	for _, detail := range failed.GRPCStatus().Details() {
		if list, ok := detail.(*registryv1.Diagnostics); ok {
			e.With(list)
		}
	}
	return e
}

func fileConflict(path string, first, second *registryv1.Module) *rpc.Error {
	return rpc.Errorf(codes.FailedPrecondition, "FILE_CONFLICT",
		"both module %s and module %s have a file %s; keep it in one of them, and import it from the other",
		first.GetModule(), second.GetModule(), quote(path)).
		Meta("file", path).Meta("modules", first.GetModule()+","+second.GetModule())
}

func tooMuch(format string, args ...any) *rpc.Error {
	return rpc.Errorf(codes.ResourceExhausted, "REGISTRY_FULL", format, args...)
}

// storeFailed passes on a conflict and the end of a context; anything else is a fault of the store.
func storeFailed(ctx context.Context, err error) error {
	if errors.Is(err, store.ErrConflict) {
		return err
	}
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
		return err
	}
	return rpc.Errorf(codes.Unavailable, "STORE_FAILED",
		"the registry's store failed; the gateway's log says why, and `gatehouse modules` what is stored").Because(err)
}

// notLoaded is the error for a stored Revision, with the module that is to blame where that is known.
func notLoaded(revision *registryv1.Revision, err error) error {
	found, ok := errors.AsType[*compile.Error](err)
	if ok && len(found.Diagnostics) > 0 {
		if module := owner(revision.GetModules(), found.Diagnostics[0].File); module != nil {
			return fmt.Errorf("revision %d does not load: module %s: %w", revision.GetNumber(), module.GetModule(), err)
		}
	}
	return fmt.Errorf("revision %d does not load: %w", revision.GetNumber(), err)
}

// quote quotes a name that came from outside, cut to a length that fits a line.
func quote(name string) string {
	const shown = 200
	if len(name) > shown {
		name = strings.ToValidUTF8(name[:shown], "") + "…"
	}
	return strconv.Quote(name)
}
