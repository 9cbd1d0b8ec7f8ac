package scenario

import (
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
)

func TestSchemaIsBare(t *testing.T) {
	set := Schema()
	if _, err := protodesc.NewFiles(set); err != nil {
		t.Fatal(err)
	}
	if n := rulesIn(set); n != 0 {
		t.Errorf("%d fields have validation rules", n)
	}
	routes := 0
	for _, file := range set.GetFile() {
		for _, service := range file.GetService() {
			for _, method := range service.GetMethod() {
				if proto.HasExtension(method.GetOptions(), policyv1.E_Method) {
					t.Errorf("%s has a policy", method.GetName())
				}
				if rule, ok := proto.GetExtension(method.GetOptions(), annotations.E_Http).(*annotations.HttpRule); ok && rule != nil {
					routes++
					if rule.GetResponseBody() != "" {
						t.Errorf("%s has a response_body", method.GetName())
					}
				}
			}
		}
	}
	if routes < 10 {
		t.Errorf("%d methods have routes", routes)
	}
}

func TestCheckedSchemaHasRules(t *testing.T) {
	if n := rulesIn(CheckedSchema()); n != len(fiveRules()) {
		t.Errorf("%d fields have validation rules, want %d", n, len(fiveRules()))
	}
	if n := rulesIn(Schema()); n != 0 {
		t.Errorf("making the checked schema left %d rules in the bare one", n)
	}
}

// Every scenario has a target for plain routes, and no plain route has a template within its variable.
func TestPlainSchema(t *testing.T) {
	for _, s := range All() {
		if s.Plain == "" {
			t.Errorf("%s has no plain target", s.Name)
		}
	}
	plain := map[string]bool{}
	for _, file := range PlainSchema().GetFile() {
		for _, service := range file.GetService() {
			for _, method := range service.GetMethod() {
				rule, _ := proto.GetExtension(method.GetOptions(), annotations.E_Http).(*annotations.HttpRule)
				path := rule.GetGet() + rule.GetPost()
				plain[method.GetName()] = path != "" && !strings.Contains(path, "=")
			}
		}
	}
	for _, s := range All() {
		if _, name, _ := strings.Cut(s.Method[1:], "/"); !plain[name] {
			t.Errorf("%s has no plain route", name)
		}
	}
	for _, file := range Schema().GetFile() {
		for _, service := range file.GetService() {
			for _, method := range service.GetMethod() {
				rule, _ := proto.GetExtension(method.GetOptions(), annotations.E_Http).(*annotations.HttpRule)
				if strings.HasPrefix(rule.GetGet(), "/v1/books/") {
					t.Error("the plain schema changed the other one")
				}
			}
		}
	}
}

func rulesIn(set *descriptorpb.FileDescriptorSet) (n int) {
	for _, file := range set.GetFile() {
		for _, message := range file.GetMessageType() {
			for _, field := range message.GetField() {
				if file.GetPackage() != "buf.validate" && proto.HasExtension(field.GetOptions(), validate.E_Field) {
					n++
				}
			}
		}
	}
	return n
}
