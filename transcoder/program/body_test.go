package program

import (
	"strings"
	"testing"
)

func jsonBody(text string) Input { return Input{Body: []byte(text)} }

func TestPath(t *testing.T) {
	runRows(t, []row{
		{name: "19/scalars and text forms", vars: []string{"s", "l", "sub.at", "w"}, in: Input{Path: []string{"a b", "5", "2020-01-02T03:04:05Z", "6"}},
			want: `{"s":"a b","l":"5","sub":{"at":"2020-01-02T03:04:05Z"},"w":6}`},
		{name: "19/repeated from commas when compatible", vars: []string{"ri"}, options: Options{RepeatedCSV: true}, in: Input{Path: []string{"1,2"}}, want: `{"ri":[1,2]}`},
		{name: "19/nothing from no text", vars: []string{"rs"}, options: Options{RepeatedCSV: true}, in: Input{Path: []string{""}}, want: `{}`},
		{name: "19/bad element", vars: []string{"ri"}, options: Options{RepeatedCSV: true}, in: Input{Path: []string{"1,x"}}, reason: ReasonInvalidParameter, field: "ri", text: `"x"`},

		{name: "23/body has the same value", vars: []string{"s"}, body: "*", in: Input{Path: []string{"p"}, Body: []byte(`{"s":"p","i":1}`)}, want: `{"s":"p","i":1}`},
		{name: "23/body has another value", vars: []string{"s"}, body: "*", in: Input{Path: []string{"p"}, Body: []byte(`{"s":"q"}`)},
			reason: ReasonParameterConflict, field: "s", text: "another value"},
		{name: "23/the path wins when lenient", vars: []string{"s"}, body: "*", options: Options{Unknown: Ignore},
			in: Input{Path: []string{"p"}, Body: []byte(`{"s":"q"}`)}, want: `{"s":"p"}`, ignored: 1},
		{name: "23/a zero in the path wins when lenient", vars: []string{"i"}, body: "*", options: Options{Unknown: Ignore},
			in: Input{Path: []string{"0"}, Body: []byte(`{"i":5}`)}, want: `{}`, ignored: 1},
		{name: "23/a zero in the path differs", vars: []string{"i"}, body: "*", in: Input{Path: []string{"0"}, Body: []byte(`{"i":5}`)}, reason: ReasonParameterConflict},
		{name: "23/null and a zero without presence are no value", vars: []string{"s", "l"}, body: "*", in: Input{Path: []string{"p", "5"}, Body: []byte(`{"s":"","l":null}`)}, want: `{"s":"p","l":"5"}`},
		{name: "23/a zero with presence is a value", vars: []string{"os"}, body: "*", in: Input{Path: []string{"p"}, Body: []byte(`{"os":""}`)}, reason: ReasonParameterConflict},
		{name: "23/equal as a value, not as text", vars: []string{"i", "ts"}, body: "*", in: Input{Path: []string{"1e2", "2020-01-02T03:04:05Z"}, Body: []byte(`{"i":100,"ts":"2020-01-02T04:04:05+01:00"}`)},
			want: `{"i":100,"ts":"2020-01-02T03:04:05Z"}`},
		{name: "23/repeated", vars: []string{"ri"}, body: "*", options: Options{RepeatedCSV: true}, in: Input{Path: []string{"1,2"}, Body: []byte(`{"ri":[1,2]}`)}, want: `{"ri":[1,2]}`},
		{name: "23/repeated and different", vars: []string{"ri"}, body: "*", options: Options{RepeatedCSV: true}, in: Input{Path: []string{"1,2"}, Body: []byte(`{"ri":[1]}`)}, reason: ReasonParameterConflict},

		{name: "23/a whole wrapper has the same value", md: "google.protobuf.StringValue", vars: []string{"value"}, body: "*", in: Input{Path: []string{"p"}, Body: []byte(`"p"`)}, want: `"p"`},
		{name: "23/a whole wrapper has another value", md: "google.protobuf.StringValue", vars: []string{"value"}, body: "*", in: Input{Path: []string{"p"}, Body: []byte(`"q"`)}, reason: ReasonParameterConflict, field: "value"},
		{name: "23/a whole duration, of which the path has a part", md: "google.protobuf.Duration", vars: []string{"nanos"}, body: "*", options: Options{Unknown: Ignore},
			in: Input{Path: []string{"500000000"}, Body: []byte(`"3.25s"`)}, want: `"3.500s"`, ignored: 1},

		{name: "94/verb with body star", md: "CreateBookRequest", vars: []string{"parent"}, body: "*", in: Input{Path: []string{"books/1"}, Body: []byte(`{"bookId":"x"}`)},
			want: `{"parent":"books/1","bookId":"x"}`},
		{name: "94/verb with body star and a parameter", md: "CreateBookRequest", vars: []string{"parent"}, body: "*", in: Input{Path: []string{"books/1"}, Query: "bookId=x"},
			reason: ReasonParameterConflict},

		{name: "97/largest int64", vars: []string{"l"}, in: Input{Path: []string{"9223372036854775807"}}, want: `{"l":"9223372036854775807"}`},
		{name: "97/too large", vars: []string{"l"}, in: Input{Path: []string{"9223372036854775808"}}, reason: ReasonInvalidParameter, field: "l", text: `"9223372036854775808"`},
		{name: "97/empty", vars: []string{"l"}, in: Input{Path: []string{""}}, reason: ReasonInvalidParameter, field: "l"},
		{name: "97/no UTF-8", vars: []string{"s"}, in: Input{Path: []string{"\xff"}}, reason: ReasonInvalidParameter, field: "s"},
	})
}

