package gateway

import (
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// rule is one REST face of a method, as its author wrote it.
type rule struct {
	verb, path, body, responseBody string
}

// rulesOf returns the REST faces of a method: what the configuration says for it, else its google.api.http
// annotation, and in any case POST /pkg.Service/Method with the whole message as body. A configured rule replaces the
// annotation entirely, and of several for one method the last counts (google/api/http.proto, "Using gRPC API Service
// Configuration").
func rulesOf(cfg *configv1.Config, md protoreflect.MethodDescriptor) ([]rule, error) {
	rules, err := annotated(md)
	if configured := configuredRules(cfg, md); configured != nil {
		rules, err = configured, nil
	}
	if err != nil {
		return nil, fmt.Errorf("google.api.http: %w", err)
	}
	direct := directRule(md)
	for _, r := range rules {
		if r.verb == direct.verb && r.path == direct.path {
			return rules, nil // the author decided about this one
		}
	}
	return append(rules, direct), nil
}

func directRule(md protoreflect.MethodDescriptor) rule {
	return rule{verb: "POST", path: fmt.Sprintf("/%s/%s", md.Parent().FullName(), md.Name()), body: "*"}
}

// written returns the rules without the one that every method has.
func written(rules []rule, md protoreflect.MethodDescriptor) []rule {
	if last := len(rules) - 1; last >= 0 && rules[last] == directRule(md) {
		return rules[:last]
	}
	return rules
}

func configuredRules(cfg *configv1.Config, md protoreflect.MethodDescriptor) (rules []rule) {
	for _, service := range cfg.GetServices() {
		for _, h := range service.GetHttp() {
			if h.GetSelector() != string(md.FullName()) {
				continue
			}
			rules = []rule{{h.GetMethod(), h.GetPath(), h.GetBody(), h.GetResponseBody()}}
			for _, b := range h.GetAdditionalBindings() {
				rules = append(rules, rule{b.GetMethod(), b.GetPath(), b.GetBody(), b.GetResponseBody()})
			}
		}
	}
	return rules
}

func annotated(md protoreflect.MethodDescriptor) ([]rule, error) {
	h, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	if h == nil {
		return nil, nil
	}
	first, err := ruleOf(h)
	if err != nil {
		return nil, err
	}
	rules := []rule{first}
	for i, b := range h.GetAdditionalBindings() {
		if len(b.GetAdditionalBindings()) > 0 {
			return nil, fmt.Errorf("additional_bindings[%d] has additional_bindings of its own; put them all in the outer list", i)
		}
		r, err := ruleOf(b)
		if err != nil {
			return nil, fmt.Errorf("additional_bindings[%d]: %w", i, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func ruleOf(h *annotations.HttpRule) (rule, error) {
	r := rule{body: h.GetBody(), responseBody: h.GetResponseBody()}
	switch p := h.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		r.verb, r.path = "GET", p.Get
	case *annotations.HttpRule_Put:
		r.verb, r.path = "PUT", p.Put
	case *annotations.HttpRule_Post:
		r.verb, r.path = "POST", p.Post
	case *annotations.HttpRule_Delete:
		r.verb, r.path = "DELETE", p.Delete
	case *annotations.HttpRule_Patch:
		r.verb, r.path = "PATCH", p.Patch
	case *annotations.HttpRule_Custom:
		r.verb, r.path = p.Custom.GetKind(), p.Custom.GetPath()
	default:
		return rule{}, errors.New("no pattern: say get, put, post, delete, patch or custom")
	}
	if r.verb == "" {
		return rule{}, errors.New(`custom without kind: say an HTTP method, or "*" for any`)
	}
	return r, nil
}
