package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-gateway/gatehouse/gateway"
	"github.com/gatehouse-gateway/gatehouse/gateway/config"
)

// openAPIBytesMax bounds a document. One operation takes about 5 KiB.
const openAPIBytesMax = 256 << 20

func newOpenAPI() *cobra.Command {
	o := &openAPI{}
	cmd := &cobra.Command{
		Use:   "openapi",
		Short: "Print what is served by REST as OpenAPI 3.1",
		Long: `Print the OpenAPI 3.1 document of what a listener serves by REST: paths, parameters, bodies, errors, the rules in
the .proto as constraints, and its comments as descriptions. docs/openapi.md says how things are told.

It comes from a running gateway, or with --descriptors, --proto or a --config that names one of them from a schema,
without a gateway and without backends.`,
		Example: `  gatehouse openapi > openapi.json
  gatehouse openapi --proto ./proto --yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.print(cmd) },
	}
	cmd.Flags().StringVar(&o.listener, "listener", "public", "public or admin")
	cmd.Flags().BoolVar(&o.yaml, "yaml", false, "print YAML instead of JSON")
	o.settings = pflag.NewFlagSet("serve", pflag.ContinueOnError)
	o.config = config.BindFlags(o.settings)
	for _, name := range []string{"config", "descriptors", "proto", "default-access", "dev"} {
		cmd.Flags().AddFlag(o.settings.Lookup(name))
	}
	o.admin = bindAdmin(cmd)
	return cmd
}

// openAPI is one run of the verb.
type openAPI struct {
	listener string
	yaml     bool
	admin    *admin
	settings *pflag.FlagSet // those of serve, of which some are this verb's, too
	config   *config.Flags
}

func (o *openAPI) print(cmd *cobra.Command) error {
	text, err := o.document(cmd)
	if err == nil && o.yaml {
		text, err = toYAML(text)
	}
	if err == nil {
		_, err = cmd.OutOrStdout().Write(text)
	}
	return err
}

func (o *openAPI) document(cmd *cobra.Command) ([]byte, error) {
	offline := false
	for _, name := range []string{"config", "descriptors", "proto", "default-access", "dev"} {
		offline = offline || cmd.Flags().Changed(name)
	}
	if offline {
		return o.offline(cmd)
	}
	return o.fetch(cmd)
}

// offline compiles the schema as a gateway would, and starts none.
func (o *openAPI) offline(cmd *cobra.Command) ([]byte, error) {
	cfg, err := o.config.Load(nil)
	if err != nil {
		return nil, err
	}
	if cfg.GetSource() == nil {
		return nil, errors.New("there is no schema: say --descriptors FILE or --proto DIR; without them, --config and the rest, a running gateway is asked")
	}
	cfg.Data = ""
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	g, err := gateway.New(cmd.Context(), cfg, log, nil)
	if err != nil {
		return nil, err
	}
	return g.OpenAPI(o.listener)
}

// fetch asks a running gateway.
func (o *openAPI) fetch(cmd *cobra.Command) ([]byte, error) {
	host, secure, err := o.admin.target()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if transport.TLSClientConfig, err = o.admin.tls(secure); err != nil {
		return nil, err
	}
	key, err := o.admin.keyFor(cmd, host, secure)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), o.admin.timeout)
	defer cancel()
	target := url.URL{Scheme: "http", Host: host, Path: "/openapi.json", RawQuery: url.Values{"listener": {o.listener}}.Encode()}
	if secure {
		target.Scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("no gateway answers at %s (%w); start one with `gatehouse serve`, or name its admin listener with --admin", o.admin.address, bareURL(err))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, openAPIBytesMax))
	if err != nil || response.StatusCode == http.StatusOK {
		return text, err
	}
	return nil, refusal(text, response.Status)
}

// bareURL takes the operation and the address off, which are told beside it.
func bareURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// refusal is the gateway's own sentence, if it said one.
func refusal(body []byte, status string) error {
	var said struct {
		Error struct{ Message string }
	}
	if json.Unmarshal(body, &said) == nil && said.Error.Message != "" {
		return errors.New(said.Error.Message)
	}
	return fmt.Errorf("the gateway answers %s; is this its admin listener?", status)
}

// toYAML writes JSON, which is YAML, in YAML's own style.
func toYAML(text []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	plain(&doc)
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&doc); err != nil {
		return nil, err
	}
	return []byte(out.String()), encoder.Close()
}

// plain lets the encoder choose how each value is written.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, below := range n.Content {
		plain(below)
	}
}