func TestBody(t *testing.T) {
	runRows(t, []row{
		{name: "24/top-level field", md: "CreateBookRequest", body: "book", in: jsonBody(`{"title":"t"}`), want: `{"book":{"title":"t"}}`},
		{name: "24/nested field", md: "Wrap", body: "inner.book", in: Input{Body: []byte(`{"title":"t"}`), Query: "inner.parent=p&other=o"},
			want: `{"inner":{"parent":"p","book":{"title":"t"}},"other":"o"}`},
		{name: "24/query inside a nested body", md: "Wrap", body: "inner.book", in: Input{Query: "inner.book.title=t"}, reason: ReasonParameterConflict},
		{name: "24/scalar", body: "s", in: jsonBody(`"x"`), want: `{"s":"x"}`},
		{name: "24/int64", body: "l", in: jsonBody(` "5" `), want: `{"l":"5"}`},
		{name: "24/repeated", body: "rsub", in: jsonBody(`[{"a":"x"},{}]`), want: `{"rsub":[{"a":"x"},{}]}`},
		{name: "24/map", body: "m", in: jsonBody(`{"k":1}`), want: `{"m":{"k":1}}`},
		{name: "24/value", body: "v", in: jsonBody(`null`), want: `{"v":null}`},
		{name: "24/struct", body: "st", in: jsonBody(`{"a":[1]}`), want: `{"st":{"a":[1]}}`},
		{name: "24/wrapper", body: "w", in: jsonBody(`5`), want: `{"w":5}`},
		{name: "24/scalar with a second field behind it", body: "s", in: jsonBody(`"x","i":5`), reason: ReasonMalformedBody, field: "s", text: "one JSON value, and ',' follows it"},
		{name: "24/scalar that closes its object", body: "s", in: jsonBody(`"x"},{"s":"y"`), reason: ReasonMalformedBody},
		{name: "24/map that closes its object", body: "m", in: jsonBody(`{}}{`), reason: ReasonMalformedBody},
		{name: "24/two values", body: "s", in: jsonBody(`"x" "y"`), reason: ReasonMalformedBody, text: "(line 1:5)"},
		{name: "24/scalar of another kind", body: "i", in: jsonBody("\n \"x\""), reason: ReasonMalformedBody, field: "i", text: `(line 2:2): expected an int32, found "x"`},
		{name: "24/unclosed string", body: "s", in: jsonBody(`"x`), reason: ReasonMalformedBody},

		{name: "46/null for a wrapper", body: "w", in: jsonBody(" null\n"), want: `{}`},
		{name: "46/null for a scalar", body: "s", in: jsonBody(`null`), want: `{}`},
		{name: "46/null for a repeated field", body: "rs", in: jsonBody(`null`), want: `{}`},
		{name: "70/null for a message", md: "CreateBookRequest", body: "book", in: jsonBody(`null`), reason: ReasonMalformedBody},

		{name: "25/no body rule, no body", in: Input{}, want: `{}`},
		{name: "25/no body rule, empty object", in: jsonBody(" { \n} "), want: `{}`},
		{name: "25/no body rule, white space", in: jsonBody(" \r\n\t"), want: `{}`},
		{name: "25/no body rule, a body", in: jsonBody(`{"s":"x"}`), reason: ReasonUnexpectedBody, field: "body", text: "takes no body"},
		{name: "25/no body rule, a body, lenient", options: Options{Unknown: Ignore}, in: jsonBody(`{"s":"x"}`), reason: ReasonUnexpectedBody},
		{name: "25/no body rule, null", in: jsonBody(`null`), reason: ReasonUnexpectedBody},
		{name: "25/no body rule, a brace", in: jsonBody(`{`), reason: ReasonUnexpectedBody},

		{name: "26/absent is {}", body: "*", vars: []string{"s"}, in: Input{Path: []string{"p"}}, want: `{"s":"p"}`},
		{name: "26/blank is {}", body: "*", in: jsonBody(" \n"), want: `{}`},
		{name: "26/absent message", md: "CreateBookRequest", body: "book", in: Input{}, want: `{"book":{}}`},
		{name: "26/{} message", md: "CreateBookRequest", body: "book", in: jsonBody(`{}`), want: `{"book":{}}`},
		{name: "26/absent struct", body: "st", in: Input{}, want: `{"st":{}}`},
		{name: "26/absent value, for which {} is one among many", body: "v", in: Input{}, want: `{}`},
		{name: "26/absent time", body: "ts", in: Input{}, want: `{}`},
		{name: "26/absent scalar", body: "s", in: Input{}, want: `{}`},
		{name: "26/{} is no scalar", body: "s", in: jsonBody(`{}`), reason: ReasonMalformedBody},
		{name: "26/absent whole wrapper", md: "google.protobuf.StringValue", body: "*", in: Input{}, want: `""`},

		{name: "92/create by both names", md: "CreateBookRequest", vars: []string{"parent"}, body: "book",
			in: Input{Path: []string{"publishers/1"}, Query: "bookId=x", Body: []byte(`{"title":"t"}`)}, want: `{"parent":"publishers/1","book":{"title":"t"},"bookId":"x"}`},
		{name: "92/create by proto name", md: "CreateBookRequest", vars: []string{"parent"}, body: "book",
			in: Input{Path: []string{"publishers/1"}, Query: "book_id=x"}, want: `{"parent":"publishers/1","book":{},"bookId":"x"}`},
		{name: "92/the body's field in the query", md: "CreateBookRequest", vars: []string{"parent"}, body: "book",
			in: Input{Path: []string{"publishers/1"}, Query: "book.title=x"}, reason: ReasonParameterConflict, field: "book.title"},
	})
}

