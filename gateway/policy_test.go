package gateway

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const policySchema = `
service S {
  option (gatehouse.policy.v1.service) = {access: AUTHENTICATED scopes: "s" quota: {limit: 60} timeout: {seconds: 5} json: {proto_names: true}};
  rpc Plain(M) returns (M);
  rpc Own(M) returns (M) {
    option (gatehouse.policy.v1.method) = {access: INTERNAL scopes: "m" quota: {limit: 2 burst: 9 per: ADDRESS period: {seconds: 1}} cost: 7 timeout: {seconds: 90}};
  }
  rpc Unlimited(M) returns (M) { option (gatehouse.policy.v1.method) = {quota: {}}; }
  rpc Stream(M) returns (stream M);
}
service Bare {
  rpc Plain(M) returns (M);
  rpc Stream(M) returns (stream M);
}`

func TestPolicyOf(t *testing.T) {
	files := compiled(t, policySchema)
	defaults := func(services ...*configv1.Service) *configv1.Config {
		return &configv1.Config{
			DefaultAccess: policyv1.Access_DENIED, Services: services,
			Limits: &configv1.Limits{Timeout: durationpb.New(time.Minute)},
		}
	}
	inherited := &rpc.Quota{Name: "a.v1.S", Limit: 60, Period: time.Minute, Burst: 60}
	for _, test := range []struct {
		name   string
		cfg    *configv1.Config
		method protoreflect.FullName
		want   rpc.Policy
	}{
		{"NobodySaysAnything", defaults(), "a.v1.Bare.Plain",
			rpc.Policy{Access: rpc.Denied, AccessRule: "default_access of the configuration", Cost: 1, Timeout: time.Minute}},
		{"StreamsLastAsLongAsTheirClients", defaults(), "a.v1.Bare.Stream",
			rpc.Policy{Access: rpc.Denied, AccessRule: "default_access of the configuration", Cost: 1}},
		{"ServiceOption", defaults(), "a.v1.S.Plain",
			rpc.Policy{Access: rpc.Authenticated, AccessRule: "option of a.v1.S", Scopes: []string{"s"}, Quota: inherited, Cost: 1, Timeout: 5 * time.Second}},
		{"ServiceTimeoutHoldsForStreamsToo", defaults(), "a.v1.S.Stream",
			rpc.Policy{Access: rpc.Authenticated, AccessRule: "option of a.v1.S", Scopes: []string{"s"}, Quota: inherited, Cost: 1, Timeout: 5 * time.Second}},
		{"MethodOptionWinsAndScopesAdd", defaults(), "a.v1.S.Own",
			rpc.Policy{Access: rpc.Internal, AccessRule: "option of a.v1.S.Own", Scopes: []string{"s", "m"}, Cost: 7, Timeout: 90 * time.Second,
				Quota: &rpc.Quota{Name: "a.v1.S.Own", Limit: 2, Period: time.Second, Burst: 9, Per: rpc.PerAddress}}},
		{"QuotaWithoutLimitIsNone", defaults(), "a.v1.S.Unlimited",
			rpc.Policy{Access: rpc.Authenticated, AccessRule: "option of a.v1.S", Scopes: []string{"s"}, Cost: 1, Timeout: 5 * time.Second}},
		{"OperatorWins", defaults(&configv1.Service{
			Match: "a.v1.S.Own", Access: policyv1.Access_PUBLIC, Scopes: []string{"o"}, Timeout: durationpb.New(time.Second), Quota: &policyv1.Quota{Limit: 1},
		}), "a.v1.S.Own",
			rpc.Policy{Access: rpc.Public, AccessRule: "services[0] of the configuration", Scopes: []string{"o"}, Cost: 7, Timeout: time.Second,
				Quota: &rpc.Quota{Name: "configuration: a.v1.S.Own", Limit: 1, Period: time.Minute, Burst: 1}}},
		{"LastEntryThatNamesASettingWins", defaults(
			&configv1.Service{Match: "a.v1.*", Access: policyv1.Access_PUBLIC, Scopes: []string{"one"}},
			&configv1.Service{Match: "a.v1.S", Access: policyv1.Access_DENIED},
			&configv1.Service{Match: "a.v1.S.Own", Access: policyv1.Access_INTERNAL, Quota: &policyv1.Quota{}},
			&configv1.Service{Match: "a.v1.S.Plain"},
		), "a.v1.S.Plain",
			rpc.Policy{Access: rpc.Denied, AccessRule: "services[1] of the configuration", Scopes: []string{"one"}, Quota: inherited, Cost: 1, Timeout: 5 * time.Second}},
		{"TimeoutOfZeroIsNone", defaults(&configv1.Service{Match: "a.v1.Bare.Plain", Timeout: durationpb.New(0)}), "a.v1.Bare.Plain",
			rpc.Policy{Access: rpc.Denied, AccessRule: "default_access of the configuration", Cost: 1}},
		{"Dev", &configv1.Config{Dev: true, DefaultAccess: policyv1.Access_DENIED, Services: []*configv1.Service{{Match: "*", Access: policyv1.Access_DENIED}}}, "a.v1.S.Own",
			rpc.Policy{Access: rpc.Public, AccessRule: "--dev", Cost: 7, Timeout: 90 * time.Second,
				Quota: &rpc.Quota{Name: "a.v1.S.Own", Limit: 2, Period: time.Second, Burst: 9, Per: rpc.PerAddress}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := files.Registry().FindDescriptorByName(test.method)
			if err != nil {
				t.Fatal(err)
			}
			if got := policyOf(test.cfg, d.(protoreflect.MethodDescriptor)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v, quota %+v\nwant %+v, quota %+v", got, got.Quota, test.want, test.want.Quota)
			}
		})
	}
}

func TestJSONOf(t *testing.T) {
	md := methodNamed(t, compiled(t, policySchema), "Plain")
	if got := jsonOf(&configv1.Config{}, md); !got.GetProtoNames() {
		t.Errorf("the service's option: %v", got)
	}
	cfg := &configv1.Config{Services: []*configv1.Service{
		{Match: "a.v1.S", Json: &policyv1.JsonOptions{EnumNumbers: true}},
		{Match: "a.v1.*", Access: policyv1.Access_PUBLIC}, // says nothing of JSON
		{Match: "b.*", Json: &policyv1.JsonOptions{ProtoNames: true}},
	}}
	if got := jsonOf(cfg, md); got.GetProtoNames() || !got.GetEnumNumbers() {
		t.Errorf("the configuration does not win: %v", got)
	}
}

// TestSuccessCode refuses what no success can have.
func TestSuccessCode(t *testing.T) {
	for _, tc := range []struct {
		options, returns string
		want             string
	}{
		{"success_code: 201", "Empty", ""},
		{"success_code: 204", "Empty", ""},
		{"success_code: 202", "stream Empty", ""},
		{"success_code: 204", "stream Empty", "streams replies"},
		{"success_code: 404", "Empty", "none of 200, 201, 202 and 204"},
	} {
		source := `syntax = "proto3"; package acme; import "gatehouse/policy/v1/policy.proto"; message Empty {}
service S { rpc M(Empty) returns (` + tc.returns + `) { option (gatehouse.policy.v1.method) = {` + tc.options + `}; } }`
		result, err := compile.Compile(t.Context(), compile.Sources{"acme.proto": []byte(source)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = successOf(result.Files.Services()[0].Methods().Get(0))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s, returns %s: %v, want %q", tc.options, tc.returns, err, tc.want)
		}
	}
}
