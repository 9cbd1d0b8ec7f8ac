package main

import (
	"bytes"
	"io"
	"runtime/pprof"
	"strings"
)

// writeStacks says what every goroutine is doing. Those that do the same are told once, with their number, so that thousands of
// streams are a few lines. Builds with the race detector add what packages keep account of in profiles of their own.
func writeStacks(w io.Writer) {
	var text bytes.Buffer                           // written at once, so that no line of the log comes between
	_ = pprof.Lookup("goroutine").WriteTo(&text, 1) // a buffer never fails
	for _, profile := range pprof.Profiles() {
		if strings.Contains(profile.Name(), "/") { // as none of Go's own has
			_ = profile.WriteTo(&text, 1)
		}
	}
	text.WriteString("end of stacks\n")
	_, _ = w.Write(text.Bytes()) // there is nobody else to tell
}
