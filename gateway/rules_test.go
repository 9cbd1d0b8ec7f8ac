package gateway

import (
	"slices"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

func TestRulesOf(t *testing.T) {
	configured := &configv1.Config{Services: []*configv1.Service{{Match: "*", Http: []*configv1.HttpRule{
		{Selector: "a.v1.S.R", Method: "GET", Path: "/first"},
		{Selector: "a.v1.S.Other", Method: "GET", Path: "/other"},
		{Selector: "a.v1.S.R", Method: "PUT", Path: "/last", Body: "*", ResponseBody: "m",
			AdditionalBindings: []*configv1.HttpRule_Binding{{Method: "*", Path: "/more"}}},
	}}}}
	direct := rule{"POST", "/a.v1.S/R", "*", ""}
	for _, test := range []struct {
		name, option string
		cfg          *configv1.Config
		want         []rule
	}{
		{"WithoutAnnotation", "", nil, []rule{direct}},
		{"EveryVerb", `get: "/g" additional_bindings {put: "/p"} additional_bindings {post: "/o" body: "*"} additional_bindings {delete: "/d"}
			additional_bindings {patch: "/a" body: "m" response_body: "id"} additional_bindings {custom: {kind: "LOCK" path: "/l"}}
			additional_bindings {custom: {kind: "*" path: "/any"}}`, nil,
			[]rule{{"GET", "/g", "", ""}, {"PUT", "/p", "", ""}, {"POST", "/o", "*", ""}, {"DELETE", "/d", "", ""},
				{"PATCH", "/a", "m", "id"}, {"LOCK", "/l", "", ""}, {"*", "/any", "", ""}, direct}},
		{"AuthorsOwnDirectRule", `post: "/a.v1.S/R" body: "m"`, nil, []rule{{"POST", "/a.v1.S/R", "m", ""}}},
		{"ConfigurationReplacesAll", `get: "/g" additional_bindings {get: "/h"}`, configured,
			[]rule{{"PUT", "/last", "*", "m"}, {"*", "/more", "", ""}, direct}},
		{"ConfigurationReplacesABrokenOne", `additional_bindings {get: "/h"}`, configured,
			[]rule{{"PUT", "/last", "*", "m"}, {"*", "/more", "", ""}, direct}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := rulesOf(test.cfg, methodNamed(t, compiled(t, withHTTP(test.option)), "R"))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}

func TestRulesOfRefuses(t *testing.T) {
	for name, test := range map[string]struct{ option, want string }{
		"NoPattern":       {`body: "*"`, "google.api.http: no pattern"},
		"NoPatternWithin": {`get: "/g" additional_bindings {get: "/h"} additional_bindings {body: "*"}`, "additional_bindings[1]: no pattern"},
		"Nested":          {`get: "/g" additional_bindings {get: "/h" additional_bindings {get: "/i"}}`, "additional_bindings[0] has additional_bindings"},
		"CustomNoKind":    {`custom: {path: "/l"}`, "custom without kind"},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := rulesOf(nil, methodNamed(t, compiled(t, withHTTP(test.option)), "R"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, %v, want %q", rules, err, test.want)
			}
		})
	}
}

// TestWritten shows that the rule that every method has is not taken for its author's.
func TestWritten(t *testing.T) {
	for option, want := range map[string]int{"": 0, `get: "/g"`: 1, `get: "/g" additional_bindings {put: "/p"}`: 2} {
		md := methodNamed(t, compiled(t, withHTTP(option)), "R")
		rules, err := rulesOf(nil, md)
		if err != nil || len(written(rules, md)) != want {
			t.Errorf("%s: %q, %v; want %d", option, written(rules, md), err, want)
		}
	}
}

// withHTTP is a service whose method has an annotation, or none.
func withHTTP(option string) string {
	if option == "" {
		return "service S { rpc R(M) returns (M); }"
	}
	return "service S { rpc R(M) returns (M) { option (google.api.http) = {" + option + "}; } }"
}
