package main

import (
	"log/slog"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/gatehouse-gateway/gatehouse/gateway"
	"github.com/gatehouse-gateway/gatehouse/gateway/config"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Run the gateway until SIGTERM or SIGINT. SIGUSR1 makes it write to stderr what every goroutine is doing.

The schema comes from a registry in the folder --data, to which "gatehouse publish" publishes, or is fixed:
--descriptors FILE, --proto DIR, or --reflect, which asks the backends.

A flag wins over its environment variable (GATEHOUSE_LISTEN for --listen, and so on), that over the file.`,
		Example: `  gatehouse serve --dev --backend 127.0.0.1:50051 --reflect
  gatehouse serve --dev --backend 127.0.0.1:50051 --proto ./proto
  gatehouse serve --config gatehouse.yaml`,
		Args: cobra.NoArgs,
	}
	flags := config.BindFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := flags.Load(os.Environ())
		if err != nil {
			return err
		}
		g, err := gateway.New(cmd.Context(), cfg, slog.New(slog.NewTextHandler(os.Stderr, nil)), os.Stdout)
		if err != nil {
			return err
		}
		ballast := make([]byte, ballastBytes)
		err = g.Run(cmd.Context())
		runtime.KeepAlive(ballast)
		return err
	}
	return cmd
}

// ballastBytes is memory that is never touched, so the machine gives none for it, but the garbage collector counts it as
// used: it starts a cycle when as much again was allocated. A gateway keeps little and allocates much, and would without it
// collect every few MiB (docs/adr/ballast.md). What really is in use still doubles before a cycle, as
// GOGC says, and GOMEMLIMIT holds.
const ballastBytes = 24 << 20
