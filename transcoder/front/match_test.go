package front

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// oldAndNew is a table with routes of both kinds: those under /old have the habits of grpc-gateway.
func oldAndNew(t *testing.T) *Table {
	t.Helper()
	var rules []route.Rule[*Route]
	for _, path := range []string{"/old/{a}", "/old/{a}/x/{b}", "/old/{a}:go", "/old/deep/{a=**}", "/old/files/{a=in/**}", "/old/{a=in/**/out}", "/new/{a}", "/new/{a}/{b}"} {
		template, err := route.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, route.Rule[*Route]{Method: "GET", Template: template, Owner: path, Value: &Route{GRPCGateway: strings.HasPrefix(path, "/old"), Body: path}})
	}
	router, err := route.Build(rules, route.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &Table{Routes: router, GRPCGateway: true}
}

// TestMatch finds routes with the habits of grpc-gateway by paths that no other route takes, and no other route by them.
func TestMatch(t *testing.T) {
	table := oldAndNew(t)
	for _, c := range []struct {
		path, want string // the template; "" for none
		values     []string
	}{
		{"/old/v", "/old/{a}", []string{"v"}},
		{"/old/", "/old/{a}", []string{""}},
		{"/old%2Fv", "/old/{a}", []string{"v"}},
		{"/old/v%3Ago", "/old/{a}:go", []string{"v"}},
		{"/old/%252F", "/old/{a}", []string{"%2F"}},
		{"/old/..", "/old/{a}", []string{".."}},
		{"/old/%2e%2E", "/old/{a}", []string{".."}},
		{"/old/..:go", "/old/{a}:go", []string{".."}},
		{"/old/a%00b", "/old/{a}", []string{"a\x00b"}},
		{"/old/%ff\xfe", "/old/{a}", []string{"\xff\xfe"}},
		{"/old/%EF%BF%BD", "/old/{a}", []string{"\uFFFD"}},
		{"/old//x/", "/old/{a}/x/{b}", []string{"", ""}},
		{"/old/./x/..", "/old/{a}/x/{b}", []string{".", ".."}},
		{"/old/deep/a//../b", "/old/deep/{a=**}", []string{"a//../b"}},
		{"/old/../new/v", "", nil},
		{"/old/:go", "/old/{a}", []string{":go"}},
		{"/old/v:go:go", "/old/{a}:go", []string{"v:go"}},
		{"/old/files/in", "/old/files/{a=in/**}", []string{"in/"}},
		{"/old/files/in/", "/old/files/{a=in/**}", []string{"in/"}},
		{"/old/files/in/x", "/old/files/{a=in/**}", []string{"in/x"}},
		{"/old/in/out", "/old/{a=in/**/out}", []string{"in//out"}},
		{"/old/in/x/out", "/old/{a=in/**/out}", []string{"in/x/out"}},
		{"/old/%F4%8F%B8%AE", "/old/{a}", []string{"\U0010FE2E"}}, // a stand-in itself: as every route takes it
		{"/old/%F4%8F%B8%AE/../x", "", nil},
		{"/new/v", "/new/{a}", []string{"v"}},
		{"/new/", "", nil},
		{"/new/v%2Fw", "/new/{a}", []string{"v/w"}},
		{"/new/..", "", nil},
		{"/new/%ff", "", nil},
		{"/new/v/../w", "", nil},
		{"/old/%zz", "", nil},
		{"nowhere", "", nil},
	} {
		var b route.Binding[*Route]
		err := table.Match("GET", c.path, false, &b)
		if (err == nil) != (c.want != "") || err == nil && (b.Rule.Value.Body != c.want || !slices.Equal(b.Values, c.values)) {
			t.Errorf("%q: %+v %q, %v", c.path, b.Rule, b.Values, err)
		}
	}
}

// TestMatch_OtherMethod tells whose habits a path has that is served by another HTTP method.
func TestMatch_OtherMethod(t *testing.T) {
	table := oldAndNew(t)
	for path, want := range map[string]bool{"/old/v": true, "/old/": true, "/old%2Fv": true, "/old/..": true, "/new/v": false, "/nope": false} {
		err := table.Match("POST", path, false, &route.Binding[*Route]{})
		if got := table.LikeGRPCGateway(path, err); got != want {
			t.Errorf("%s: %t, %v", path, got, err)
		}
		if want && !errors.As(err, new(*route.MethodNotAllowedError)) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
