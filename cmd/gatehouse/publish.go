package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

func newPublish() *cobra.Command {
	req := &registryv1.PublishModuleRequest{}
	cmd := &cobra.Command{
		Use:   "publish DIR --module OWNER/NAME",
		Short: "Publish a folder of .proto files to a running gateway",
		Long: `Publish all .proto files below DIR as one module, in place of what the module had. Imports count from DIR.
google/api, google/rpc, google/type, buf/validate, protoc-gen-openapiv2/options, gatehouse/policy and google/protobuf
are built in; other modules' files can be imported as they are.

The gateway compiles and checks the module together with everything else that is published. If that succeeds, its
methods answer when this verb returns. If not, nothing changes: what is wrong stands on standard error,
"FILE:LINE:COL: message", and the exit code is 1.`,
		Example: `  gatehouse publish ./proto --module acme/orders --backend 127.0.0.1:50051
  gatehouse publish ./proto --module acme/orders --dry-run`,
		Args: oneArg("the folder with the .proto files"),
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Module, "module", "", "the module's name, OWNER/NAME")
	flags.StringVar(&req.Backend, "backend", "", "where the module's calls go: HOST:PORT, grpc://, grpcs:// or unix: (default: where they went before)")
	flags.BoolVar(&req.NoBackend, "no-backend", false, "take away the backend that the module has")
	flags.BoolVar(&req.DryRun, "dry-run", false, "check only")
	admin := bindAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if req.Module == "" {
			return errors.New("--module is missing; name the module, for example --module acme/orders")
		}
		return publish(cmd, admin, args[0], req)
	}
	return cmd
}

func publish(cmd *cobra.Command, admin *admin, dir string, req *registryv1.PublishModuleRequest) error {
	sources, err := compile.ReadDir(dir, func(note string) { fmt.Fprintln(cmd.ErrOrStderr(), "warning:", note) })
	if err != nil {
		return err
	}
	for _, path := range sources.Paths() {
		req.Files = append(req.Files, &registryv1.File{Path: path, Content: string(sources[path])})
	}
	printer := diagnostics{cmd: cmd, dir: dir, sources: sources}
	return admin.call(cmd, func(ctx context.Context, conn *grpc.ClientConn) error {
		resp, err := registryv1.NewRegistryClient(conn).PublishModule(ctx, req)
		if err != nil {
			return printer.refusal(req.GetModule(), err)
		}
		printer.print(compile.Warning, resp.GetWarnings())
		fmt.Fprintln(cmd.OutOrStdout(), outcome(req, resp))
		return nil
	})
}

// outcome says in a line what a publish did.
func outcome(req *registryv1.PublishModuleRequest, resp *registryv1.PublishModuleResponse) string {
	files, warnings := count(len(req.GetFiles()), "file"), count(len(resp.GetWarnings()), "warning")
	switch {
	case !resp.GetChanged():
		return fmt.Sprintf("unchanged %s: revision %d has it already", req.GetModule(), resp.GetRevision())
	case req.GetDryRun():
		return fmt.Sprintf("checked %s: %s, %s; nothing was published", req.GetModule(), files, warnings)
	}
	line := fmt.Sprintf("published %s: revision %d, %s, %s", req.GetModule(), resp.GetRevision(), files, warnings)
	if resp.GetBackend() != "" {
		line += ", backend " + resp.GetBackend()
	}
	return line
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// diagnostics prints findings to standard error as a compiler does, with paths that lead to the publisher's files.
type diagnostics struct {
	cmd     *cobra.Command
	dir     string
	sources compile.Sources
}

func (p diagnostics) print(severity compile.Severity, list []*registryv1.Diagnostic) {
	for _, d := range list {
		found := []compile.Diagnostic{{File: d.GetFile(), Line: int(d.GetLine()), Column: int(d.GetColumn()),
			Severity: severity, Message: d.GetMessage(), Source: d.GetSource()}}
		p.sources.Quote(found) // the gateway leaves out long lines; here they are at hand
		if _, own := p.sources[d.GetFile()]; own {
			found[0].File = filepath.Join(p.dir, filepath.FromSlash(d.GetFile()))
		}
		fmt.Fprintln(p.cmd.ErrOrStderr(), found[0])
	}
}

// refusal prints the findings that err carries, and returns what is left to say.
func (p diagnostics) refusal(module string, err error) error {
	for _, detail := range status.Convert(err).Details() {
		if list, ok := detail.(*registryv1.Diagnostics); ok && len(list.GetDiagnostics()) > 0 {
			p.print(compile.Fault, list.GetDiagnostics())
			return fmt.Errorf("%s was refused, %s; nothing changed", module, count(p.errors(err, list), "error"))
		}
	}
	return err
}

// errors returns how many errors there are, those included for which the list had no room.
func (p diagnostics) errors(err error, list *registryv1.Diagnostics) int {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			if n, err := strconv.Atoi(info.GetMetadata()["errors"]); err == nil {
				return n
			}
		}
	}
	return len(list.GetDiagnostics())
}
