package program

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// join is the wire of several fields in a row.
func join(fields ...[]byte) []byte { return slices.Concat(fields...) }

func varintField(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func fixed32Field(n protowire.Number, v uint32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, n, protowire.Fixed32Type), v)
}

func fixed64Field(n protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), v)
}

func textField(n protowire.Number, s string) []byte { return bytesField(n, []byte(s)) }

func groupField(n protowire.Number, content []byte) []byte {
	return protowire.AppendTag(append(protowire.AppendTag(nil, n, protowire.StartGroupType), content...), n, protowire.EndGroupType)
}

// A reply's JSON, by the number of the rule. Where want is "" the reply is refused, and cause is part of the log's text.
func TestReplySemantics(t *testing.T) {
	const book, legacy, letters, edition = "Book", "test.legacy.Legacy", "test.legacy.Letters", "test.editions.Edition"
	double := func(v float64) []byte { return fixed64Field(8, math.Float64bits(v)) }
	single := func(v float32) []byte { return fixed32Field(7, math.Float32bits(v)) }
	seconds := func(s, n int64) []byte { return join(varintField(1, uint64(s)), varintField(2, uint64(n))) }
	needed := varintField(12, 1)
	for _, row := range []struct {
		name    string
		md      string
		options Options
		wire    []byte
		want    string
		cause   string
	}{
		{name: "44/json_name, or the proto name", wire: join(textField(61, "a"), textField(62, "b")), want: `{"custom":"a","snakeCaseName":"b"}`},
		{name: "44/proto names", options: Options{ProtoNames: true}, wire: join(textField(61, "a"), textField(62, "b")), want: `{"with_json":"a","snake_case_name":"b"}`},
		{name: "48/32 bits are numbers", wire: join(varintField(3, math.MaxUint64), varintField(5, math.MaxUint32), varintField(13, 3)), want: `{"i":-1,"u":4294967295,"z":-2}`},
		{name: "48/more than 32 bits are cut off", wire: join(varintField(3, 1<<32+7), varintField(5, 1<<32)), want: `{"i":7}`},
		{name: "49/64 bits are strings", wire: join(varintField(4, 1<<63), varintField(6, math.MaxUint64), fixed64Field(14, 1<<53+1)), want: `{"l":"-9223372036854775808","ul":"18446744073709551615","x":"9007199254740993"}`},
		{name: "51/NaN and infinities are strings", wire: join(single(float32(math.Inf(-1))), double(math.NaN())), want: `{"f":"-Infinity","d":"NaN"}`},
		{name: "51/negative zero is a value", wire: double(math.Copysign(0, -1)), want: `{"d":-0}`},
		{name: "51/positive zero is none", wire: join(single(0), double(0)), want: `{}`},
		{name: "52/shortest digits", wire: join(single(0.1), double(0.1)), want: `{"f":0.1,"d":0.1}`},
		{name: "52/float digits are not double digits", wire: join(single(16777216), double(float64(float32(0.1)))), want: `{"f":16777216,"d":0.10000000149011612}`},
		{name: "52/whole numbers have no point", wire: double(1), want: `{"d":1}`},
		{name: "52/exponents from 1e21", wire: join(single(1e21), double(1e21)), want: `{"f":1e+21,"d":1e+21}`},
		{name: "52/no exponents below", wire: double(1e20), want: `{"d":100000000000000000000}`},
		{name: "52/exponents below 1e-6", wire: join(single(1e-7), double(9.5e-7)), want: `{"f":1e-7,"d":9.5e-7}`},
		{name: "52/1e-6 has none", wire: double(1e-6), want: `{"d":0.000001}`},
		{name: "52/cents", wire: double(-1234567.89), want: `{"d":-1234567.89}`},
		{name: "52/near cents", wire: double(math.Nextafter(1.1, 2)), want: `{"d":1.1000000000000003}`},
		{name: "53/any varint but 0 is true", wire: varintField(2, 1<<40), want: `{"b":true}`},
		{name: "55/standard base64 with padding", wire: join(bytesField(9, []byte{0xfb, 0xff}), bytesField(27, []byte("a"))), want: `{"by":"+/8=","rby":["YQ=="]}`},
		{name: "56/open enums keep unknown numbers", wire: join(varintField(10, 7), varintField(22, 1), varintField(22, math.MaxUint64)), want: `{"e":7,"re":["RED",-1]}`},
		{name: "56/closed enums do not", md: edition, wire: join(needed, varintField(8, 2), varintField(8, 7), bytesField(9, []byte{7, 1, 9}), varintField(9, 7)), want: `{"closed":"CLOSED_TWO","closeds":["CLOSED_ONE"],"needed":1}`},
		{name: "56/a map's entry goes with its closed enum", md: edition, wire: join(needed, bytesField(10, join(textField(1, "a"), varintField(2, 7))), bytesField(10, join(textField(1, "b"), varintField(2, 1)))), want: `{"byName":{"b":"CLOSED_ONE"},"needed":1}`},
		{name: "56/an unknown number does not clear a oneof", md: edition, wire: join(needed, varintField(14, 1), varintField(13, 7)), want: `{"needed":1,"second":"OPEN_ONE"}`},
		{name: "56/the first alias prints", md: letters, wire: varintField(1, 2), want: `{"letter":"Duo"}`},
		{name: "56/numbers", options: Options{EnumNumbers: true}, wire: varintField(10, 2), want: `{"e":2}`},
		{name: "58/NullValue is null", wire: varintField(41, 1), want: `{"nv":null}`},
		{name: "59/string keys sorted by bytes", wire: join(mapEntry(25, "b", 1), mapEntry(25, "é", 2), mapEntry(25, "B", 3), mapEntry(25, "", 4)), want: `{"m":{"":4,"B":3,"b":1,"é":2}}`},
		{name: "59/number keys sorted by value", md: edition, wire: join(needed, bytesField(17, varintField(1, 3)), bytesField(17, varintField(1, 20)), bytesField(17, varintField(1, 2))), want: `{"needed":1,"signed":{"-2":"","1":"","10":""}}`},
		{name: "59/false before true", md: edition, wire: join(needed, bytesField(16, varintField(1, 1)), bytesField(16, nil)), want: `{"needed":1,"bools":{"false":"","true":""}}`},
		{name: "59/the last entry of a key counts", wire: join(mapEntry(25, "a", 1), mapEntry(25, "b", 2), mapEntry(25, "a", 3)), want: `{"m":{"a":3,"b":2}}`},
		{name: "59/entries do not merge", wire: join(bytesField(26, join(textField(1, "k"), bytesField(2, textField(1, "a")))), bytesField(26, join(textField(1, "k"), bytesField(2, varintField(2, 1))))), want: `{"msub":{"k":{"bC":1}}}`},
		{name: "59/two values of one entry do", wire: bytesField(26, join(bytesField(2, textField(1, "a")), textField(1, "k"), bytesField(2, varintField(2, 1)))), want: `{"msub":{"k":{"a":"a","bC":1}}}`},
		{name: "59/neither key nor value", wire: join(bytesField(26, nil), bytesField(25, nil)), want: `{"m":{"":0},"msub":{"":{}}}`},
		{name: "59/a closed enum without value is its first", md: edition, wire: join(needed, bytesField(10, textField(1, "a"))), want: `{"byName":{"a":"CLOSED_ONE"},"needed":1}`},
		{name: "60/0, 3, 6 or 9 digits", wire: join(bytesField(23, seconds(0, 0)), bytesField(23, seconds(-1, 5e8)), bytesField(23, seconds(1583020799, 1000)), bytesField(23, seconds(951782400, 1))), want: `{"rts":["1970-01-01T00:00:00Z","1969-12-31T23:59:59.500Z","2020-02-29T23:59:59.000001Z","2000-02-29T00:00:00.000000001Z"]}`},
		{name: "60/first and last second", wire: join(bytesField(23, seconds(timestampMin, 0)), bytesField(23, seconds(timestampMax, nanosMax))), want: `{"rts":["0001-01-01T00:00:00Z","9999-12-31T23:59:59.999999999Z"]}`},
		{name: "60/before year 1", wire: bytesField(30, seconds(timestampMin-1, 0)), cause: "google.protobuf.Timestamp, at byte 3: seconds"},
		{name: "60/after year 9999", wire: bytesField(30, seconds(timestampMax+1, 0)), cause: "seconds out of range"},
		{name: "60/negative nanos", wire: bytesField(30, seconds(0, -1)), cause: "nanos out of range"},
		{name: "61/0, 3, 6 or 9 digits", wire: bytesField(31, seconds(-1, -5e8)), want: `{"du":"-1.500s"}`},
		{name: "61/less than a second", wire: bytesField(31, seconds(0, -1)), want: `{"du":"-0.000000001s"}`},
		{name: "61/bound", wire: bytesField(31, seconds(durationMax, 0)), want: `{"du":"315576000000s"}`},
		{name: "61/beyond", wire: bytesField(31, seconds(durationMax+1, 0)), cause: "seconds out of range"},
		{name: "61/signs differ", wire: bytesField(31, seconds(1, -1)), cause: "signs"},
		{name: "62/lowerCamelCase", wire: bytesField(32, join(textField(1, "a_b.c_d"), textField(1, "e"))), want: `{"fm":"aB.cD,e"}`},
		{name: "62/empty", wire: bytesField(32, nil), want: `{"fm":""}`},
		{name: "62/digit behind an underscore", wire: bytesField(32, textField(1, "x_0")), cause: "irreversible"},
		{name: "62/capital", wire: bytesField(32, textField(1, "aB")), cause: "irreversible"},
		{name: "62/no path", wire: bytesField(32, textField(1, "a..b")), cause: "invalid path"},
		{name: "63/any JSON", wire: bytesField(37, join(
			bytesField(1, join(textField(1, "n"), bytesField(2, fixed64Field(2, math.Float64bits(1.5))))),
			bytesField(1, join(textField(1, "l"), bytesField(2, bytesField(6, join(bytesField(1, varintField(1, 0)), bytesField(1, varintField(4, 1))))))),
			bytesField(1, join(textField(1, "e"), bytesField(2, bytesField(5, nil)))),
		)), want: `{"st":{"e":{},"l":[null,true],"n":1.5}}`},
		{name: "63/the last kind counts", wire: bytesField(38, join(textField(3, "a"), varintField(4, 1))), want: `{"v":true}`},
		{name: "63/structs of one value merge", wire: bytesField(38, join(bytesField(5, structEntry("b")), bytesField(5, structEntry("a")))), want: `{"v":{"a":true,"b":true}}`},
		{name: "63/unset", wire: bytesField(38, nil), cause: "none of the kinds"},
		{name: "63/NaN", wire: bytesField(38, fixed64Field(2, math.Float64bits(math.NaN()))), cause: "NaN"},
		{name: "63/empty", wire: join(bytesField(37, nil), bytesField(42, nil)), want: `{"st":{},"lv":[]}`},
		{name: "64/the bare value", wire: join(bytesField(33, varintField(1, 5)), bytesField(34, nil), bytesField(35, varintField(1, 0)), bytesField(36, textField(1, "a"))), want: `{"w":5,"ws":"","wb":false,"wby":"YQ=="}`},
		{name: "64/the last value counts", wire: bytesField(33, join(varintField(1, 5), varintField(1, 0))), want: `{"w":0}`},
		{name: "65/Empty", wire: bytesField(40, nil), want: `{"em":{}}`},
		{name: "65/Empty in Any", wire: bytesField(39, textField(1, "x/google.protobuf.Empty")), want: `{"any":{"@type":"x/google.protobuf.Empty"}}`},
		{name: "65/Duration in Any", wire: bytesField(39, join(bytesField(2, seconds(1, 0)), textField(1, "x/google.protobuf.Duration"))), want: `{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}`},
		{name: "66/@type first", wire: bytesField(39, join(bytesField(2, textField(1, "b")), textField(1, "x/test.v1.Sub"))), want: `{"any":{"@type":"x/test.v1.Sub","a":"b"}}`},
		{name: "66/value without type", wire: bytesField(39, textField(2, "a")), cause: "without a type_url"},
		{name: "66/required fields may be missing", wire: bytesField(39, textField(1, "/test.legacy.Legacy")), want: `{"any":{"@type":"/test.legacy.Legacy"}}`},
		{name: "67/extension", md: legacy, wire: join(textField(100, "a"), textField(1, "i")), want: `{"id":"i","[test.legacy.ext]":"YQ=="}`},
		{name: "67/extensions by name", md: edition, wire: join(needed, bytesField(100, varintField(1, 1)), varintField(101, 2)), want: `{"needed":1,"[test.editions.a_second]":[2],"[test.editions.z_first]":{"a":1}}`},
		{name: "67/group", md: legacy, wire: join(textField(1, "i"), groupField(6, textField(1, "t"))), want: `{"id":"i","detail":{"text":"t"}}`},
		{name: "67/delimited", md: edition, wire: join(needed, groupField(4, join(varintField(1, 1), groupField(2, nil))), groupField(5, nil), groupField(5, textField(3, "b"))), want: `{"part":{"a":1,"part":{}},"parts":[{},{"b":"b"}],"needed":1}`},
		{name: "67/group that does not end", md: legacy, wire: join(textField(1, "i"), protowire.AppendTag(nil, 6, protowire.StartGroupType)), cause: "wire format"},
		{name: "67/group with another end", md: legacy, wire: join(textField(1, "i"), protowire.AppendTag(protowire.AppendTag(nil, 6, protowire.StartGroupType), 7, protowire.EndGroupType)), cause: "wire format"},
		{name: "68/a zero that is there", md: edition, wire: join(textField(1, ""), textField(2, ""), needed), want: `{"explicit":"","needed":1}`},
		{name: "68/required is missing", md: edition, wire: textField(1, "a"), cause: "required"},
		{name: "68/required is missing further down", md: legacy, wire: join(textField(1, "i"), bytesField(5, varintField(4, 1))), cause: "required"},
		{name: "68/required comes with a later piece", md: legacy, wire: join(textField(1, "i"), bytesField(5, varintField(4, 1)), bytesField(5, textField(1, "j"))), want: `{"id":"i","next":{"id":"j","n":1}}`},
		{name: "69/what JSON escapes", wire: textField(1, "\"\\\b\f\n\r\t\x00\x1f/<>&\u2028é😀\x7f"), want: `{"s":"\"\\\b\f\n\r\t\u0000\u001f/<>&` + "\u2028é😀\x7f" + `"}`},
		{name: "69/U+FFFD is a character", wire: textField(1, "\ufffd"), want: "{\"s\":\"\ufffd\"}"},
		{name: "69/surrogates are none", wire: textField(1, "\xed\xa0\x80"), cause: "UTF-8"},
		{name: "69/overlong is none", wire: textField(20, "\xc0\x80"), cause: "UTF-8"},
		{name: "69/in a key", wire: mapEntry(25, "\xff", 1), cause: "UTF-8"},
		{name: "69/in what is not shown", wire: join(textField(1, "\xff"), textField(1, "a")), cause: "UTF-8"},
		{name: "69/where no decoder minds, and not shown", md: legacy, wire: join(textField(1, "\xff"), textField(1, "i")), want: `{"id":"i"}`},
		{name: "69/where no decoder minds, and shown", md: edition, wire: join(needed, textField(3, "\xff")), cause: "UTF-8"},
		{name: "73/unknown fields are dropped", wire: join(groupField(999, groupField(1, varintField(1, 1))), textField(1, "a"), fixed32Field(998, 1), fixed64Field(997, 1)), want: `{"s":"a"}`},
		{name: "73/another wire type is unknown", wire: join(varintField(1, 1), textField(3, "a"), fixed32Field(24, 1)), want: `{}`},
		{name: "73/the last scalar counts", wire: join(varintField(3, 5), textField(1, "a"), varintField(3, 0)), want: `{"s":"a"}`},
		{name: "73/the last of a oneof counts", wire: join(bytesField(52, textField(1, "a")), varintField(50, 0), varintField(51, 7), varintField(50, 3)), want: `{"o1":3}`},
		{name: "73/a oneof's message starts anew", wire: join(bytesField(52, textField(1, "a")), varintField(50, 0), bytesField(52, varintField(2, 1))), want: `{"osub":{"bC":1}}`},
		{name: "73/messages merge", wire: join(bytesField(11, textField(1, "a")), textField(1, "s"), bytesField(11, join(varintField(2, 1), bytesField(3, textField(1, "x")))), bytesField(11, bytesField(3, varintField(2, 2)))), want: `{"s":"s","sub":{"a":"a","bC":1,"sub":{"a":"x","bC":2}}}`},
		{name: "73/messages with a form merge", wire: join(bytesField(30, varintField(1, 1)), bytesField(30, varintField(2, 5e8)), bytesField(33, varintField(1, 1)), bytesField(33, nil)), want: `{"ts":"1970-01-01T00:00:01.500Z","w":1}`},
		{name: "73/a merge can mend", wire: join(bytesField(30, varintField(2, math.MaxUint64)), bytesField(30, varintField(2, 0))), want: `{"ts":"1970-01-01T00:00:00Z"}`},
		{name: "73/packed and not", wire: join(varintField(21, 1), bytesField(21, []byte{2, 3}), textField(1, "s"), varintField(21, 4), bytesField(21, nil)), want: `{"s":"s","ri":[1,2,3,4]}`},
		{name: "73/empty run", wire: bytesField(21, nil), want: `{}`},
		{name: "73/groups merge", md: edition, wire: join(groupField(4, varintField(1, 1)), needed, groupField(4, textField(3, "b"))), want: `{"part":{"a":1,"b":"b"},"needed":1}`},
		{name: "73/varints longer than they need be", wire: []byte{0x18, 0x85, 0x80, 0x00}, want: `{"i":5}`},
		{name: "73/varint of eleven bytes", wire: append([]byte{0x18}, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")...), cause: "wire format"},
		{name: "73/length beyond the end", wire: []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f, 'a'}, cause: "wire format"},
		{name: "73/packed run cut off", wire: bytesField(21, []byte{0x80}), cause: "wire format"},
		{name: "73/field number 0", wire: []byte{0x00, 0x00}, cause: "wire format"},
		{name: "74/declaration order", wire: join(varintField(3, 1), textField(1, "a"), textField(62, "z"), varintField(2, 1)), want: `{"s":"a","b":true,"i":1,"snakeCaseName":"z"}`},
		{name: "74/defaults", md: book, options: Options{EmitDefaults: true}, wire: textField(2, "t"), want: `{"name":"","title":"t","tags":[],"labels":{},"pageCount":0,"color":"COLOR_UNSPECIFIED","cover":""}`},
		{name: "74/defaults whatever the order", md: book, options: Options{EmitDefaults: true}, wire: join(varintField(8, 1), textField(2, "t"), varintField(8, 0)), want: `{"name":"","title":"t","tags":[],"labels":{},"pageCount":0,"color":"COLOR_UNSPECIFIED","cover":""}`},
		{name: "74/defaults of numbers and nulls", options: Options{EmitDefaults: true, EnumNumbers: true, ProtoNames: true}, wire: nil, want: `{"s":"","b":false,"i":0,"l":"0","u":0,"ul":"0","f":0,"d":0,"by":"","e":0,"z":0,"x":"0","rs":[],"ri":[],"re":[],"rts":[],"rsub":[],"m":{},"msub":{},"rby":[],"nv":null,"with_json":"","snake_case_name":""}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.md == "" {
				row.md = "Kinds"
			}
			md := message(t, row.md)
			response, err := compiler(t).Response(md, "", row.options)
			if err != nil {
				t.Fatal(err)
			}
			got, err := response.AppendJSON(nil, row.wire)
			if row.want == "" {
				var refusal *rpc.Error
				if !errors.As(err, &refusal) || refusal.Reason() != ReasonBadReply {
					t.Fatalf("got %s, %v; want %s", got, err, ReasonBadReply)
				}
				if cause := refusal.Unwrap().Error(); !strings.Contains(cause, row.cause) {
					t.Errorf("the cause %q does not say %q", cause, row.cause)
				}
				return
			}
			if err != nil {
				t.Fatal(errors.Unwrap(err))
			}
			if string(got) != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func mapEntry(n protowire.Number, key string, value uint64) []byte {
	return bytesField(n, join(textField(1, key), varintField(2, value)))
}

// structEntry is a Struct with one field that is true.
func structEntry(key string) []byte {
	return bytesField(1, join(textField(1, key), bytesField(2, varintField(4, 1))))
}
