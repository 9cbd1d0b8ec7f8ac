package gateway

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// TestLintNames asks of two methods that take one message.
func TestLintNames(t *testing.T) {
	files := testkit.Compile(t, compile.Sources{"p.proto": []byte(`syntax = "proto3";
		package p;
		service S {
			rpc A(M) returns (M);
			rpc B(M) returns (M);
		}
		message M {
			string renamed = 1 [json_name = "other"];
			string plain_name = 2;
			string same_name = 3 [json_name = "sameName"];
		}`)})
	methods := files.Services()[0].Methods()
	told := map[protoreflect.FullName]bool{}
	first, second := lintNames(methods.Get(0), told), lintNames(methods.Get(1), told)
	if len(first) != 1 || !strings.Contains(first[0], `p.S.A: field p.M.renamed sets json_name "other"`) || len(second) != 0 {
		t.Errorf("the first method has %q, the second %q; want the renamed field, once", first, second)
	}
}
