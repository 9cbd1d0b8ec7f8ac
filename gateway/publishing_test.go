package gateway

import (
	"testing"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

func TestPublishedTargets(t *testing.T) {
	g := &Gateway{cfg: &configv1.Config{
		Listen: "0.0.0.0:8080", ListenGrpc: "127.0.0.1:9090", ListenAdmin: "[::1]:9901",
		AllowedBackends: []string{"127.0.0.1:*", "localhost:*", "[::1]:*"},
	}}
	for target, allowed := range map[string]bool{
		"127.0.0.1:50051":       true,
		"grpc://localhost:9091": true,
		"127.0.0.1:9090":        false, // the internal listener: a call would come back for ever
		"grpc://localhost:9090": false,
		"127.0.0.1:8080":        false,
		"[::1]:9901":            false,
		"10.0.0.1:50051":        false, // not allowed by the operator
	} {
		if err := g.allowed(target); (err == nil) != allowed {
			t.Errorf("%s: %v, want allowed %v", target, err, allowed)
		}
	}
}
