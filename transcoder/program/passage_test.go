package program

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// parts keeps what it is handed, and forgets nothing when the writer uses its buffer again.
type parts struct {
	text    []byte
	largest int
	fails   error
}

func (p *parts) Write(b []byte) (int, error) {
	p.text, p.largest = append(p.text, b...), max(p.largest, len(b))
	return len(b), p.fails
}

// checkParts compares what a response writes in parts with what it writes as a whole. How small they are depends on the
// wire.
func checkParts(t *testing.T, r *Response, wire, want []byte, wantErr error) {
	t.Helper()
	size := [][2]int{{1, 1}, {64, 9}, {1, 1 << 20}}[len(wire)%3]
	if len(wire) < 32 {
		size = [2]int{1, 1}
	}
	got := new(parts)
	rest, err := r.write(got, size[0], size[1], nil, wire)
	switch text := append(got.text, rest...); {
	case (err != nil) != (wantErr != nil):
		t.Errorf("in parts of %v: %v, as a whole: %v\nwire %.500x", size, errors.Unwrap(err), errors.Unwrap(wantErr), wire)
	case err == nil && !bytes.Equal(text, want):
		t.Errorf("in parts of %v\nwire %.500x\ngot  %.500s\nwant %.500s", size, wire, text, want)
	}
}

// A large reply never stands in memory as a whole, whichever of its fields makes it large.
func TestPassageIsSmall(t *testing.T) {
	size, options := 3<<20, []Options{{}, {EmitDefaults: true}}
	if raceDetector {
		size, options = size/2, options[:1]
	}
	repeat := func(field []byte) []byte { return bytes.Repeat(field, size/len(field)) }
	entries := func(n protowire.Number, value []byte) (wire []byte) {
		for i := range size / (len(value) + 16) {
			wire = append(wire, bytesField(n, join(textField(1, fmt.Sprintf("%07d", i)), value))...)
		}
		return wire
	}
	deep := func(n protowire.Number, in []byte) []byte {
		for range 20 {
			in = join(textField(1, "a"), bytesField(n, in))
		}
		return in
	}
	for name, wire := range map[string][]byte{
		"list of messages":         repeat(bytesField(24, join(textField(1, "a"), varintField(2, 1)))),
		"list of large messages":   repeat(bytesField(24, repeatTags(100<<10))),
		"list of strings":          repeat(textField(20, strings.Repeat("é", 100))),
		"packed numbers":           bytesField(21, bytes.Repeat([]byte{1}, size)),
		"two lists by turns":       repeat(join(varintField(21, 1), textField(20, "a"), varintField(22, 1))),
		"map of numbers":           entries(25, varintField(2, 7)),
		"map of messages":          entries(26, bytesField(2, textField(1, "a"))),
		"one string":               textField(1, strings.Repeat("aé\"\n", size/5)),
		"one bytes":                bytesField(9, bytes.Repeat([]byte{1, 2, 3, 4}, size/4)),
		"large strings":            bytes.Repeat(textField(20, strings.Repeat("a", 1<<20)), 3),
		"large bytes":              bytes.Repeat(bytesField(27, bytes.Repeat([]byte("a"), 1<<20)), 3),
		"message in message":       bytesField(11, deep(3, repeatTags(size))),
		"message in pieces":        repeat(join(bytesField(11, textField(5, "tag")), varintField(3, 1))),
		"behind many small fields": join(repeat(varintField(3, 1)), repeat(bytesField(24, nil))),
	} {
		for _, o := range options {
			t.Run(fmt.Sprint(name, o.EmitDefaults), func(t *testing.T) {
				response, err := compiler(t).Response(message(t, "Kinds"), "", o)
				if err != nil {
					t.Fatal(err)
				}
				want, err := response.AppendJSON(nil, wire)
				if err != nil {
					t.Fatal(err)
				}
				got := new(parts)
				rest, err := response.WriteJSON(got, nil, wire)
				if err != nil || !bytes.Equal(append(got.text, rest...), want) {
					t.Fatalf("%d bytes, %v; want %d", len(got.text)+len(rest), err, len(want))
				}
				if bound := heldBytes + 8*chunkBytes; got.largest > bound || cap(rest) > 2*bound {
					t.Errorf("%d bytes stood in memory at once, of %d", max(got.largest, cap(rest)), len(want))
				}
			})
		}
	}
}

// repeatTags is a Sub with many tags.
func repeatTags(size int) []byte { return bytes.Repeat(textField(5, "tag"), size/5) }

// Up to 1 MiB of text nothing is handed over, so that whoever asks for it can still be told that it is wrong.
func TestPassageHoldsTheFirstMiB(t *testing.T) {
	response, err := compiler(t).Response(message(t, "Kinds"), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	bad := textField(20, "\xff")
	for _, row := range []struct {
		strings int // of 1 KiB, before the bad one
		leaves  bool
	}{{1000, false}, {2000, true}} {
		got := new(parts)
		wire := join(bytes.Repeat(textField(20, strings.Repeat("a", 1<<10)), row.strings), bad)
		_, err := response.WriteJSON(got, nil, wire)
		if err == nil || !strings.Contains(errors.Unwrap(err).Error(), "UTF-8") || (len(got.text) > 0) != row.leaves {
			t.Errorf("%d KiB before the error: %d bytes left, %v", row.strings, len(got.text), err)
		}
	}
}

func TestPassageEndsWithItsWriter(t *testing.T) {
	response, err := compiler(t).Response(message(t, "Kinds"), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := &parts{fails: errors.New("no more")}
	wire := bytes.Repeat(textField(20, "abc"), 1<<20)
	if _, err := response.WriteJSON(got, nil, wire); err != got.fails || len(got.text) > heldBytes+chunkBytes {
		t.Errorf("%d bytes, %v", len(got.text), err)
	}
}
