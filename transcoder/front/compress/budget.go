package compress

import "sync/atomic"

// Budget bounds how many of something the process has at a time. It is safe for concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget returns a budget of so many.
func NewBudget(most int64) *Budget {
	b := new(Budget)
	b.left.Store(most)
	return b
}

// Take takes one and reports whether there was one left. Whoever has one gives it back once.
func (b *Budget) Take() bool {
	if b.left.Add(-1) >= 0 {
		return true
	}
	b.left.Add(1)
	return false
}

// Give gives one back.
func (b *Budget) Give() { b.left.Add(1) }

// A stream may stand still for hours, and holds its coder all that time. What all of them hold is bounded, to about 85 MiB by
// encoders of 170 or 340 KiB, and to 80 MiB by decoders of zstd, of up to 2.4 MiB.
var (
	StreamEncoders = NewBudget(256)
	StreamDecoders = NewBudget(32)
)
