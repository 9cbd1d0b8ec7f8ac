package rest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAccepted(t *testing.T) {
	both, lines := []string{typeJSON, typeLines}, []string{typeLines}
	for _, tc := range []struct {
		name   string
		accept []string
		offers []string
		want   string // "" for a refusal
	}{
		{"NoHeader", nil, both, typeJSON},
		{"EmptyHeader", []string{""}, both, typeJSON},
		{"Anything", []string{"*/*"}, both, typeJSON},
		{"AnyApplication", []string{"application/*"}, lines, typeLines},
		{"Exact", []string{"application/x-ndjson"}, both, typeLines},
		{"CaseAndParameters", []string{"Application/JSON; charset=utf-8"}, both, typeJSON},
		{"HighestQuality", []string{"application/json;q=0.5, application/x-ndjson;q=0.6"}, both, typeLines},
		{"SeveralHeaders", []string{"text/html", "application/json"}, both, typeJSON},
		{"SpecificBeatsWild", []string{"*/*, application/json;q=0"}, both, typeLines},
		{"WildAfterSpecific", []string{"application/json;q=0, */*"}, both, typeLines},
		{"MalformedIsSkipped", []string{"nonsense, ;;, application/json"}, both, typeJSON},
		{"OnlyMalformed", []string{"nonsense, application/json;q=x"}, both, typeJSON},
		{"OtherType", []string{"text/html"}, both, ""},
		{"StreamIsNoJSON", []string{"application/json"}, lines, ""},
		{"AllRuledOut", []string{"*/*;q=0"}, both, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := accepted(http.Header{"Accept": tc.accept}, tc.offers)
			if got != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}

func TestAccepted_LooksAtABound(t *testing.T) {
	h := http.Header{"Accept": {strings.Repeat("text/html,", acceptRangesMax) + typeJSON}}
	if got, err := accepted(h, []string{typeJSON}); err == nil {
		t.Errorf("got %q from behind the bound", got)
	}
}

// FuzzAccepted: whatever the header, the answer is one of the offers or a refusal.
func FuzzAccepted(f *testing.F) {
	for _, v := range []string{"", "*/*", "application/json;q=0.5,text/html", `a/b;c="d,e"`, ";q=1", "*"} {
		f.Add(v)
	}
	offers := []string{typeJSON, typeLines}
	f.Fuzz(func(t *testing.T, v string) {
		got, err := accepted(http.Header{"Accept": {v}}, offers)
		if slices.Contains(offers, got) == (err != nil) {
			t.Errorf("%q: got %q, %v", v, got, err)
		}
	})
}
