//go:build unix

package gateway

import (
	"math"
	"syscall"
)

// openFilesMax returns how many files the process can have open. The Go runtime has raised that to what the system allows.
func openFilesMax() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32 // then nobody knows
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
