package framed

import "testing"

func TestEncodeMessage(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "plain ~": "plain ~", "100%": "100%25", "a\r\nb": "a%0D%0Ab", "\u00e9": "%C3%A9", "\x7f": "%7F", "\xff": "%EF%BF%BD",
	} {
		if got := encodeMessage(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
