package rest

import (
	"bufio"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// readAll reads the messages of a body.
func readAll(body io.Reader, lines bool, limit int) (texts []string, err error) {
	q := &requests{source: bufio.NewReaderSize(body, 16), lines: lines, array: !lines, limit: limit, within: func(bool) {}}
	for {
		buffer := front.TakeBuffer()
		text, err := q.next(buffer)
		if err == io.EOF {
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(text))
		buffer.Free()
	}
}

func TestElements(t *testing.T) {
	for _, c := range []struct {
		body string // without the bracket that begins it
		want []string
		err  string
	}{
		{body: "]"},
		{body: " \n ] \n "},
		{body: "{}]", want: []string{"{}"}},
		{body: ` {"a":[1,2]} , {"b":"],[\",\\"} ,3,"x" ]`, want: []string{`{"a":[1,2]}`, `{"b":"],[\",\\"}`, "3", `"x"`}},
		{body: "{},]", want: []string{"{}"}, err: "element 2: there is nothing before"},
		{body: ",{}]", err: "element 1: there is nothing before"},
		{body: "{},,{}]", want: []string{"{}"}, err: "element 2: there is nothing before"},
		{body: "{}", err: "element 1: the body ends within the array"},
		{body: "{},", want: []string{"{}"}, err: "the body ends within the array"},
		{body: "", err: "the body ends within the array"},
		{body: "{}] x", want: []string{"{}"}, err: "there is something behind"},
		{body: "{}]]", want: []string{"{}"}, err: "there is something behind"},
		{body: `["` + strings.Repeat("x", 100) + `"]]`, err: "element 1: the body is larger"},
		{body: strings.Repeat(" ", 60) + "{}," + strings.Repeat("\n", 60) + "{}]", want: []string{"{}", "{}"}},
		{body: "{}," + strings.Repeat(" ", 100) + "{}]", want: []string{"{}"}, err: "element 2: more than 64 bytes of white space"},
		{body: "{}]" + strings.Repeat(" ", 100), want: []string{"{}"}, err: "element 2: more than 64 bytes of white space"},
		{body: "}]", want: []string{}, err: "element 1: the body ends"}, // no JSON, whoever reads it
	} {
		for name, reader := range map[string]io.Reader{"whole": strings.NewReader(c.body), "bytes": iotest.OneByteReader(strings.NewReader(c.body))} {
			got, err := readAll(reader, false, 64)
			if !slices.Equal(got, c.want) || (err != nil) != (c.err != "") || err != nil && !strings.HasPrefix(err.(*rpc.Error).Message(), c.err) {
				t.Errorf("%s, %s: %q, %v, want %q, %s", c.body, name, got, err, c.want, c.err)
			}
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 100)
	for body, want := range map[string]struct {
		texts []string
		err   string
	}{
		"":                      {},
		"\n \r\n":               {},
		"{}":                    {texts: []string{"{}"}},
		"{}\n\n {\"a\":1} \r\n": {texts: []string{"{}", `{"a":1}`}},
		"{}\n" + long + "\n":    {texts: []string{"{}"}, err: "line 2: the body is larger"},
		"\f\n":                  {texts: []string{"\f"}}, // no white space of JSON's, whoever reads it
		"{}\n" + strings.Repeat(" \n", 30) + long: {texts: []string{"{}"}, err: "line 32: the body is larger"},
		"{}\n" + strings.Repeat("\n", 100):        {texts: []string{"{}"}, err: "line "},
	} {
		got, err := readAll(iotest.HalfReader(strings.NewReader(body)), true, 64)
		if !slices.Equal(got, want.texts) || (err != nil) != (want.err != "") || err != nil && !strings.HasPrefix(err.(*rpc.Error).Message(), want.err) {
			t.Errorf("%q: %q, %v, want %q, %s", body, got, err, want.texts, want.err)
		}
	}
}

// An array that is JSON has the elements that encoding/json finds.
func FuzzElements(f *testing.F) {
	f.Add(`[{"a":[1,"]"]},2]`)
	f.Add(`[]`)
	f.Add(`["\\\"",[[]],{}]`)
	f.Fuzz(func(t *testing.T, body string) {
		rest, ok := strings.CutPrefix(body, "[")
		if !ok {
			return
		}
		got, err := readAll(iotest.HalfReader(strings.NewReader(rest)), false, 1<<20)
		if own := new(rpc.Error); err != nil && !asError(err, &own) {
			t.Fatalf("an error without a reason: %v", err)
		}
		var want []json.RawMessage
		if json.Unmarshal([]byte(body), &want) != nil {
			return
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%q: %q, %v", body, got, err)
		}
		for i := range got {
			if got[i] != strings.Trim(string(want[i]), " \t\r\n") {
				t.Errorf("%q: element %d is %q, want %q", body, i, got[i], want[i])
			}
		}
	})
}

func asError(err error, to **rpc.Error) (ok bool) { *to, ok = err.(*rpc.Error); return ok }
