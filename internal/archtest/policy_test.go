package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
)

// TestPolicyIsDocumented shows that docs/policy.md names every option and every value that people can write.
func TestPolicyIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := func(name protoreflect.Name) {
		if !strings.Contains(string(page), string(name)) {
			t.Errorf("docs/policy.md does not mention %s", name)
		}
	}
	file := policyv1.File_gatehouse_policy_v1_policy_proto
	for i := range file.Messages().Len() {
		fields := file.Messages().Get(i).Fields()
		for j := range fields.Len() {
			want(fields.Get(j).Name())
		}
	}
	for i := range file.Enums().Len() {
		values := file.Enums().Get(i).Values()
		for j := 1; j < values.Len(); j++ {
			want(values.Get(j).Name())
		}
	}
}
