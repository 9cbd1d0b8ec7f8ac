package program

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// In steady state nothing is allocated but the buffer, and that once.
func TestRequestAllocatesOnce(t *testing.T) {
	if raceDetector {
		t.Skip("pools do not keep what they are given")
	}
	for name, row := range map[string]struct {
		md   string
		rule RequestRule
		in   Input
	}{
		"in order":     {"Book", RequestRule{Body: "*"}, Input{Body: []byte(bodies()["Book"])}},
		"spaced":       {"Kinds", RequestRule{Body: "*"}, Input{Body: []byte("{\n  \"u\" : 1,\n  \"s\" : \"a\\nb\",\n  \"snake_case_name\" : \"\u00e9\"\n}")}},
		"numbers":      {"Kinds", RequestRule{Body: "*"}, Input{Body: []byte(`{"d":1.7976931348623157e308,"f":0.1,"l":"-9223372036854775808","ri":[1,2,300]}`)}},
		"maps":         {"Kinds", RequestRule{Body: "*"}, Input{Body: []byte(`{"m":{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10}}`)}},
		"any":          {"Kinds", RequestRule{Body: "*"}, Input{Body: []byte(`{"any":{"@type":"a.host/test.v1.Sub","a":"b"}}`)}},
		"bytes":        {"Kinds", RequestRule{Body: "*"}, Input{Body: []byte(`{"by":"YWJjZGVm","rby":["-_8"],"fm":"a,bC","du":"1.5s","ts":"2020-01-02T03:04:05.5+01:00"}`)}},
		"path, query":  {"Kinds", RequestRule{Vars: []string{"s", "sub.a"}}, Input{Path: []string{"a", "b"}, Query: "i=7&sub.bC=3&rs=a%20b&rs=c&e=RED&ri=1&ri=2"}},
		"update masks": {"UpdateBookRequest", RequestRule{HTTPMethod: "PATCH", Vars: []string{"book.name"}, Body: "book"}, Input{Path: []string{"b/1"}, Body: []byte(`{"title":"t","author":{"givenName":null}}`)}},
		"extensions":   {"test.legacy.Legacy", RequestRule{Body: "*"}, Input{Body: []byte(`{"id":"1","[test.legacy.ext]":"YQ"}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := compiler(t).Request(message(t, row.md), row.rule, Options{})
			if err != nil {
				t.Fatal(err)
			}
			wire, _, err := request.AppendWire(nil, row.in)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]byte, 0, 1<<10)
			if n := testing.AllocsPerRun(200, func() { _, _, _ = request.AppendWire(dst, row.in) }); n >= 1 { // the collector may empty the pool
				t.Errorf("%v allocations with a buffer", n)
			}
			if n := testing.AllocsPerRun(200, func() { _, _, _ = request.AppendWire(nil, row.in) }); n >= 2 {
				t.Errorf("%v allocations without a buffer, for %d bytes", n, len(wire))
			}
		})
	}
}

// Each of these takes minutes if it is read in more than linear time, and milliseconds if not.
func TestHostileBodies(t *testing.T) {
	const many = 300_000
	var keys, numbers strings.Builder
	for i := range many {
		fmt.Fprintf(&keys, `"k%d":1,`, i)
		numbers.WriteString("[],")
	}
	long := strings.Repeat("9", many)
	nested := func(levels int, inner string) string {
		return strings.Repeat(`{"value":`, levels) + inner + strings.Repeat(`,"@type":"x/google.protobuf.Any"}`, levels)
	}
	for name, row := range map[string]struct {
		text   string
		reason string
	}{
		"a map of many keys":                     {`{"m":{` + strings.TrimSuffix(keys.String(), ",") + `}}`, ""},
		"a duplicate among many keys":            {`{"m":{` + keys.String() + `"k7":1}}`, ReasonMalformedBody},
		"a struct of many keys":                  {`{"st":{` + strings.TrimSuffix(keys.String(), ",") + `}}`, ""},
		"many arrays":                            {`{"lv":[` + strings.TrimSuffix(numbers.String(), ",") + `]}`, ""},
		"a long number":                          {`{"l":` + long + `}`, ReasonMalformedBody},
		"a long number with an exponent":         {`{"l":1` + strings.Repeat("0", many) + `e-` + fmt.Sprint(many) + `}`, ""},
		"a long fraction":                        {`{"d":0.` + long + `}`, ""},
		"a long exponent":                        {`{"l":1e` + long + `}`, ReasonMalformedBody},
		"Anys in Anys, their types last":         {`{"any":` + nested(90, `{"@type":"x/google.protobuf.StringValue","value":"`+strings.Repeat("x", many)+`"}`) + `}`, ""},
		"Anys in Anys, the innermost without it": {`{"any":` + nested(90, `{"value":"`+strings.Repeat("x", many)+`"}`) + `}`, ReasonMalformedBody},
		"many unknown names":                     {`{` + keys.String() + `"s":1}`, ReasonUnknownField},
		"a long name":                            {`{"` + strings.Repeat("x", many) + `":1}`, ReasonUnknownField},
		"brackets that do not close":             {strings.Repeat(`{"rec":`, many), ReasonBodyTooDeep},
		"many messages without a required field": {`{"any":{"@type":"x/test.legacy.Legacy","all":[` + strings.Repeat(`{},`, many) + `{}]}}`, ""},
		"quotes that do not close":               {`{"s":"` + strings.Repeat(`\"`, many), ReasonMalformedBody},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := compiler(t).Message(message(t, "Kinds"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			wire, _, err := request.AppendWire(nil, jsonBody(row.text))
			var refusal *rpc.Error
			switch {
			case row.reason == "" && err != nil:
				t.Errorf("refused: %v", err)
			case row.reason == "" && len(wire) == 0:
				t.Errorf("made only %x", wire)
			case row.reason != "" && (!errors.As(err, &refusal) || refusal.Reason() != row.reason):
				t.Errorf("got %v, want %s", err, row.reason)
			case err != nil && len(err.Error()) > 2048:
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

// The place of an error is looked for once, not for each of many errors.
func TestManyMissingFields(t *testing.T) {
	request, err := compiler(t).Message(message(t, "test.legacy.Legacy"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = request.AppendWire(nil, jsonBody(`{"id":"x","all":[{"id":"y"},`+strings.Repeat(`{},`, 300_000)+`{}]}`))
	if want := "all[1]: required field test.legacy.Legacy.id is not set"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A body that is cut anywhere, or changed anywhere, is refused or read, and never more than that.
func TestCutBodies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, text := range append(texts, bodies()["Book"]) {
		for n := range len(text) {
			for _, cut := range [][]byte{[]byte(text[:n]), append([]byte(text[:n]), text[n+1:]...), bytes.Clone([]byte(text))} {
				if len(cut) == len(text) {
					cut[n] = byte(r.IntN(256))
				}
				checkRequest(t, compiler(t), message(t, "Kinds"), RequestRule{HTTPMethod: "POST", Body: "*"}, Options{}, Input{Body: cut})
			}
		}
	}
}
