// Package compress is what the fronts share of content codings: their names, which one a client wants, and readers and writers
// that are used again. It knows gzip and zstd.
package compress

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Coding is a content coding (RFC 9110, section 8.4.1).
type Coding uint8

// The codings. Identity is none.
const (
	Identity Coding = iota
	Gzip
	Zstd
)

// Names lists what Parse knows, for clients that sent something else.
const Names = "gzip, zstd, identity"

var names = [...]string{Identity: "identity", Gzip: "gzip", Zstd: "zstd"}

// String returns the name as HTTP has it.
func (c Coding) String() string { return names[c] }

// Parse reads a name in lower case.
func Parse(name string) (c Coding, ok bool) {
	switch name {
	case "identity":
		return Identity, true
	case "gzip", "x-gzip": // RFC 9110, section 8.4.1.3: the same
		return Gzip, true
	case "zstd":
		return Zstd, true
	}
	return Identity, false
}

const (
	// windowMax bounds the memory that a zstd body makes its decoder take, at its first bytes; RFC 9659 allows no more in HTTP.
	windowMax = 8 << 20
	// slowWindowMax is the same for who may hold it for a long time. Encoders take no more at their usual levels.
	slowWindowMax = 2 << 20
)

// Reader returns what src holds, decoded, as it is asked for: the caller bounds how much. It is for bytes that are here
// already. An error may come with the first Read. Close gives the reader back and leaves src as it is. It is not for
// Identity.
func (c Coding) Reader(src io.Reader) io.ReadCloser { return c.reader(src, &zstdReaders) }

// SlowReader is Reader for a src that may stand still: zstd with a window of more than 2 MiB is an error.
func (c Coding) SlowReader(src io.Reader) io.ReadCloser { return c.reader(src, &slowZstdReaders) }

func (c Coding) reader(src io.Reader, pool *sync.Pool) io.ReadCloser {
	if c == Zstd {
		z := pool.Get().(*zstd.Decoder)
		r := &reader{Reader: z, back: func() {
			if z.Reset(nil) == nil {
				pool.Put(z)
			}
		}}
		r.err = z.Reset(src)
		return r
	}
	z := gzipReaders.Get().(*gzip.Reader)
	r := &reader{Reader: z, back: func() { gzipReaders.Put(z) }}
	r.err = z.Reset(src)
	return r
}

// reader lends a decoder.
type reader struct {
	io.Reader
	err  error
	back func()
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.Reader.Read(p)
}

func (r *reader) Close() error {
	if r.back != nil {
		r.back()
		r.back = nil
	}
	return nil
}

// Writer encodes. Flush makes everything written so far readable for the client, Close ends the coding; neither does the like
// to what it writes to. After Close, and only if nothing failed, Free gives it back.
type Writer interface {
	io.Writer
	Flush() error
	Close() error
	Free()
}

// Writer returns a writer that encodes to dst. It is not for Identity.
func (c Coding) Writer(dst io.Writer) Writer {
	if c == Zstd {
		z := zstdWriters.Get().(*zstd.Encoder)
		z.Reset(dst)
		return zstdWriter{z}
	}
	z := gzipWriters.Get().(*gzip.Writer)
	z.Reset(dst)
	return gzipWriter{z}
}

type zstdWriter struct{ *zstd.Encoder }

func (w zstdWriter) Free() { w.Reset(nil); zstdWriters.Put(w.Encoder) }

type gzipWriter struct{ *gzip.Writer }

func (w gzipWriter) Free() { w.Reset(io.Discard); gzipWriters.Put(w.Writer) }

// Speed counts more than size in a gateway, and a small window keeps many slow streams small.
var (
	zstdReaders     = sync.Pool{New: func() any { return newZstdReader(windowMax) }}
	slowZstdReaders = sync.Pool{New: func() any { return newZstdReader(slowWindowMax) }}
	gzipReaders     = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zstdWriters     = sync.Pool{New: func() any {
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(256<<10), zstd.WithEncoderLevel(zstd.SpeedFastest)) // options that hold
		return z
	}}
	gzipWriters = sync.Pool{New: func() any {
		z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // a level that there is
		return z
	}}
)

func newZstdReader(window uint64) *zstd.Decoder {
	z, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window)) // options that hold
	return z
}
