package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"text/template"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse-gateway/gatehouse/gateway"
	"github.com/gatehouse-gateway/gatehouse/gateway/config"
	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
)

func newDemo() *cobra.Command {
	d := &demonstration{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the gateway with two small backends, and print calls to try",
		Long: `Start two small gRPC backends (a library, and a shop for its books) and a gateway with an embedded registry,
publish the backends' .proto files to it, and print calls to paste into another terminal. Everything is on
loopback, and everything is gone afterwards. Ports that are taken are replaced by free ones.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&d.listen, "listen", "127.0.0.1:8080", "public listener, `HOST:PORT`")
	cmd.Flags().StringVar(&d.listenGRPC, "listen-grpc", "127.0.0.1:9090", "internal listener, `HOST:PORT`")
	cmd.Flags().StringVar(&d.listenAdmin, "listen-admin", "127.0.0.1:9901", "admin listener, `HOST:PORT`")
	return cmd
}

// demonstration is one run of the demo.
type demonstration struct {
	listen, listenGRPC, listenAdmin string
}

// run serves the backends and the gateway until ctx ends.
func (d *demonstration) run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "gatehouse-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, address := range []*string{&d.listen, &d.listenGRPC, &d.listenAdmin} {
		if *address, err = free(*address); err != nil {
			return err
		}
	}
	reader, writer := newKey("reader", "orders"), newKey("writer", "orders", "library.write", "library.admin")
	g, err := gateway.New(ctx, d.config(dir, reader, writer), slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), nil)
	if err != nil {
		return err
	}
	modules := demo.Modules()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		// The backends go last, so that calls which the gateway still lets end have somebody to answer them.
		defer func() {
			for _, module := range modules {
				module.Server.Stop()
			}
		}()
		return g.Run(ctx)
	})
	group.Go(func() error {
		err := d.publish(ctx, modules, group)
		if err == nil {
			err = d.print(out, reader, writer)
		}
		if ctx.Err() != nil {
			return nil // told to stop before everything was there
		}
		return err
	})
	return group.Wait()
}

func (d *demonstration) config(dir string, keys ...key) *configv1.Config {
	cfg := &configv1.Config{
		Listen: d.listen, ListenGrpc: d.listenGRPC, ListenAdmin: d.listenAdmin,
		Data:      dir,
		Authn:     &configv1.Authn{},
		AccessLog: configv1.AccessLog_OFF,
		Openapi:   &configv1.Openapi{Public: true, Title: "Library and shop"},
	}
	for _, k := range keys {
		cfg.Authn.ApiKeys = append(cfg.Authn.ApiKeys, &configv1.ApiKey{
			Id: k.id, SecretSha256: k.sum(), Principal: "demo-" + k.id, Scopes: k.scopes,
		})
	}
	return config.WithDefaults(cfg)
}

// publish starts the backends, and publishes their sources as anyone would, through the admin listener.
func (d *demonstration) publish(ctx context.Context, modules []demo.Module, group *errgroup.Group) error {
	conn, err := grpc.NewClient(d.listenAdmin, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	registry := registryv1.NewRegistryClient(conn)
	for _, module := range modules {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		group.Go(func() error { return module.Server.Serve(listener) })
		request := &registryv1.PublishModuleRequest{Module: module.Name, Backend: listener.Addr().String()}
		for path, content := range module.Sources {
			request.Files = append(request.Files, &registryv1.File{Path: path, Content: content})
		}
		if _, err := registry.PublishModule(ctx, request, grpc.WaitForReady(true)); err != nil {
			return fmt.Errorf("publish %s: %w", module.Name, err)
		}
	}
	return nil
}

// calls is what the demo prints. A line that begins with "#" says what the command below it shows.
var calls = template.Must(template.New("").Parse(`Gatehouse is running, with a library and a shop behind it. Paste these into another terminal; Ctrl-C ends the demo.

# Read by REST. Reading is public.
curl {{.REST}}/v1/shelves
curl {{.REST}}/v1/shelves/science/books/origin
curl '{{.REST}}/v1/books?pageSize=2&genre=GENRE_SCIENCE'

# Write, with a key: create a book, change two of its fields (the field mask is inferred), archive it (a custom verb).
curl -X POST '{{.REST}}/v1/shelves/history/books?bookId=annals' -H 'x-api-key: {{.Writer}}' -d '{"title": "Annals", "authors": ["Tacitus"], "pages": 512}'
curl -X PATCH {{.REST}}/v1/shelves/history/books/annals -H 'x-api-key: {{.Writer}}' -d '{"pages": 520, "genre": "GENRE_HISTORY"}'
curl -X POST {{.REST}}/v1/shelves/history/books/annals:archive -H 'x-api-key: {{.Writer}}' -d '{"reason": "worn out"}'

# Watch a shelf: one JSON object a line, as things happen (here: the first two).
curl -N '{{.REST}}/v1/shelves/science:watch?limit=2'

# The same as server-sent events, and a call by Connect. Every other protocol is there too: docs/protocols.md.
curl -N '{{.REST}}/v1/shelves/science:watch?limit=2' -H 'Accept: text/event-stream'
curl {{.REST}}/acme.library.v1.Library/ListShelves -H 'Content-Type: application/json' -H 'Connect-Protocol-Version: 1' -d '{}'

# Place an order, and follow it.
curl {{.REST}}/v1/orders -H 'x-api-key: {{.Reader}}' -d '{"customer": "ada", "email": "ada@example.com", "items": [{"book": "shelves/science/books/origin", "quantity": 2}], "pickup": true}'
curl -N {{.REST}}/v1/orders/order-1:track -H 'x-api-key: {{.Reader}}'

# Refused without a key: 401.
curl -i -X POST {{.REST}}/v1/shelves -d '{"name": "shelves/poetry"}'

# Refused for a key without the scope: 403.
curl -i -X DELETE {{.REST}}/v1/shelves/science/books/origin -H 'x-api-key: {{.Reader}}'

# Refused by the rules in the .proto: 400, with every field that is wrong.
curl -i {{.REST}}/v1/orders -H 'x-api-key: {{.Reader}}' -d '{"customer": "Ada L.", "email": "nowhere", "items": [{"book": "origin", "quantity": 0}], "pickup": true}'

# Refused by quota: searching is limited to 3 a minute for each caller, so the fourth is 429.
for i in 1 2 3 4; do curl -s -o /dev/null -w '%{http_code}\n' '{{.REST}}/v1/books:search?query=the'; done

# The same methods by gRPC, found by reflection (grpcurl: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3).
grpcurl -plaintext {{.GRPC}} list
grpcurl -plaintext -d '{"name": "shelves/science/books/origin"}' {{.GRPC}} acme.library.v1.Library/GetBook
grpcurl -plaintext -H 'x-api-key: {{.Reader}}' -d '{"order_id": "order-1"}' {{.GRPC}} acme.orders.v1.Orders/TrackOrder

# What is published, the live table, and the same as OpenAPI for generators.
curl {{.Admin}}/v1/modules
curl {{.REST}}/openapi.json
{{.Program}} routes --admin {{.AdminAddress}}
`))

func (d *demonstration) print(out io.Writer, reader, writer key) error {
	return calls.Execute(out, map[string]string{
		"REST": "http://" + d.listen, "GRPC": d.listenGRPC, "Admin": "http://" + d.listenAdmin, "AdminAddress": d.listenAdmin,
		"Reader": reader.String(), "Writer": writer.String(), "Program": cmp.Or(os.Args[0], "gatehouse"),
	})
}

// free returns the address if nobody listens there, else one with a free port on the same host.
func free(address string) (string, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		host, _, split := net.SplitHostPort(address)
		if split != nil {
			return "", split
		}
		if listener, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
			return "", err
		}
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
