package rest

import (
	"slices"
	"sync"

	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// buffer is room for a text or a message. One of them serves many requests, one after the other.
type buffer struct{ bytes []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

const (
	// keptBytesMax is the largest buffer that is used again: most requests are far smaller, and should not hold on to what
	// a few of them needed.
	keptBytesMax = 4 << 20
	// copiedBytesMax is the longest message that is copied out of its buffer, because counting who uses it costs more.
	copiedBytesMax = 4 << 10
)

// takeBuffer returns an empty buffer. Whoever takes it frees it.
func takeBuffer() *buffer {
	b := buffers.Get().(*buffer)
	b.bytes = b.bytes[:0]
	return b
}

// free gives the buffer back. Nothing that points into it may be used any more. It does nothing on nil.
func (b *buffer) free() {
	if b != nil && cap(b.bytes) <= keptBytesMax {
		buffers.Put(b)
	}
}

// fill makes the frame hold what is in the buffer, which belongs to the frame afterwards.
func (b *buffer) fill(f *rpc.Frame) {
	if len(b.bytes) <= copiedBytesMax {
		f.Hold(mem.SliceBuffer(slices.Clone(b.bytes)))
		b.free()
		return
	}
	f.Hold(mem.NewBuffer(&b.bytes, (*lent)(b)))
}

// lent is a buffer that a frame holds: the pool to which the frame's last user returns it.
type lent buffer

// Get is never called: a pool of one buffer lends it once.
func (l *lent) Get(n int) *[]byte { return new(make([]byte, n)) }

func (l *lent) Put(*[]byte) { (*buffer)(l).free() }