func TestUpdateMask(t *testing.T) {
	patch := func(name, path, query, body, want string) row {
		return row{name: name, md: "UpdateBookRequest", method: "PATCH", vars: []string{"book.name"}, body: "book",
			in: Input{Path: []string{path}, Query: query, Body: []byte(body)}, want: want}
	}
	refused := func(name, path, query, body, reason string) row {
		r := patch(name, path, query, body, "")
		r.reason = reason
		return r
	}
	lenient := func(r row, ignored int) row {
		r.options.Unknown, r.ignored = Ignore, ignored
		return r
	}
	runRows(t, []row{
		patch("88/leaves", "b/1", "", `{"title":"t","author":{"givenName":"g"},"page_count":3}`,
			`{"book":{"name":"b/1","title":"t","author":{"givenName":"g"},"pageCount":3},"updateMask":"title,author.givenName,pageCount"}`),
		patch("88/null is named and cleared", "b/1", "", `{"title":null,"author":null}`, `{"book":{"name":"b/1"},"updateMask":"title,author"}`),
		patch("88/a zero is named", "b/1", "", `{"pageCount":0}`, `{"book":{"name":"b/1"},"updateMask":"pageCount"}`),
		patch("88/repeated and map stop", "b/1", "", `{"tags":["a"],"labels":{"k":"v"}}`, `{"book":{"name":"b/1","tags":["a"],"labels":{"k":"v"}},"updateMask":"tags,labels"}`),
		patch("88/empty message is its path", "b/1", "", `{"author":{}}`, `{"book":{"name":"b/1","author":{}},"updateMask":"author"}`),
		patch("88/well-known types stop", "b/1", "", `{"extra":{"a":{"b":1}},"published":"2020-01-02T03:04:05Z","any":{"@type":"x/test.v1.Author","givenName":"g"}}`,
			`{"book":{"name":"b/1","extra":{"a":{"b":1}},"published":"2020-01-02T03:04:05Z","any":{"@type":"x/test.v1.Author","givenName":"g"}},"updateMask":"extra,published,any"}`),
		patch("88/escapes in names", "b/1", "", "{ \"t\\u0069tle\" :\n\"a\\\"}\" , \"author\": { \"familyName\" : \"f\" } }",
			`{"book":{"name":"b/1","title":"a\"}","author":{"familyName":"f"}},"updateMask":"title,author.familyName"}`),
		patch("88/nothing named, no mask", "b/1", "", `{}`, `{"book":{"name":"b/1"}}`),
		patch("88/no body, no mask", "b/1", "", ``, `{"book":{"name":"b/1"}}`),
		patch("88/a mask that was sent stays", "b/1", "updateMask=author", `{"title":"t"}`, `{"book":{"name":"b/1","title":"t"},"updateMask":"author"}`),
		refused("88/null is no book", "b/1", "", `null`, ReasonMalformedBody),
		refused("88/unknown", "b/1", "", `{"titel":"t"}`, ReasonUnknownField),
		lenient(patch("88/unknown names are not in the mask", "b/1", "", `{"zzz":{"a":1},"author":{"zzz":1},"color":"BLUE","title":"t"}`,
			`{"book":{"name":"b/1","title":"t","author":{}},"updateMask":"title"}`), 3),
		{name: "88/a mask may be optional", md: "OptionalMaskRequest", method: "PATCH", body: "book", in: jsonBody(`{"title":"t"}`), want: `{"book":{"title":"t"},"updateMask":"title"}`},
		{name: "88/not for body star", md: "UpdateBookRequest", method: "PATCH", body: "*", in: jsonBody(`{"book":{"title":"t"}}`), want: `{"book":{"title":"t"}}`},
		{name: "88/not for PUT", md: "UpdateBookRequest", method: "PUT", body: "book", in: jsonBody(`{"title":"t"}`), want: `{"book":{"title":"t"}}`},
		{name: "88/not with two masks", md: "TwoMasksRequest", method: "PATCH", body: "book", in: jsonBody(`{"title":"t"}`), want: `{"book":{"title":"t"}}`},
		{name: "88/not without a mask", md: "CreateBookRequest", method: "PATCH", body: "book", in: jsonBody(`{"title":"t"}`), want: `{"book":{"title":"t"}}`},

		patch("91/the path lies in the body", "b/1", "allowMissing=true", `{"name":"b/1","title":"t"}`, `{"book":{"name":"b/1","title":"t"},"updateMask":"title","allowMissing":true}`),
		patch("91/only the path's own field", "b/1", "", `{"name":"b/1"}`, `{"book":{"name":"b/1"}}`),
		refused("91/another name in the body", "b/1", "", `{"name":"b/2","title":"t"}`, ReasonParameterConflict),
		lenient(patch("91/the path wins when lenient", "b/1", "", `{"name":"b/2","title":"t"}`, `{"book":{"name":"b/1","title":"t"},"updateMask":"title"}`), 1),
		refused("91/the query may not set it", "b/1", "book.name=b/1", `{}`, ReasonParameterConflict),
	})
}

