package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/authz"
	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

func TestAccess(t *testing.T) {
	reader := &rpc.Principal{Name: "ann", Scopes: []string{"orders.read"}}
	for _, test := range []struct {
		name     string
		policy   rpc.Policy
		listener rpc.Listener
		who      *rpc.Principal
		reason   string
		code     codes.Code
		says     string
	}{
		{name: "PublicTakesAnyone", policy: rpc.Policy{Access: rpc.Public, Scopes: []string{"x"}}},
		{name: "AuthenticatedWithoutScopes", policy: rpc.Policy{Access: rpc.Authenticated}, who: reader},
		{name: "AllScopesHeld", policy: rpc.Policy{Access: rpc.Authenticated, Scopes: []string{"orders.read"}}, who: reader},
		{name: "OneScopeMissing", policy: rpc.Policy{Access: rpc.Authenticated, Scopes: []string{"orders.read", "orders.write"}},
			who: reader, reason: "SCOPE_MISSING", code: codes.PermissionDenied, says: `"orders.write"`},
		{name: "DeniedToAnyone", policy: rpc.Policy{Access: rpc.Denied, AccessRule: "default_access"}, who: reader,
			reason: "ACCESS_DENIED", code: codes.PermissionDenied, says: "DENIED by default_access"},
		{name: "UnknownLevelIsDenied", policy: rpc.Policy{}, reason: "ACCESS_DENIED", code: codes.PermissionDenied},
		{name: "InternalInside", policy: rpc.Policy{Access: rpc.Internal}, listener: rpc.ListenerInternal},
		{name: "InternalOnAdmin", policy: rpc.Policy{Access: rpc.Internal}, listener: rpc.ListenerAdmin},
		{name: "InternalDoesNotExistOutside", policy: rpc.Policy{Access: rpc.Internal}, who: reader,
			reason: "ROUTE_NOT_FOUND", code: codes.Unimplemented},
		{name: "InternalWithScopes", policy: rpc.Policy{Access: rpc.Internal, Scopes: []string{"x"}},
			listener: rpc.ListenerInternal, who: reader, reason: "SCOPE_MISSING", code: codes.PermissionDenied},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := checktest.Method(t, test.policy)
			c := checktest.Call(m)
			c.Listener, c.Principal = test.listener, test.who
			check := authz.Access{}.Check(m)
			if check.Admit == nil {
				require.Empty(t, test.reason)
				return
			}
			err := check.Admit(c)
			if test.reason == "" {
				require.NoError(t, err)
				return
			}
			own := checktest.Error(t, err, test.reason)
			require.Equal(t, test.code, own.Code())
			require.Contains(t, own.Message(), test.says)
		})
	}
}

func TestAccess_CostsNothingWhereNothingIsAsked(t *testing.T) {
	for _, access := range []rpc.Access{rpc.Public, rpc.Authenticated} {
		require.Equal(t, rpc.Check{}, authz.Access{}.Check(checktest.Method(t, rpc.Policy{Access: access})))
	}
}

const scoped = `
syntax = "proto3";
package acme.v1;
import "gatehouse/policy/v1/policy.proto";
message Order {
  string id = 1;
  int32 discount = 2 [(gatehouse.policy.v1.field) = {scopes: ["discount"]}];
  Order parent = 3;
  repeated Line lines = 4;
  map<string, Line> named = 5;
  oneof pay { Card card = 6 [(gatehouse.policy.v1.field) = {scopes: ["pay", "card"]}]; string cash = 7; }
  Plain plain = 8;
}
message Line { string sku = 1; bool free = 2 [(gatehouse.policy.v1.field).scopes = "free"]; }
message Card { string number = 1; }
message Plain { Plain next = 1; string text = 2; }
service Orders { rpc Put(Order) returns (Order); rpc Say(Plain) returns (Order); }
`

func TestFields(t *testing.T) {
	m := checktest.Methods(t, scoped, rpc.Policy{})["Put"]
	require.Nil(t, authz.Fields{Open: true}.Check(m).Request)
	check := authz.Fields{}.Check(m)
	require.Nil(t, check.Admit)
	for _, test := range []struct{ name, json, path, scope string }{
		{"NothingScopedSet", `{"id":"a","plain":{"next":{"text":"x"}},"cash":"1","lines":[{"sku":"a"}]}`, "", ""},
		{"ZeroIsNotSet", `{"discount":0}`, "", ""},
		{"TopLevel", `{"discount":5}`, "discount", "discount"},
		{"Recursive", `{"parent":{"parent":{"discount":5}}}`, "parent.parent.discount", "discount"},
		{"InList", `{"lines":[{"sku":"a"},{"free":true}]}`, "lines[1].free", "free"},
		{"InMap", `{"named":{"a\nb":{"free":true}}}`, `named["a\nb"].free`, "free"},
		{"MessageField", `{"card":{}}`, "card", "card"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := checktest.Call(m)
			c.Principal = &rpc.Principal{Name: "ann", Scopes: []string{"pay"}}
			err := check.Request(c, checktest.Frame(t, m.Input, test.json))
			if test.path == "" {
				require.NoError(t, err)
				return
			}
			own := checktest.Error(t, err, "FIELD_SCOPE_MISSING")
			require.Equal(t, codes.PermissionDenied, own.Code())
			require.Contains(t, own.Message(), "setting "+test.path+" ")
			require.Contains(t, own.Message(), `"`+test.scope+`"`)

			c.Principal = &rpc.Principal{Name: "ann", Scopes: []string{"pay", test.scope}}
			require.NoError(t, check.Request(c, checktest.Frame(t, m.Input, test.json)))
			c.Principal = nil
			require.Error(t, check.Request(c, checktest.Frame(t, m.Input, test.json)))
		})
	}
}

func TestFields_MalformedMessage(t *testing.T) {
	m := checktest.Methods(t, scoped, rpc.Policy{})["Put"]
	err := authz.Fields{}.Check(m).Request(checktest.Call(m), rpc.FrameOf(m.Input, []byte{0xff}))
	require.Equal(t, codes.InvalidArgument, checktest.Error(t, err, "MALFORMED_MESSAGE").Code())
}

func TestFields_CostNothingWhereNoneIsScoped(t *testing.T) {
	m := checktest.Methods(t, scoped, rpc.Policy{})["Say"]
	require.Nil(t, authz.Fields{}.Check(m).Request)
}
