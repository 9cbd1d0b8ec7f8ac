package front

import (
	"strings"
	"testing"
)

func TestETagMatches(t *testing.T) {
	for _, tc := range []struct {
		list string
		want bool
	}{
		{`"a"`, true}, {`W/"a"`, true}, {`"b", W/"a"`, true}, {`"b,c" ,"a"`, true}, {`,"a"`, true}, {`"b",, "a"`, true}, {`*`, true}, {` "a" `, true},
		{`"b"`, false}, {`a`, false}, {`"a`, false}, {`"`, false}, {`W/`, false}, {``, false}, {`w/"a"`, false}, {`"aa"`, false}, {`"b" "a"`, true},
	} {
		for _, tag := range []string{`"a"`, `W/"a"`} {
			if got := ETagMatches([]string{`"z"`, tc.list}, tag); got != tc.want {
				t.Errorf("If-None-Match: %s against %s: %t", tc.list, tag, got)
			}
		}
	}
}

func FuzzETagMatches(f *testing.F) {
	f.Add(`W/"a", "b,c"`, `"a"`)
	f.Fuzz(func(t *testing.T, list, tag string) {
		if ETagMatches([]string{list}, tag) && list != "*" && !strings.Contains(list, strings.TrimPrefix(tag, "W/")) &&
			strings.Trim(list, " \t") != "*" {
			t.Errorf("%q has no %q", list, tag)
		}
	})
}

func BenchmarkETag(b *testing.B) {
	text := []byte(strings.Repeat("0123456789abcdef", 12))
	b.ReportAllocs()
	for b.Loop() {
		header := map[string][]string{}
		header["Etag"] = []string{ETagOf(text)}
	}
}
