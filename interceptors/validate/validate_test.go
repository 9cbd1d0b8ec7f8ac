package validate_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/interceptors/validate"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const ruled = `
syntax = "proto3";
package acme.v1;
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
message Order {
  string id = 1 [(buf.validate.field).string.min_len = 2];
  repeated Line lines = 2 [(buf.validate.field).repeated.max_items = 3];
  map<string, Line> named = 3 [(buf.validate.field).map.keys.string.max_len = 4];
  Order parent = 4;
  google.protobuf.Timestamp from = 5 [(buf.validate.field).timestamp.gt.seconds = 10];
  google.protobuf.Timestamp until = 6;
  google.protobuf.Duration every = 7 [(buf.validate.field).duration.gt.seconds = 0];
  google.protobuf.StringValue note = 8 [(buf.validate.field).string.max_len = 3];
  oneof pay { option (buf.validate.oneof).required = true; string card = 9; string cash = 10; }
  option (buf.validate.message).cel = {
    id: "order.window"
    message: "until must be after from"
    expression: "!has(this.from) || !has(this.until) || this.from < this.until"
  };
  option (buf.validate.message).cel = {
    id: "order.divides"
    expression: "this.divisor == 0 || 10 / (this.divisor - 7) != 1000"
  };
  int32 divisor = 11;
  optional int32 count = 12 [(buf.validate.field).int32.gte = 1];
}
message Line { string sku = 1 [(buf.validate.field).cel = {
  id: "line.sku", message: "must start with SKU-", expression: "this.startsWith('SKU-')" }]; }
