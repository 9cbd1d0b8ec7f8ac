//go:build !unix

package testkit

import "os"

// tellStacks is nil: there is no signal to ask by.
var tellStacks os.Signal
