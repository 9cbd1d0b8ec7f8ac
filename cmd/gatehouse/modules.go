package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
)

func newModules() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "modules",
		Short: "List what is published to a running gateway, or take a module out",
		Args:  cobra.NoArgs,
	}
	admin := bindAdmin(cmd)
	format := bindFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := format.check(); err != nil {
			return err
		}
		return admin.call(cmd, func(ctx context.Context, conn *grpc.ClientConn) error {
			resp, err := registryv1.NewRegistryClient(conn).ListModules(ctx, &registryv1.ListModulesRequest{})
			if err != nil {
				return err
			}
			return format.print(cmd, resp, moduleTable(resp))
		})
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "delete OWNER/NAME",
		Short: "Take a module out; its methods stop answering",
		Args:  oneArg("the module, OWNER/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return admin.call(cmd, func(ctx context.Context, conn *grpc.ClientConn) error {
				resp, err := registryv1.NewRegistryClient(conn).DeleteModule(ctx, &registryv1.DeleteModuleRequest{Module: args[0]})
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "deleted %s: revision %d\n", args[0], resp.GetRevision())
				}
				return err
			})
		},
	})
	return cmd
}

func moduleTable(resp *registryv1.ListModulesResponse) [][]string {
	const shown = 12 // digits of a digest: enough to tell contents apart
	table := [][]string{{"MODULE", "FILES", "BACKEND", "DIGEST", "PUBLISHED"}}
	for _, m := range resp.GetModules() {
		digest := m.GetDigest()
		table = append(table, []string{m.GetModule(), strconv.Itoa(int(m.GetFileCount())), m.GetBackend(),
			digest[:min(shown, len(digest))], m.GetPublishTime().AsTime().Format(time.RFC3339)})
	}
	return table
}
