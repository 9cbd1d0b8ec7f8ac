package framed

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// framed returns a message with its prefix.
func framed(flag byte, body []byte) []byte {
	prefix := make([]byte, prefixLen)
	prefix[0] = flag
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(body)))
	return append(prefix, body...)
}

func gzipped(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(body)
	z.Close()
	return out.Bytes()
}

// readerOf reads gRPC; an encoding that is not known is none.
func readerOf(encoding string, bytesMax int, parts ...[]byte) *reader {
	coding, _ := compress.Parse(encoding)
	return &reader{body: bytes.NewReader(bytes.Join(parts, nil)), coding: coding, bytesMax: bytesMax, malformed: codes.Internal}
}

func TestReader(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789"), 300_000)
	r := readerOf("gzip", 4<<20, framed(0, []byte("one")), framed(0, nil), framed(1, gzipped(big)), framed(1, nil), framed(0, big))
	r.body = iotest.HalfReader(r.body)
	for i, want := range [][]byte{[]byte("one"), nil, big, nil, big} {
		data, err := r.next()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if !bytes.Equal(data.Materialize(), want) {
			t.Errorf("message %d has %d bytes, want %d", i, data.Len(), len(want))
		}
		data.Free()
	}
	if _, err := r.next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestReaderRefuses(t *testing.T) {
	bomb := gzipped(make([]byte, 1<<20))
	for _, c := range []struct {
		name string
		r    *reader
		want codes.Code
	}{
		{"CutPrefix", readerOf("", 10, []byte{0, 0}), codes.Internal},
		{"CutMessage", readerOf("", 10, framed(0, []byte("abc"))[:7]), codes.Internal},
		{"CutBeforeMessage", readerOf("", 10, framed(0, []byte("abc"))[:5]), codes.Internal},
		{"Flag", readerOf("gzip", 10, framed(2, []byte("abc"))), codes.Internal},
		{"FlagOfTrailers", readerOf("", 10, framed(0x80, []byte("abc"))), codes.Internal},
		{"CompressedByNothing", readerOf("", 10, framed(1, []byte("abc"))), codes.Internal},
		{"CompressedByIdentity", readerOf("identity", 10, framed(1, []byte("abc"))), codes.Internal},
		{"NotGzip", readerOf("gzip", 10, framed(1, []byte("abc"))), codes.Internal},
		{"CutGzip", readerOf("gzip", 100, framed(1, gzipped([]byte("hello, hello"))[:20])), codes.Internal},
		{"NotZstd", readerOf("zstd", 10, framed(1, []byte("abc"))), codes.Internal},
		{"WideZstd", readerOf("zstd", 10, framed(1, []byte("\x28\xb5\x2f\xfd\x00\xb0\x01\x00\x00"))), codes.Internal},
		{"TooLarge", readerOf("", 10, framed(0, make([]byte, 11))), codes.ResourceExhausted},
		{"HugeLength", readerOf("", 10, []byte{0, 0xff, 0xff, 0xff, 0xff}), codes.ResourceExhausted},
		{"Bomb", readerOf("gzip", 10_000, framed(1, bomb)), codes.ResourceExhausted},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.r.next()
			if own, ok := err.(*rpc.Error); !ok || own.Code() != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	t.Run("BrokenBody", func(t *testing.T) {
		broken := errors.New("the connection broke")
		r := &reader{body: iotest.ErrReader(broken), bytesMax: 10}
		if _, err := r.next(); err != broken {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ExactlyTheLimit", func(t *testing.T) {
		if _, err := readerOf("gzip", 1<<20, framed(1, bomb)).next(); err != nil {
			t.Error(err)
		}
	})
}

// A client that announces a large message and sends nothing gets no memory for it.
func TestReaderMemory(t *testing.T) {
	announced := []byte{0, 0, 0x40, 0, 0} // 4 MiB
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			readerOf("", 4<<20, announced).next()
		}
	}).AllocedBytesPerOp()
	if allocated > 64<<10 {
		t.Errorf("%d bytes for nothing", allocated)
	}
}

func TestCompressed(t *testing.T) {
	for _, coding := range []compress.Coding{compress.Gzip, compress.Zstd} {
		for _, body := range []string{"x", strings.Repeat("hello ", 10_000)} {
			packed, err := compressed(mem.BufferSlice{mem.SliceBuffer(body)}, coding)
			if err != nil {
				t.Fatal(err)
			}
			back, err := readerOf(coding.String(), 1<<20, framed(1, packed.Materialize())).next()
			if err != nil || string(back.Materialize()) != body {
				t.Errorf("%d bytes by %s: %v", len(body), coding, err)
			}
			packed.Free()
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(framed(0, []byte("one")), "")
	f.Add(append(framed(0, nil), framed(1, gzipped([]byte("two")))...), "gzip")
	f.Add(framed(1, gzipped(make([]byte, 5000))), "gzip")
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff, 1}, "identity")
	f.Add(framed(2, []byte("x")), "gzip")
	f.Add(framed(1, []byte("\x28\xb5\x2f\xfd\x00\xb0\x01\x00\x00")), "zstd")
	f.Fuzz(func(t *testing.T, wire []byte, encoding string) {
		const bytesMax = 4096
		if encoding != "gzip" && encoding != "zstd" {
			encoding = ""
		}
		r := readerOf(encoding, bytesMax, wire)
		read := 0
		for {
			data, err := r.next()
			if err != nil {
				var own *rpc.Error
				if err != io.EOF && !errors.As(err, &own) {
					t.Fatalf("an error without a code: %v", err)
				}
				return
			}
			if data.Len() > bytesMax {
				t.Fatalf("a message of %d bytes", data.Len())
			}
			if read += prefixLen; encoding == "" {
				read += data.Len()
			}
			if read > len(wire) {
				t.Fatal("more was read than was there")
			}
			data.Free()
		}
	})
}
