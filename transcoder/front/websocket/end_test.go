package websocket

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("a", 123), strings.Repeat("a", 124), strings.Repeat("ä", 62), strings.Repeat("€", 50)} {
		got := clip(text)
		if !strings.HasPrefix(text, got) || len(got) > 123 || !utf8.ValidString(got) || len(got) < min(len(text), 120) {
			t.Errorf("%q (%d bytes): got %d bytes", text, len(text), len(got))
		}
	}
}
