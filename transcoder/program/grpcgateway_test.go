package program

import (
	"net/url"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestGRPCGatewayParameters compares what parameters become with grpc-gateway's own parser. That answers 500 to what is no UTF-8, when it
// sends the message, and we 400.
func TestGRPCGatewayParameters(t *testing.T) {
	md := message(t, "Kinds")
	color := md.Fields().ByName("e").Enum()
	if err := protoregistry.GlobalTypes.RegisterEnum(dynamicpb.NewEnumType(color)); err != nil {
		t.Fatal(err)
	}
	request, err := compiler(t).Request(md, RequestRule{HTTPMethod: "GET"}, Options{Unknown: Ignore, GRPCGateway: true})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{
		"", "0", "1", "01", "+1", "-1", "-0", "1.0", "1e2", "1_0", "0x10", " 1", "1 ", "2147483647", "2147483648", "-2147483648", "9223372036854775807",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "true", "false", "T", "F", "t", "TRUE", "True", "tRUE", "yes", "NaN", "nan", "Infinity",
		"-Infinity", "+Infinity", "inf", "1e400", "3.5e38", ".5", "5.", "1e", "RED", "red", "2", "3", "2.0", "a", "a,b", "a_b,c", ",", "YQ==", "YQ", "Y-_g", "Y+/g", "!",
		"2020-01-02T03:04:05Z", "2020-01-02T03:04:05.123456789+01:00", "2020-01-02T3:04:05,5Z", "2020-13-02T03:04:05Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
		"1s", "1.5s", "1h", "-1h2m0.5s", "1", "1.0000000001s", "h", "{}", `{"a":[1,null]}`, "[1]", "null", `"x"`, "{", "{} x", "ü",
	}
	names := []string{"nope", "nope.more", "s.x", "ri.x", "m[a]", "m[]", "ri[0]", "s[a]", "nope[a]", "m", "rsub", "sub", "sub.labels[k]", "msub[a]", "sub[a]", "fm.paths", "ts.seconds",
		"w.value", "em", "st", "v", "o1", "osub.a", "rec.rec.i", "custom", "with_json", "withJson", "sub.bC", "sub.b_c", "snake_case_name"}
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	for _, name := range names {
		for _, text := range texts {
			query := url.Values{name: {text}}.Encode()
			want := dynamicpb.NewMessage(md)
			wantErr := runtime.PopulateQueryParameters(want, url.Values{name: {text}}, utilities.NewDoubleArray(nil))
			wire, _, gotErr := request.AppendWire(nil, Input{Query: query})
			if (wantErr == nil) != (gotErr == nil) {
				t.Errorf("%s=%q: got %v, want %v", name, text, gotErr, wantErr)
				continue
			}
			if gotErr != nil {
				continue
			}
			got := dynamicpb.NewMessage(md)
			if err := proto.Unmarshal(wire, got); err != nil {
				t.Fatal(err)
			}
			if shownAs(t, got) != shownAs(t, want) {
				t.Errorf("%s=%q: got %s, want %s", name, text, shownAs(t, got), shownAs(t, want))
			}
		}
	}
}

// shownAs is a message's wire in one order: text formats cannot show every mask.
func shownAs(t *testing.T, m protoreflect.ProtoMessage) string {
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := protojson.Marshal(m) // for people
	return string(wire) + " " + string(text)
}
