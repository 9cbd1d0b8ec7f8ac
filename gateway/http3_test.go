package gateway

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWholeBody(t *testing.T) {
	for name, c := range map[string]struct {
		announced int64
		want      error
	}{
		"AllOfIt": {4, nil}, "LessThanAnnounced": {5, io.ErrUnexpectedEOF},
	} {
		text, err := io.ReadAll(&wholeBody{io.NopCloser(strings.NewReader("body")), c.announced})
		if string(text) != "body" || !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}
