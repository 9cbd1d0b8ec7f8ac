package gateway

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// compiled compiles one source file, which begins after its imports.
func compiled(t *testing.T, body string) *compile.Files {
	t.Helper()
	return testkit.Compile(t, compile.Sources{"a.proto": []byte(`syntax = "proto3";
package a.v1;
import "buf/validate/validate.proto";
import "gatehouse/policy/v1/policy.proto";
import "google/api/annotations.proto";
message M {
  string id = 1;
  M m = 2;
}
` + body)})
}

// methodNamed returns a method of a.v1.S.
func methodNamed(t *testing.T, files *compile.Files, name protoreflect.Name) protoreflect.MethodDescriptor {
	t.Helper()
	for _, s := range files.Services() {
		if md := s.Methods().ByName(name); md != nil && s.Name() == "S" {
			return md
		}
	}
	t.Fatalf("there is no method %s", name)
	return nil
}
