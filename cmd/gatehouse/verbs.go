package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

// newRoot returns the command with all its verbs. To add a verb, write its file and add one line here.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "An edge gateway: publish .proto files, call every method by any protocol, each call checked",
		Long: `Gatehouse stands between clients and gRPC backends. Publish .proto files to it, and within a second every
method answers as REST/JSON, gRPC-Web, Connect, by WebSocket and as gRPC, with authentication, authorization,
quota and validation as declared next to the rpc. Nothing is generated, compiled or restarted.`,
		Version:       version(),
		SilenceUsage:  true, // an error is one line; --help has the usage
		SilenceErrors: true,
	}
	root.AddCommand(
		newDemo(),
		newServe(),
		newPublish(),
		newModules(),
		newRoutes(),
		newOpenAPI(),
		newConfig(),
		newKeys(),
		newProtos(),
	)
	return root
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
