package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/jhump/protoreflect/v2/protoprint"
	"github.com/spf13/cobra"

	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile/builtin"
)

func newProtos() *cobra.Command {
	return &cobra.Command{
		Use:   "protos DIR",
		Short: "Write the .proto files that are built in, for editors, buf and protoc",
		Long: `Write the files that every published module may import without shipping them: google/api, google/rpc,
google/type, buf/validate, protoc-gen-openapiv2/options and gatehouse/policy. Publishing does not need them;
editors, buf, protoc and other generators do, as an import path beside your own:

  protoc -I ./proto -I DIR --go_out=. …`,
		Example: `  gatehouse protos third_party`,
		Args:    oneArg("the folder to write to"),
		RunE:    func(cmd *cobra.Command, args []string) error { return writeProtos(cmd, args[0]) },
	}
}

func writeProtos(cmd *cobra.Command, dir string) error {
	files := builtin.Annotations()
	printer := protoprint.Printer{ForceFullyQualifiedNames: true, SortElements: true}
	if err := printer.PrintProtosToFileSystem(files, dir); err != nil {
		return err
	}
	policy := filepath.Join(dir, filepath.FromSlash(policyv1.File_gatehouse_policy_v1_policy_proto.Path()))
	if err := os.MkdirAll(filepath.Dir(policy), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(policy, []byte(policyv1.Source), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %s below %s\n", count(len(files)+1, "file"), dir)
	return nil
}

// oneArg asks for exactly one argument and says which.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one argument, %s; it got %d", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}
