package route_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

func TestParse(t *testing.T) {
	for template, want := range map[string]string{
		"/":                                  "/",
		"/v1/items":                          "/v1/items",
		"/v1/{n}":                            "/v1/* n",
		"/v1/{n=*}":                          "/v1/* n",
		"/v1/{n=items}":                      "/v1/items n",
		"/v1/{n=**}":                         "/v1/** n+",
		"/v1/{n=items/*}":                    "/v1/items/* n+",
		"/v1/{n=items/**}":                   "/v1/items/** n+",
		"/v1/*/**":                           "/v1/*/**",
		"/{a=**}/x":                          "/**/x a+",
		"/{a=x/**/y}/{b}":                    "/x/**/y/* a+ b",
		"/{a}/**/{b}":                        "/*/**/* a b",
		"/v1/{a.b_1.C=x/*}/{_d}":             "/v1/x/*/* a.b_1.C+ _d",
		"/v1/{n}:run":                        "/v1/*:run n",
		"/v1/{n=**}:run":                     "/v1/**:run n+",
		"/v1/*:run":                          "/v1/*:run",
		"/v1/items:batchGet":                 "/v1/items:batchGet",
		"/v1/a:b:c":                          "/v1/a:b:c",
		"/v1/a:b/c":                          "/v1/a:b/c",
		"/v1/{n=a:b}":                        "/v1/{_=a:b} n",
		"/{n=a:b}":                           "/{_=a:b} n",
		"/{n=a:b}:run":                       "/a:b:run n",
		"/{n=x/a:b}":                         "/x/{_=a:b} n+",
		"/v1/%7e%2f%2A":                      "/v1/~%2F%2A",
		"/v1/é":                              "/v1/%C3%A9",
		"/v1/a!$&'()+,;=@b":                  "/v1/a!$&'()+,;=@b",
		"/v1/{a=x=y}":                        "/v1/x=y a",
		"/v1/...":                            "/v1/...",
		"/" + strings.Repeat("a/", 63) + "a": "/" + strings.Repeat("a/", 63) + "a",
	} {
		parsed, err := route.Parse(template)
		if err != nil {
			t.Error(err)
			continue
		}
		got := parsed.Shape()
		for _, v := range parsed.Vars {
			got += " " + v.FieldPath
			if v.Multi {
				got += "+"
			}
		}
		if got != want || parsed.String() != template {
			t.Errorf("%s: got %s (%s), want %s", template, got, parsed, want)
		}
	}
}

func TestParseVerb(t *testing.T) {
	for template, want := range map[string]string{
		"/a": "", "/a:b": "b", "/a:b:c": "c", "/{n=a:b}": "", "/a:b/c": "", "/{n}:%72un": "run", "/**:x": "x",
	} {
		parsed, err := route.Parse(template)
		if err != nil {
			t.Fatal(err)
		}
		if parsed.Verb != want {
			t.Errorf("%s: verb %q, want %q", template, parsed.Verb, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for template, want := range map[string]struct {
		column  int
		problem string
	}{
		"":                                   {1, `starts with "/"`},
		"v1":                                 {1, `starts with "/"`},
		"{n}":                                {1, `starts with "/"`},
		"//":                                 {2, "empty segment"},
		"/a/":                                {4, "empty segment"},
		"/a//b":                              {4, "empty segment"},
		"/:run":                              {2, "empty segment"},
		"/a/:run":                            {4, "empty segment"},
		"/{n=}":                              {5, "empty segment"},
		"/{n=/a}":                            {5, "empty segment"},
		"/{n=a/}":                            {7, "empty segment"},
		"/a:":                                {4, "empty verb"},
		"/{n}:":                              {6, "empty verb"},
		"/{n}:a:b":                           {7, "cannot hold ':'"},
		"/{n}:a/b":                           {7, "cannot hold '/'"},
		"/*:a*":                              {5, "cannot hold '*'"},
		"/***":                               {2, "stand alone"},
		"/a*":                                {3, "whole segment"},
		"/*a":                                {2, "stand alone"},
		"/{n=*:run}":                         {5, "stand alone"},
		"/**/**":                             {5, `second "**"`},
		"/{a=**}/**":                         {9, `second "**"`},
		"/{a=**/b/**}":                       {10, `second "**"`},
		"/{":                                 {3, "field name"},
		"/{}":                                {3, "field name"},
		"/{=a}":                              {3, "field name"},
		"/{1a}":                              {3, "field name"},
		"/{a.}":                              {5, "field name"},
		"/{a..b}":                            {5, "field name"},
		"/{a-b}":                             {4, `lacks its "}"`},
		"/{a":                                {4, `lacks its "}"`},
		"/{a=b":                              {6, `lacks its "}"`},
		"/{n=a:b":                            {8, `lacks its "}"`},
		"/{a=*":                              {6, `lacks its "}"`},
		"/{a={b}}":                           {5, "cannot hold another"},
		"/{a}b":                              {5, "whole segment"},
		"/{a}{b}":                            {5, "whole segment"},
		"/a{b}":                              {3, "whole segment"},
		"/a}":                                {3, `"}" without "{"`},
		"/{a}/{b}/{a}":                       {10, "there twice"},
		"/a b":                               {3, "percent-encoded, as %20"},
		"/a?b=c":                             {3, "percent-encoded, as %3F"},
		"/a#b":                               {3, "percent-encoded, as %23"},
		"/{a=[}":                             {5, "percent-encoded, as %5B"},
		"/a\x00":                             {3, "percent-encoded, as %00"},
		"/a%00":                              {3, "NUL"},
		"/a%zz":                              {3, "hexadecimal"},
		"/a%2":                               {3, "hexadecimal"},
		"/a%ff":                              {3, "UTF-8"},
		"/a\xff":                             {3, "UTF-8"},
		"/{n}:%ff":                           {6, "UTF-8"},
		"/.":                                 {2, "never matches"},
		"/a/..":                              {4, "never matches"},
		"/a/%2e.":                            {4, "never matches"},
		"/{n=a/..}":                          {7, "never matches"},
		"/..:run":                            {2, "never matches"},
		"/" + strings.Repeat("a/", 64) + "a": {130, "more than 64 segments"},
		"/" + strings.Repeat("a", 4096):      {4097, "longer than 4096 bytes"},
	} {
		_, err := route.Parse(template)
		var bad *route.TemplateError
		if !errors.As(err, &bad) {
			t.Errorf("%q: got %v", template, err)
			continue
		}
		if bad.Column != want.column || !strings.Contains(bad.Problem, want.problem) || bad.Template != template {
			t.Errorf("%q: got column %d: %s; want %d: %s", template, bad.Column, bad.Problem, want.column, want.problem)
		}
	}
}

func TestTemplateErrorNamesTheColumn(t *testing.T) {
	_, err := route.Parse("/v1/{name=}")
	if want := `template "/v1/{name=}", column 11: an empty segment`; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
