//go:build !unix

package gateway

import "math"

// openFilesMax returns how many files the process can have open: here nobody says.
func openFilesMax() int { return math.MaxInt32 }