func TestJSON(t *testing.T) {
	whole := func(name, body, want string) row { return row{name: name, body: "*", in: jsonBody(body), want: want} }
	refused := func(name, body, reason, text string) row {
		return row{name: name, body: "*", in: jsonBody(body), reason: reason, text: text}
	}
	nest := func(levels int) string {
		return strings.Repeat(`{"rec":`, levels-1) + `{}` + strings.Repeat(`}`, levels-1)
	}
	runRows(t, []row{
		whole("44/all names", `{"snakeCaseName":"a","with_json":"b"}`, `{"custom":"b","snakeCaseName":"a"}`),
		refused("44/unknown, with position", "{\n  \"zz\": 1}", ReasonUnknownField, `zz: (line 2:3): unknown field "zz" of test.v1.Kinds`),
		refused("44/unknown, with the name that was meant", `{"sub":{"tag":[]}}`, ReasonUnknownField, `sub.tag: (line 1:9): unknown field "tag" of test.v1.Sub; did you mean tags?`),
		refused("44/unknown, with the name that was meant in its own style", `{"rsub":[{},{"b_d":1}]}`, ReasonUnknownField, `rsub[1].b_d: (line 1:14): unknown field "b_d" of test.v1.Sub; did you mean b_c?`),
		{name: "44/unknown in the body's field", md: "CreateBookRequest", body: "book", in: jsonBody(`{"author":{"nam":1}}`), reason: ReasonUnknownField, field: "book.author.nam", text: "(line 1:12)"},
		refused("44/unknown in a value is no unknown field", `{"i":"): unknown field "}`, ReasonMalformedBody, ""),
		{name: "44/unknown is ignored and counted", body: "*", options: Options{Unknown: Ignore},
			in:   jsonBody(`{"zz":{"a":[1]},"sub":{"y":null,"a":"x"},"em":{"q":1},"rsub":[{"p":1}],"msub":{"k":{"p":1}},"re":["RED","NOPE"],"e":"NOPE","any":{"@type":"x/test.v1.Sub","p":1}}`),
			want: `{"sub":{"a":"x"},"re":["RED"],"rsub":[{}],"msub":{"k":{}},"any":{"@type":"x/test.v1.Sub"},"em":{}}`, ignored: 8},
		{name: "44/skipped values are still JSON", body: "*", options: Options{Unknown: Ignore}, in: jsonBody(`{"zz":{"a":1e}}`), reason: ReasonMalformedBody},
		refused("48/exponent without digits", "{\n\"i\":1e}", ReasonMalformedBody, "i: (line 2:5): expected an int32, found 1e"),
		refused("48/exponent without digits in a string", `{"rsub":[{"bC":"1e+"}]}`, ReasonMalformedBody, `rsub[0].bC: (line 1:16): expected an int32, found "1e+"`),
		refused("48/exponent without digits in a wrapper", `{"w":"1E"}`, ReasonMalformedBody, ""),
		whole("48/integers", `{"i":"1e2","u":1.0,"l":"-5","w":"7"}`, `{"i":100,"l":"-5","u":1,"w":7}`),
		refused("45/duplicate", `{"s":"a","s":"b"}`, ReasonMalformedBody, `duplicate field "s"`),
		refused("45/duplicate by another name", `{"snakeCaseName":"a","snake_case_name":"b"}`, ReasonMalformedBody, "duplicate field"),
		refused("45/duplicate map key", `{"m":{"k":1,"k":2}}`, ReasonMalformedBody, `m.k: (line 1:13): duplicate map key "k"`),
		whole("46/null is absent", `{"s":null,"sub":null,"rs":null,"v":null,"nv":null}`, `{"v":null}`),
		refused("46/null in a list", `{"rs":[null]}`, ReasonMalformedBody, "rs[0]: (line 1:8): expected a string, found null"),
		whole("47/null beside a member", `{"o1":null,"o2":1}`, `{"o2":1}`),
		refused("47/two members", `{"o1":1,"o2":1}`, ReasonMalformedBody, "oneof"),
		whole("49/int64 exact", `{"l":9007199254740993}`, `{"l":"9007199254740993"}`),
		whole("55/base64", `{"by":"-_8","rby":["YQ"],"wby":"YQ==","s":"a\nb"}`, `{"s":"a\nb","by":"+/8=","rby":["YQ=="],"wby":"YQ=="}`),
		refused("55/newline", "{\"i\":1,\n \"by\":\"YW\\nJj\"}", ReasonMalformedBody, "(line 2:7): base64"),
		refused("55/newline in a list", `{"rby":["YQ==","YW\rJj"]}`, ReasonMalformedBody, "base64"),
		refused("55/newline in a wrapper", `{"wby":"YWJ\u000aj"}`, ReasonMalformedBody, "base64"),
		refused("55/newline inside Any", `{"any":{"by":"YWJ\nj","@type":"x/test.v1.Kinds"}}`, ReasonMalformedBody, "base64"),
		whole("60/offset", `{"ts":"2020-01-02T03:04:05.5-08:00"}`, `{"ts":"2020-01-02T11:04:05.500Z"}`),
		whole("60/leap days", `{"rts":["2000-02-29T00:00:00Z","2024-02-29T23:59:59.5Z","0004-02-29T00:00:00Z"]}`, `{"rts":["2000-02-29T00:00:00Z","2024-02-29T23:59:59.500Z","0004-02-29T00:00:00Z"]}`),
		refused("60/no leap day in 1900", `{"ts":"1900-02-29T00:00:00Z"}`, ReasonMalformedBody, "RFC 3339"),
		refused("60/no leap day in 2023", `{"ts":"2023-02-29T00:00:00Z"}`, ReasonMalformedBody, "RFC 3339"),
		whole("60/first and last second", `{"rts":["0001-01-01T00:00:00Z","9999-12-31T23:59:59.999999999Z","0000-12-31T23:59:59-23:59"]}`, `{"rts":["0001-01-01T00:00:00Z","9999-12-31T23:59:59.999999999Z","0001-01-01T23:58:59Z"]}`),
		refused("60/before the first second", `{"ts":"0001-01-01T00:00:00+00:01"}`, ReasonMalformedBody, "years 1 to 9999"),
		refused("60/comma", `{"ts":"2020-01-02T03:04:05,5Z"}`, ReasonMalformedBody, "RFC 3339"),
		refused("60/one digit", `{"ts":"2020-01-02T3:04:05Z"}`, ReasonMalformedBody, "RFC 3339"),
		refused("60/one digit inside Any", `{"any":{"@type":"x/google.protobuf.Timestamp","value":"2020-01-02T3:04:05Z"}}`, ReasonMalformedBody, "RFC 3339"),
		refused("60/in a list of messages", `{"rsub":[{},{"at":"2020-01-02T03:04:05+99:00"}]}`, ReasonMalformedBody, ""),
		refused("60/lower case", `{"ts":"2020-01-02t03:04:05z"}`, ReasonMalformedBody, ""),
		refused("60/year 0", `{"ts":"0000-01-02T03:04:05Z"}`, ReasonMalformedBody, "years 1 to 9999"),
		whole("61/lenient forms", `{"du":"+.5s"}`, `{"du":"0.500s"}`),
		whole("66/type last", `{"any":{"a":"x","@type":"test.v1.Sub"}}`, `{"any":{"@type":"test.v1.Sub","a":"x"}}`),
		refused("66/unknown type", `{"any":{"@type":"x/test.v1.Nope"}}`, ReasonMalformedBody, `unable to resolve "x/test.v1.Nope"`),
		{name: "67/extension and group", md: "test.legacy.Legacy", body: "*", in: jsonBody(`{"id":"1","Detail":{"text":"t"},"[test.legacy.ext]":"YQ"}`),
			want: `{"id":"1","detail":{"text":"t"},"[test.legacy.ext]":"YQ=="}`},
		{name: "67/newline in an extension", md: "test.legacy.Legacy", body: "*", in: jsonBody(`{"id":"1","[test.legacy.ext]":"YWJ\nj"}`), reason: ReasonMalformedBody, text: "base64"},
		{name: "68/required is there", md: "test.legacy.Legacy", body: "*", in: jsonBody(`{"id":""}`), want: `{"id":""}`},
		{name: "68/required comes by the path", md: "test.legacy.Legacy", vars: []string{"id"}, body: "*", in: Input{Path: []string{"p"}, Body: []byte(`{"n":0}`)}, want: `{"id":"p","n":0}`},
		{name: "68/required is missing", md: "test.legacy.Legacy", body: "*", in: jsonBody(`{"n":1}`), reason: ReasonMissingField, text: "test.legacy.Legacy.id"},
		refused("69/lone surrogate", `{"s":"\ud800"}`, ReasonMalformedBody, "invalid escape"),
		refused("69/invalid UTF-8", "{\"s\":\"\xff\"}", ReasonMalformedBody, "s: (line 1:7): the string is not UTF-8"),
		refused("70/trailing data", `{} {}`, ReasonMalformedBody, "(line 1:4)"),
		refused("70/trailing comma", `{"i":1,}`, ReasonMalformedBody, "body: (line 1:8): expected a name in double quotes, found '}'"),
		refused("70/null", `null`, ReasonMalformedBody, ""),
		refused("70/array", `[]`, ReasonMalformedBody, ""),
		whole("71/100 levels", nest(100), nest(100)),
		refused("71/101 levels", nest(101), ReasonBodyTooDeep, "(line 1:701)"),
		refused("71/arrays count", strings.Repeat("[", 100_000), ReasonBodyTooDeep, "100 levels"),
		whole("71/brackets in strings do not", `{"s":"`+strings.Repeat(`[\"{`, 200)+`"}`, `{"s":"`+strings.Repeat(`[\"{`, 200)+`"}`),
		{name: "71/own limit", body: "*", options: Options{DepthMax: 2}, in: jsonBody(nest(3)), reason: ReasonBodyTooDeep},
		whole("72/exponent", `{"l":1e18}`, `{"l":"1000000000000000000"}`),
		refused("72/huge exponent", `{"l":1e1000000000}`, ReasonMalformedBody, ""),
		refused("72/huge negative exponent", `{"l":1e-1000000000}`, ReasonMalformedBody, ""),
		refused("72/huge exponent of a double", `{"d":1e1000000000}`, ReasonMalformedBody, ""),
	})
}
