package program

import "testing"

// fields is a request of form fields: names and text by turns.
func fields(pairs ...string) (in Input) {
	for i := 0; i < len(pairs); i += 2 {
		in.Form = append(in.Form, FormValue{Name: pairs[i], Value: []byte(pairs[i+1])})
	}
	return in
}

func file(name, value, media string) Input {
	return Input{Form: []FormValue{{Name: name, Value: []byte(value), File: true, Media: media}}}
}

// TestForm: the fields of a form are parameters, and its files are bytes as they are.
func TestForm(t *testing.T) {
	both := fields("s", "text")
	both.Query = "s=query"
	gateway := Options{Unknown: Ignore, GRPCGateway: true}
	runRows(t, []row{
		{name: "23/fields by name", in: fields("s", "a b&c", "sub.bC", "1", "ri", "2", "ri", "3"), want: `{"s":"a b&c","sub":{"bC":1},"ri":[2,3]}`},
		{name: "23/text is not decoded twice", in: fields("s", "a%41+b"), want: `{"s":"a%41+b"}`},
		{name: "23/bytes of text are base64", in: fields("by", "AQI="), want: `{"by":"AQI="}`},
		{name: "23/wrong text", in: fields("i", "x"), reason: ReasonInvalidParameter, field: "i"},
		{name: "23/unknown", in: fields("nope", "1"), reason: ReasonUnknownParameter, field: "nope"},
		{name: "23/unknown when lenient", options: Options{Unknown: Ignore}, in: fields("nope", "1", "s", "x"), want: `{"s":"x"}`, ignored: 1},
		{name: "23/twice", in: fields("s", "a", "s", "b"), reason: ReasonDuplicateParam, field: "s"},
		{name: "23/query and form", in: both, reason: ReasonDuplicateParam, field: "s"},
		{name: "23/path and form", vars: []string{"s"}, in: Input{Path: []string{"p"}, Form: fields("s", "q").Form}, reason: ReasonParameterConflict, field: "s"},
		{name: "23/text that is no UTF-8", in: fields("s", "\xff"), reason: ReasonInvalidParameter, field: "s"},

		{name: "23/a file is bytes", in: file("by", "\x01\xff", "image/png"), want: `{"by":"Af8="}`},
		{name: "23/an empty file", in: file("wby", "", ""), want: `{"wby":""}`},
		{name: "23/a file in a wrapper", in: file("wby", "\x01", ""), want: `{"wby":"AQ=="}`},
		{name: "23/a file in a list", in: file("rby", "a", ""), want: `{"rby":["YQ=="]}`},
		{name: "23/a file of text", in: file("s", "ä\r\n", "text/plain"), want: `{"s":"ä\r\n"}`},
		{name: "23/a file of other bytes is no text", in: file("s", "\xff", "text/plain"), reason: ReasonInvalidParameter, field: "s", text: "file"},
		{name: "23/a file is no number", in: file("i", "1", "text/plain"), reason: ReasonInvalidParameter, field: "i", text: "file"},
		{name: "23/a file is no message", in: file("sub", "", ""), reason: ReasonInvalidParameter, field: "sub", text: "file"},

		{name: "23/by grpc-gateway's grammar", options: gateway, in: fields("i", "+1", "m[a]", "2", "b", "T", "nope", "x"), want: `{"b":true,"i":1,"m":{"a":2}}`, ignored: 1},
		{name: "23/two halves of an entry", options: gateway, in: fields("m", "a", "m", "2"), want: `{"m":{"a":2}}`},
		{name: "23/one half of an entry", options: gateway, in: fields("m", "a"), reason: ReasonInvalidParameter},
		{name: "23/a file by grpc-gateway's grammar", options: gateway, in: file("by", "\x01", ""), want: `{"by":"AQ=="}`},
	})
}
