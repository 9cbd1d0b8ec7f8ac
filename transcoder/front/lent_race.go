//go:build race

package front

import "runtime/pprof"

// onLoan has the buffers that were taken and not freed, by who took them.
var onLoan = pprof.NewProfile("github.com/gatehouse-gateway/gatehouse/transcoder/front.Buffer")

func lend(b *Buffer) { onLoan.Add(b, 2) }

func takeBack(b *Buffer) { onLoan.Remove(b) }
