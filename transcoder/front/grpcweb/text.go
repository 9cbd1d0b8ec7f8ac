package grpcweb

import (
	"encoding/base64"
	"io"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// textReader decodes base64 that may consist of several texts, each with padding of its own: groups of four characters, of
// which any may be padded (PROTOCOL-WEB, "text-encoded streams").
type textReader struct {
	source io.Reader
	coded  [1024]byte
	n      int // characters of a group that is not complete yet, at the start of coded
	plain  []byte
	room   [768]byte
	err    error
}

func (t *textReader) Read(p []byte) (int, error) {
	for len(t.plain) == 0 && t.err == nil {
		t.fill()
	}
	if len(t.plain) == 0 {
		return 0, t.err
	}
	n := copy(p, t.plain)
	t.plain = t.plain[n:]
	return n, nil
}

// fill reads once, and decodes the groups that are complete.
func (t *textReader) fill() {
	n, err := t.source.Read(t.coded[t.n:])
	n += t.n
	whole := n - n%4
	out := t.room[:0]
	for i := 0; i < whole; i += 4 {
		var ok bool
		if out, ok = appendGroup(out, t.coded[i:i+4]); !ok {
			t.err = rpc.Errorf(codes.Internal, "FRAMING", "the request is not base64")
			return // what came before it may be whole messages, but nobody can rely on them
		}
	}
	t.plain, t.n = out, copy(t.coded[:], t.coded[whole:n])
	switch {
	case err == io.EOF && t.n > 0:
		t.err = io.ErrUnexpectedEOF
	case err != nil:
		t.err = err
	}
}

// appendGroup decodes four characters. Go's decoder skips line ends, which are not base64 here.
func appendGroup(out, group []byte) ([]byte, bool) {
	for _, c := range group {
		if c == '\r' || c == '\n' {
			return out, false
		}
	}
	out, err := base64.StdEncoding.AppendDecode(out, group)
	return out, err == nil
}

// textWriter encodes base64. pad ends a text, so that a client can read all of it.
type textWriter struct {
	w    io.Writer
	text io.WriteCloser
}

func newTextWriter(w io.Writer) *textWriter {
	return &textWriter{w, base64.NewEncoder(base64.StdEncoding, w)}
}

func (t *textWriter) Write(p []byte) (int, error) { return t.text.Write(p) }

func (t *textWriter) pad() error {
	err := t.text.Close()
	t.text = base64.NewEncoder(base64.StdEncoding, t.w)
	return err
}
