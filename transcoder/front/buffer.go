package front

import (
	"slices"
	"sync"

	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// Buffer is room for a text or a message. One of them serves many requests, one after the other.
type Buffer struct{ Bytes []byte }

var buffers = sync.Pool{New: func() any { return new(Buffer) }}

const (
	// keptBytesMax is the largest buffer that is used again: most requests are far smaller, and should not hold on to what
	// a few of them needed.
	keptBytesMax = 4 << 20
	// copiedBytesMax is the longest message that is copied out of its buffer, because counting who uses it costs more.
	copiedBytesMax = 4 << 10
)

// TakeBuffer returns an empty buffer. Whoever takes it frees it.
func TakeBuffer() *Buffer {
	b := buffers.Get().(*Buffer)
	b.Bytes = b.Bytes[:0]
	lend(b)
	return b
}

// Free gives the buffer back. Nothing that points into it may be used any more. It does nothing on nil.
func (b *Buffer) Free() {
	if b == nil {
		return
	}
	takeBack(b)
	if cap(b.Bytes) <= keptBytesMax {
		buffers.Put(b)
	}
}

// Abandon leaves the buffer to whoever may still read it, instead of freeing it: no other call gets it. It does nothing on nil.
func (b *Buffer) Abandon() {
	if b != nil {
		takeBack(b)
	}
}

// Fill makes the frame hold what is in the buffer, which belongs to the frame afterwards.
func (b *Buffer) Fill(f *rpc.Frame) {
	if len(b.Bytes) <= copiedBytesMax {
		f.Hold(mem.SliceBuffer(slices.Clone(b.Bytes)))
		b.Free()
		return
	}
	f.Hold(mem.NewBuffer(&b.Bytes, (*lent)(b)))
}

// FillRequest makes the frame hold the message that p makes of what a client sent. What is left out of it is counted.
func (e *Env) FillRequest(f *rpc.Frame, p *program.Request, in program.Input) error {
	wire := TakeBuffer()
	data, err := e.AppendRequest(wire.Bytes, p, in)
	if err != nil {
		wire.Free()
		return err
	}
	wire.Bytes = data
	wire.Fill(f)
	return nil
}

// AppendRequest appends that message to dst.
func (e *Env) AppendRequest(dst []byte, p *program.Request, in program.Input) ([]byte, error) {
	data, ignored, err := p.AppendWire(dst, in)
	if ignored > 0 {
		e.Ignored("field", ignored)
	}
	return data, err
}

// lent is a buffer that a frame holds: the pool to which the frame's last user returns it.
type lent Buffer

// Get is never called: a pool of one buffer lends it once.
func (l *lent) Get(n int) *[]byte { return new(make([]byte, n)) }

func (l *lent) Put(*[]byte) { (*Buffer)(l).Free() }