message Plain { string text = 1; Plain next = 2; }
message Deep { Plain plain = 1; repeated Order orders = 2; }
service Orders {
  rpc Put(Order) returns (Plain);
  rpc Say(Plain) returns (Order);
  rpc Dig(Deep) returns (Plain);
}
`

func bind(t testing.TB, source, method string) (*rpc.Method, rpc.Check) {
	t.Helper()
	methods := checktest.Methods(t, source, rpc.Policy{})
	v, err := validate.New([]*rpc.Method{methods[method]}, nil)
	require.NoError(t, err)
	return methods[method], v.Check(methods[method])
}

func TestValidate(t *testing.T) {
	m, check := bind(t, ruled, "Put")
	for _, test := range []struct{ name, json, field, reason, says string }{
		{"Valid", `{"id":"ab","cash":"1","lines":[{"sku":"SKU-1"}],"from":"2024-01-01T00:00:00Z","until":"2024-01-02T00:00:00Z","every":"1s","note":"abc"}`, "", "", ""},
		{"Scalar", `{"id":"a","cash":"1"}`, "id", "string.min_len", "2 characters"},
		{"InList", `{"id":"ab","cash":"1","lines":[{"sku":"SKU-1"},{"sku":"x"}]}`, "lines[1].sku", "line.sku", "must start with SKU-"},
		{"InMapValue", `{"id":"ab","cash":"1","named":{"k":{"sku":"x"}}}`, `named["k"].sku`, "line.sku", "must start"},
		{"MapKey", `{"id":"ab","cash":"1","named":{"toolong":{"sku":"SKU-"}}}`, `named["toolong"]`, "string.max_len", "4 characters"},
		{"Recursive", `{"id":"ab","cash":"1","parent":{"id":"a","cash":"1"}}`, "parent.id", "string.min_len", ""},
		{"Timestamp", `{"id":"ab","cash":"1","from":"1970-01-01T00:00:01Z"}`, "from", "timestamp.gt", ""},
		{"Duration", `{"id":"ab","cash":"1","every":"-1s"}`, "every", "duration.gt", ""},
		{"Wrapper", `{"id":"ab","cash":"1","note":"abcd"}`, "note", "string.max_len", ""},
		{"Oneof", `{"id":"ab"}`, "pay", "required", "exactly one field"},
		{"Message", `{"id":"ab","cash":"1","from":"2024-01-02T00:00:00Z","until":"2024-01-01T00:00:00Z"}`, "", "order.window", "until must be after from"},
		{"ExplicitZero", `{"id":"ab","cash":"1","count":0}`, "count", "int32.gte", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := check.Request(checktest.Call(m), checktest.Frame(t, m.Input, test.json))
			if test.reason == "" {
				require.NoError(t, err)
				return
			}
			own := checktest.Error(t, err, "VALIDATION_FAILED")
			require.Equal(t, codes.InvalidArgument, own.Code())
			v := violations(own)
			require.Len(t, v, 1)
			require.Equal(t, test.field, v[0].GetField())
			require.Equal(t, test.reason, v[0].GetReason())
			require.Contains(t, v[0].GetDescription(), test.says)
		})
	}
}

func violations(err *rpc.Error) []*errdetails.BadRequest_FieldViolation {
	for _, d := range err.GRPCStatus().Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			return bad.GetFieldViolations()
		}
	}
	return nil
}

func TestValidate_ListsAllViolationsToABound(t *testing.T) {
	m, check := bind(t, ruled, "Dig")
	err := check.Request(checktest.Call(m), checktest.Frame(t, m.Input, `{"orders":[{"id":"a"},{"cash":"1"}]}`))
	require.Len(t, violations(checktest.Error(t, err, "VALIDATION_FAILED")), 3)

	many := `{"orders":[` + strings.Repeat(`{},`, 500) + `{"id":"ab","cash":"1"}]}`
	err = check.Request(checktest.Call(m), checktest.Frame(t, m.Input, many))
	require.Len(t, violations(checktest.Error(t, err, "VALIDATION_FAILED")), 64)
}

func TestValidate_LongTextIsCut(t *testing.T) {
	m, check := bind(t, ruled, "Put")
	key := strings.Repeat("k", 100_000)
	err := check.Request(checktest.Call(m), checktest.Frame(t, m.Input, `{"id":"ab","cash":"1","named":{"`+key+`":{"sku":"SKU-"}}}`))
	require.Less(t, len(checktest.Error(t, err, "VALIDATION_FAILED").Message()), 2000)
}

func TestValidate_MalformedMessage(t *testing.T) {
	m, check := bind(t, ruled, "Put")
	err := check.Request(checktest.Call(m), rpc.FrameOf(m.Input, []byte{0xff}))
	require.Equal(t, codes.InvalidArgument, checktest.Error(t, err, "MALFORMED_MESSAGE").Code())
}

func TestValidate_RuleThatFailsOnAValueIsOurs(t *testing.T) {
	m, check := bind(t, ruled, "Put")
	err := check.Request(checktest.Call(m), checktest.Frame(t, m.Input, `{"id":"ab","cash":"1","divisor":7}`))
	own := checktest.Error(t, err, "RULE_FAILED")
	require.Equal(t, codes.Internal, own.Code())
	require.ErrorContains(t, own.Unwrap(), "order.divides")
	require.NotContains(t, own.Message(), "divis")
}

func TestValidate_CostsNothingWithoutRules(t *testing.T) {
	_, check := bind(t, ruled, "Say")
	require.Equal(t, rpc.Check{}, check)
}

func TestNew_RefusesBrokenRules(t *testing.T) {
	for _, test := range []struct{ name, body, at string }{
		{"DoesNotParse", `message In { string a = 1 [(buf.validate.field).cel = {id: "x", expression: "this +"}]; }`, "acme.v1.In.a"},
		{"WrongType", `message In { string a = 1 [(buf.validate.field).cel = {id: "x", expression: "this > 5"}]; }`, "acme.v1.In.a"},
		{"RuleOfAnotherType", `message In { string a = 1 [(buf.validate.field).int32.gt = 1]; }`, "acme.v1.In.a"},
		{"UnknownField", `message In { string a = 1; option (buf.validate.message).cel = {id: "x", expression: "this.b == 1"}; }`, "message acme.v1.In"},
		{"Nested", `message In { repeated Sub subs = 1; } message Sub { Sub2 s = 1; } message Sub2 { string a = 1 [(buf.validate.field).cel = {id: "x", expression: "nope(this)"}]; }`, "acme.v1.Sub2.a"},
		{"Recursive", `message In { In in = 1; string a = 2 [(buf.validate.field).cel = {id: "x", expression: "nope(this)"}]; }`, "acme.v1.In.a"},
		{"InMapValues", `message In { map<string, Sub> m = 1; } message Sub { string a = 1 [(buf.validate.field).cel = {id: "x", expression: "nope(this)"}]; }`, "acme.v1.Sub.a"},
		{"BehindAFailureOfTheValue", `message In { string n = 1 [(buf.validate.field).cel = {id: "n", expression: "int(this) > 0"}]; string a = 2 [(buf.validate.field).cel = {id: "x", expression: "nope(this)"}]; }`, "acme.v1.In.a"},
		{"FirstOfAOneof", `message In { oneof o { string a = 2 [(buf.validate.field).cel = {id: "x", expression: "dyn(this) > 5"}]; string n = 1; } }`, "acme.v1.In.a"},
		{"TypeErrorWhenItRuns", `message In { string a = 1 [(buf.validate.field).cel = {id: "x", expression: "dyn(this) + 5 == 6"}]; }`, "acme.v1.In.a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := checktest.Methods(t, `syntax = "proto3"; package acme.v1; import "buf/validate/validate.proto"; `+test.body+
				` service S { rpc Do(In) returns (In); }`, rpc.Policy{})["Do"]
			_, err := validate.New([]*rpc.Method{m}, nil)
			require.ErrorContains(t, err, test.at)
		})
	}
}

func TestNew_AcceptsRulesThatFailOnSomeValues(t *testing.T) {
	m := checktest.Methods(t, `syntax = "proto3"; package acme.v1; import "buf/validate/validate.proto";
		message In { string n = 1 [(buf.validate.field).cel = {id: "n", expression: "int(this) > 0"}]; }
		service S { rpc Do(In) returns (In); }`, rpc.Policy{})["Do"]
	_, err := validate.New([]*rpc.Method{m}, nil)
	require.NoError(t, err)
}

func BenchmarkValidate(b *testing.B) {
	m, check := bind(b, ruled, "Put")
	f := checktest.Frame(b, m.Input, `{"id":"ab","cash":"1","lines":[{"sku":"SKU-1"}]}`)
	c := checktest.Call(m)
	b.ReportAllocs()
	for b.Loop() {
		if err := check.Request(c, f); err != nil {
			b.Fatal(err)
		}
	}
}
