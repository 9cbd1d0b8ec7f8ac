package program

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// TestGRPCGatewayParameters compares what queries become with what grpc-gateway's own parser makes of them, where the path sets nothing
// and where it sets fields.
func TestGRPCGatewayParameters(t *testing.T) {
	md := message(t, "Kinds")
	color := md.Fields().ByName("e").Enum()
	if err := protoregistry.GlobalTypes.RegisterEnum(dynamicpb.NewEnumType(color)); err != nil {
		t.Fatal(err)
	}
	for _, vars := range [][]string{nil, {"s", "sub.a"}} {
		values, filter := make([]string, len(vars)), make([][]string, len(vars))
		for i, v := range vars {
			values[i], filter[i] = "path", strings.Split(v, ".")
		}
		request, err := compiler(t).Request(md, RequestRule{HTTPMethod: "GET", Vars: vars}, Options{Unknown: Ignore, GRPCGateway: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range gatewayQueries(md) {
			want, wantErr := dynamicpb.NewMessage(md), error(nil)
			for _, v := range vars {
				if err := runtime.PopulateFieldFromPath(want, v, "path"); err != nil {
					t.Fatal(err)
				}
			}
			pairs, wantErr := url.ParseQuery(query)
			if wantErr == nil {
				wantErr = runtime.PopulateQueryParameters(want, pairs, utilities.NewDoubleArray(filter))
			}
			text, unsendable := proto.MarshalOptions{Deterministic: true}.Marshal(want)
			wire, _, gotErr := request.AppendWire(nil, Input{Path: values, Query: query})
			got := dynamicpb.NewMessage(md)
			switch wrong := new(rpc.Error); {
			case (wantErr == nil && unsendable == nil) != (gotErr == nil):
				t.Errorf("%v %s: got %v, want %v", vars, query, gotErr, wantErr)
			case gotErr != nil:
				if errors.As(gotErr, &wrong); (wrong.Code() == codes.Internal) != (wantErr == nil) {
					t.Errorf("%v %s: got %v, want %v, and %v when it is sent", vars, query, gotErr, wantErr, unsendable)
				}
			case proto.Unmarshal(wire, got) != nil || shownAs(t, got) != string(text)+" "+protojson.Format(want):
				t.Errorf("%v %s: got %s, want %s", vars, query, protojson.Format(got), protojson.Format(want))
			}
		}
	}
}

// gatewayQueries set each field to many values, by several names, and some fields more than once.
func gatewayQueries(md protoreflect.MessageDescriptor) (all []string) {
	texts := []string{
		"", "0", "1", "01", "+1", "-1", "-0", "1.0", "1e2", "1_0", "0x10", " 1", "1 ", "2147483647", "2147483648", "-2147483648", "9223372036854775807",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "true", "false", "T", "F", "t", "TRUE", "True", "tRUE", "yes", "NaN", "nan", "Infinity",
		"-Infinity", "+Infinity", "inf", "1e400", "3.5e38", ".5", "5.", "1e", "RED", "red", "2", "3", "2.0", "a", "a,b", "a_b,c", ",", "YQ==", "YQ", "Y-_g", "Y+/g", "!",
		"2020-01-02T03:04:05Z", "2020-01-02T03:04:05.123456789+01:00", "2020-01-02T3:04:05,5Z", "2020-13-02T03:04:05Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
		"1s", "1.5s", "1h", "-1h2m0.5s", "1.0000000001s", "h", "{}", `{"a":[1,null]}`, "[1]", "null", `"x"`, "{", "{} x", "ü", "\xff", "a\x00b", "a\nb",
	}
	names := []string{"nope", "nope.more", "ri.x", "m[a]", "m[]", "m[a][b]", "m[[a]]", "[a]", "m[a", "m]a[", "m[a\nb]", "nope[a]", "nope[a].b", "sub.labels[k]", "msub[a].a", "osub.a",
		"rec.rec.i", "withJson", "sub.bC", "sub.b_c", "sub.a", "sub.a.b", "sub.", ".sub", ".", "rec.sub.a", "\xff", "snake_case_name", "snakeCaseName"}
	for i := range md.Fields().Len() {
		name := string(md.Fields().Get(i).Name())
		names = append(names, name)
		for _, more := range []string{"[1]", "[[1]]", "[a][1]", "[]", ".s", ".a", ".value", ".paths", ".seconds", ".s.s", ".value[1]", ".nope"} {
			all = append(all, url.QueryEscape(name+more)+"=1", url.QueryEscape("rec."+name+more)+"=1")
		}
		all = append(all, name, name+"=1&"+name+"=2", name+"=1&"+name+"=x", "rec."+name+"=1", "nope=1&"+name+"=1")
	}
	for _, name := range names {
		for _, text := range texts {
			all = append(all, url.Values{name: {text}}.Encode())
		}
	}
	return append(all, "snakeCaseName=x&snake_case_name=y", "custom=1&with_json=2", "o1=a&o2=1", "o1=a&osub.a=x", "osub.a=x&osub.bC=1", "osub.a=x&o1=a", "m[a]=1&m[b]=2",
		"m[a]=1&m[a]=2", "m%5Ba%5D=1", "sub.labels[a]=x&sub.labels[b]=y", "ri=1&ri=2&ri=x", "rs=a,b&rs=", "a=1;b=2", "%zz=1", "s=%zz", "s=%f", "=1", "&&s=x&", "s=a=b", "s=x&sub.a=y",
		"sub=1", "sub.a=x&sub.a=y", "s=x&s.s=y", "re=RED&re=2", "rts=2020-01-02T03:04:05Z&rts=2021-01-02T03:04:05Z", "rs=a&sub.a=x&rs=b", "m=a&m=1", "m=a", "m=1&m=2&m=3",
		"fm.paths=a&fm.paths=b", "sub.nope=1&sub.a=x", "st.fields[a]=1", "lv.values=1", "v.string_value=x", "v.stringValue=x&v.number_value=1", "any.type_url=x", "any.value=YQ")
}

// shownAs is a message's wire in one order: text formats cannot show every mask.
func shownAs(t *testing.T, m protoreflect.ProtoMessage) string {
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(wire) + " " + protojson.Format(m)
}
