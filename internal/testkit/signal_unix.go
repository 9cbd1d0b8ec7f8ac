//go:build unix

package testkit

import (
	"os"
	"syscall"
)

// tellStacks is the signal that asks gatehouse what its goroutines are doing.
var tellStacks os.Signal = syscall.SIGUSR1
