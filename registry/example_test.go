package registry_test

import (
	"context"
	"fmt"
	"os"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry"
)

func ExampleNew() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "registry")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := registry.OpenStore(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	// What serves is the last check: it compiles a candidate, and says how to make it live.
	serve := func(_ context.Context, c *registry.Candidate) (registry.Verdict, error) {
		return registry.Verdict{Live: func() {
			fmt.Printf("revision %d is live with %d services\n", c.Revision.GetNumber(), len(c.Files.Services()))
		}}, nil
	}
	r, err := registry.New(ctx, registry.Options{Store: store}, serve)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = r.Publish(ctx, &registryv1.PublishModuleRequest{
		Module: "acme/greeter",
		Files: []*registryv1.File{{
			Path:    "acme/greeter.proto",
			Content: `syntax = "proto3"; package acme; message Hello {} service Greeter { rpc Greet(Hello) returns (Hello); }`,
		}},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// revision 0 is live with 0 services
	// revision 1 is live with 1 services
}
