package gateway

import (
	"strings"
	"testing"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

func TestIdleServices(t *testing.T) {
	result, err := compile.Compile(t.Context(), compile.Sources{"a.proto": []byte(`syntax = "proto3";
package acme.v1;
service Notes { rpc Get(Note) returns (Note); }
message Note {}
`)})
	if err != nil {
		t.Fatal(err)
	}
	for match, idle := range map[string]bool{
		"acme.v1.Notes":     false,
		"acme.v1.Notes.Get": false,
		"acme.*":            false,
		"grpc.health.*":     false,
		"acme.v1.Note":      true,
		"acme.v1.Notes.Got": true,
	} {
		cfg := &configv1.Config{Services: []*configv1.Service{{Match: match}}}
		got := idleServices(cfg, result.Files)
		if idle != (len(got) == 1) {
			t.Errorf("%s: idle entries %q", match, got)
		}
		if idle && !strings.Contains(got[0], "services[0].match "+match) {
			t.Errorf("%s: %q does not name the entry", match, got[0])
		}
	}
}
