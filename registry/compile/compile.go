// Package compile turns .proto files into a linked schema: what people publish, or
// what a file of descriptors or a server's reflection says, into the descriptors that
// everything else reads.
//
// Read [Compile] first: sources in, [Files] out. [Link] is the second half alone, the one
// entry for descriptors that somebody else has compiled. Both fail with an [Error] that
// reads like a compiler's.
package compile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"github.com/bufbuild/protocompile/sourceinfo"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Result is what compiling gave.
type Result struct {
	// Files is the linked schema.
	Files *Files
	// Warnings is what deserves a look and stops nothing: an import that is not used, say.
	Warnings []Diagnostic
}

// Compile compiles sources, all of them, and links the outcome. Imports are found among the
// sources first by path, except that a built-in file (google/api, buf/validate,
// gatehouse/policy and so on, see [Builtin]) always wins over a copy of it in sources, because
// only the built-in one has options that this program can read; a copy earns a warning.
//
// Errors in the sources come as one *[Error] that lists every one of them, up to a bound. The work
// goes by stages (syntax, imports, types and options), and a stage starts only when the one before
// found no error. Compile starts no goroutine and keeps nothing: it is safe for concurrent use.
func Compile(ctx context.Context, sources Sources) (result *Result, err error) {
	defer recovered(&err)
	c, err := newCompilation(sources)
	if err != nil {
		return nil, err
	}
	for _, stage := range []func(context.Context) error{c.parse, c.imports, c.link} {
		if err := stage(ctx); err != nil {
			return nil, err
		}
		if err := c.failure(); err != nil {
			return nil, err
		}
	}
	files, err := linkWith(c.builtin, c.set)
	if failed := new(Error); errors.As(err, &failed) {
		sources.Quote(failed.Diagnostics)
	}
	if err != nil {
		return nil, err
	}
	return &Result{Files: files, Warnings: c.sorted(Warning)}, nil
}

// compilation is one run of Compile.
type compilation struct {
	sources Sources
	builtin *Builtin
	paths   []string // of sources that are compiled; after the stage imports, imported before importing
	parsed  map[string]parser.Result
	linked  map[string]linker.File
	set     *descriptorpb.FileDescriptorSet
	found   []Diagnostic
}

func newCompilation(sources Sources) (*compilation, error) {
	if err := sources.check(); err != nil {
		return nil, err
	}
	builtin, err := NewBuiltin()
	if err != nil {
		return nil, err
	}
	return &compilation{
		sources: sources,
		builtin: builtin,
		parsed:  map[string]parser.Result{},
		linked:  map[string]linker.File{},
		set:     &descriptorpb.FileDescriptorSet{},
	}, nil
}

// link resolves types, interprets options and notes where everything is written, file by file.
// A file that imports a broken one is passed over: its errors would be echoes.
func (c *compilation) link(ctx context.Context) error {
	symbols := &linker.Symbols{}
	for _, path := range c.paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		imported, ok := c.imported(path)
		if !ok {
			continue
		}
		file, err := c.linkFile(c.parsed[path], imported, symbols)
		if err != nil {
			continue // already reported
		}
		c.linked[path] = file
		c.set.File = append(c.set.File, file.FileDescriptorProto())
	}
	return nil
}

// imported returns the linked files that path imports, and whether all of them linked.
func (c *compilation) imported(path string) (linker.Files, bool) {
	var files linker.Files
	for _, name := range c.parsed[path].FileDescriptorProto().GetDependency() {
		file, ok := c.linked[name]
		if !ok && c.builtin.Has(name) {
			desc, err := c.builtin.files.FindFileByPath(name)
			if err != nil {
				return nil, false
			}
			if file, err = linker.NewFileRecursive(desc); err != nil {
				return nil, false
			}
			c.linked[name], ok = file, true
		}
		if !ok {
			return nil, false
		}
		files = append(files, file)
	}
	return files, true
}

func (c *compilation) linkFile(parsed parser.Result, imported linker.Files, symbols *linker.Symbols) (linker.Result, error) {
	handler := c.handler()
	file, err := linker.Link(parsed, imported, symbols, handler)
	if err != nil {
		return nil, err
	}
	index, err := options.InterpretOptions(file, handler)
	if err != nil {
		return nil, err
	}
	if err := file.ValidateOptions(handler, symbols); err != nil {
		return nil, err
	}
	// After the options, because an import may be there for an option alone.
	file.CheckForUnusedImports(handler)
	file.FileDescriptorProto().SourceCodeInfo = sourceinfo.GenerateSourceInfo(parsed.AST(), index)
	return file, handler.Error()
}

// handler returns what the compiler's stages report to. It never asks them to stop, so that one run finds all errors.
func (c *compilation) handler() *reporter.Handler {
	return reporter.NewHandler(reporter.NewReporter(
		func(err reporter.ErrorWithPos) error {
			c.report(Fault, err)
			return nil
		},
		func(err reporter.ErrorWithPos) { c.report(Warning, err) },
	))
}

// reportsMax bounds what one run collects, so that a hostile file cannot make a million messages.
const reportsMax = 10_000

func (c *compilation) report(severity Severity, err reporter.ErrorWithPos) {
	if len(c.found) >= reportsMax {
		return
	}
	position := err.GetPosition()
	c.found = append(c.found, Diagnostic{
		File:     position.Filename,
		Line:     position.Line,
		Column:   position.Col,
		Severity: severity,
		Message:  hinted(err.Unwrap().Error()),
	})
}

// builtinOptions are the options that people forget to import, and where they are.
var builtinOptions = map[string]string{
	"google.api.":          "google/api/annotations.proto",
	"buf.validate.":        "buf/validate/validate.proto",
	"gatehouse.policy.v1.": "gatehouse/policy/v1/policy.proto",
	"grpc.gateway.":        "protoc-gen-openapiv2/options/annotations.proto",
}

// hinted adds to a message about an unknown option which import it may lack.
func hinted(message string) string {
	_, option, ok := strings.Cut(message, "unknown extension ")
	if !ok {
		return message
	}
	for prefix, path := range builtinOptions {
		if strings.HasPrefix(option, prefix) {
			return fmt.Sprintf("%s; is import %q missing?", message, path)
		}
	}
	return message
}

// failure returns the errors found so far, or nil.
func (c *compilation) failure() error {
	faults := c.sorted(Fault)
	if len(faults) == 0 {
		return nil
	}
	return newError(faults)
}

// sorted returns what was found of one severity, by place, each thing once, with the source lines.
func (c *compilation) sorted(severity Severity) []Diagnostic {
	var found []Diagnostic
	for _, d := range c.found {
		if d.Severity == severity {
			found = append(found, d)
		}
	}
	slices.SortStableFunc(found, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	found = slices.Compact(found)
	c.sources.Quote(found)
	return found
}
