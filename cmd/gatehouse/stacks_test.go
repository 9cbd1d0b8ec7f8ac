package main

import (
	"strings"
	"testing"
)

func TestWriteStacks(t *testing.T) {
	var text strings.Builder
	writeStacks(&text)
	for _, want := range []string{"goroutine profile: total ", "gatehouse.TestWriteStacks+", "\nend of stacks\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in:\n%s", want, text.String())
		}
	}
}
