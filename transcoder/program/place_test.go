package program

import (
	"strings"
	"testing"
)

// In each text ^ marks the place.
func TestPlace(t *testing.T) {
	for text, want := range map[string]string{
		`^{}`:                                    "",
		`{^"a":1}`:                               "a",
		`{"a":^1}`:                               "a",
		`{"a":1^}`:                               "a",
		`{"a":1,^}`:                              "",
		`{"a":{"b":[1,{"c":^"x"}]}}`:             "a.b[1].c",
		`{"a":{"b":1},"d":[[],[0,^0]]}`:          "d[1][1]",
		`[{"a":"}]"},^{}]`:                       "[1]",
		`{"\u0061\"b":^0}`:                       `a"b`,
		`{"a":"x","b":"y^z"}`:                    "b",
		`{"a":"\\","b":^1}`:                      "b",
		`}}]{"a":^1`:                             "a",
		`{"a":^"\q`:                              "a",
		`{"` + strings.Repeat("x", 99) + `":^1}`: strings.Repeat("x", 64) + "…",
	} {
		before, after, _ := strings.Cut(text, "^")
		if got := placeOf([]byte(before+after), len(before)); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestFound(t *testing.T) {
	for text, want := range map[string]string{
		``: "the end of the body", `{`: "an object", `[1]`: "an array", `"a\nb"`: `"a\nb"`, `-1.5e3,`: "-1.5e3", `true}`: "true", `,`: "','", "\xff": "'\uFFFD'",
		strings.Repeat("9", 999): strings.Repeat("9", 64),
	} {
		if got := found([]byte(text), 0); got != want {
			t.Errorf("%.20s: got %s, want %s", text, got, want)
		}
	}
}
