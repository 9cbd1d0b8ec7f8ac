package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	adminv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/admin/v1"
)

func newRoutes() *cobra.Command {
	req := &adminv1.ListRoutesRequest{}
	cmd := &cobra.Command{
		Use:   "routes",
		Short: "Print what a running gateway serves, and how each method is reached",
		Long: `Print the live table of a gateway's listener: one line for each way to reach each method, with who may call it,
what the body is, the streaming kind (unary, server, client, bidi) and where the calls go.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&req.Listener, "listener", "public", "public, internal or admin")
	format := bindFormat(cmd)
	admin := bindAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := format.check(); err != nil {
			return err
		}
		return admin.call(cmd, func(ctx context.Context, conn *grpc.ClientConn) error {
			resp, err := adminv1.NewAdminClient(conn).ListRoutes(ctx, req)
			if err != nil {
				return err
			}
			return format.print(cmd, resp, routeTable(resp))
		})
	}
	return cmd
}

func routeTable(resp *adminv1.ListRoutesResponse) [][]string {
	table := [][]string{{"VERB", "PATH", "METHOD", "ACCESS", "BODY", "STREAMING", "BACKEND", "SCOPES"}}
	for _, r := range resp.GetRoutes() {
		table = append(table, []string{r.GetVerb(), r.GetPath(), r.GetMethod(), r.GetAccess().String(), r.GetBody(),
			r.GetStreaming(), r.GetBackend(), strings.Join(r.GetScopes(), ",")})
	}
	return table
}
