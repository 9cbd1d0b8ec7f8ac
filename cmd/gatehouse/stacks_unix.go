//go:build unix

package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

// tellStacks writes all stacks whenever the process gets SIGUSR1, for an operator who wonders what a gateway waits for.
func tellStacks(w io.Writer) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			writeStacks(w)
		}
	}()
}
