package compress

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestAccepted(t *testing.T) {
	for header, want := range map[string]struct {
		coding Coding
		plain  bool
	}{
		"gzip":                      {Gzip, true},
		"gzip, zstd":                {Zstd, true},
		"GZIP, br":                  {Gzip, true},
		"zstd;q=0.5, gzip":          {Gzip, true},
		"br, deflate":               {Identity, true},
		"":                          {Identity, true},
		"identity":                  {Identity, true},
		"gzip;q=0.5, identity":      {Identity, true},
		"gzip, identity;q=0":        {Gzip, false},
		"identity;q=0":              {Identity, false},
		"*;q=0":                     {Identity, false},
		"br, *;q=0":                 {Identity, false},
		"identity, *;q=0":           {Identity, true},
		"*":                         {Zstd, true},
		"*, zstd;q=0":               {Gzip, true},
		"gzip;q=0":                  {Identity, true},
		"gzip;q=2, zstd;q=x, zstd;": {Identity, true},
		"gzip ; q=0.1":              {Gzip, true},
	} {
		c, plain := Accepted([]string{header})
		if c != want.coding || plain != want.plain {
			t.Errorf("%q: %s, %t, want %s, %t", header, c, plain, want.coding, want.plain)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Accepted([]string{"gzip;q=0.5, zstd, *;q=0"}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestWindows: who may hold a decoder for a long time gets a smaller one.
func TestWindows(t *testing.T) {
	for windowLog, fits := range map[int]struct{ here, slow bool }{21: {true, true}, 22: {true, false}, 23: {true, false}, 24: {false, false}} {
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, byte(windowLog-10) << 3, 0x01, 0x00, 0x00} // RFC 8878: one empty block, the last
		for name, r := range map[string]struct {
			io.ReadCloser
			ok bool
		}{"Reader": {Zstd.Reader(bytes.NewReader(frame)), fits.here}, "SlowReader": {Zstd.SlowReader(bytes.NewReader(frame)), fits.slow}} {
			if _, err := io.ReadAll(r); (err == nil) != r.ok {
				t.Errorf("%s, a window of %d KiB: %v", name, 1<<windowLog>>10, err)
			}
			r.Close()
		}
	}
}

// TestRoundTrip uses each pool twice, and reads what was flushed before the end.
func TestRoundTrip(t *testing.T) {
	for _, c := range []Coding{Gzip, Zstd, Gzip, Zstd} {
		var sent bytes.Buffer
		w := c.Writer(&sent)
		text := strings.Repeat(c.String(), 10_000)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		early := c.Reader(bytes.NewReader(sent.Bytes()))
		got := make([]byte, len(text))
		if _, err := io.ReadFull(early, got); err != nil || string(got) != text {
			t.Errorf("%s: what was flushed: %v", c, err)
		}
		early.Close()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		w.Free()
		r := c.Reader(&sent)
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("%s: %d bytes of %d, %v", c, len(got), len(text), err)
		}
		r.Close()
		rubbish := c.Reader(strings.NewReader("rubbish, more than a header"))
		if _, err := io.ReadAll(rubbish); err == nil {
			t.Errorf("%s: rubbish was decoded", c)
		}
		rubbish.Close()
	}
}

// TestAcceptedInOrder: among those that a client likes alike the first one that it names counts.
func TestAcceptedInOrder(t *testing.T) {
	for header, want := range map[string]Coding{
		"gzip, zstd":             Gzip,
		"zstd,gzip":              Zstd,
		"br, gzip, zstd":         Gzip,
		"gzip;q=0.5, zstd":       Zstd,
		"identity, gzip":         Identity,
		"gzip, identity":         Gzip,
		"*":                      Zstd,
		"*, gzip":                Gzip,
		"gzip;q=0, zstd;q=0":     Identity,
		"deflate":                Identity,
		"gzip;q=1.0, zstd;q=1":   Gzip,
		"identity;q=0.5, gzip":   Gzip,
		"gzip, gzip;q=0.5, zstd": Zstd,
	} {
		if got := AcceptedInOrder([]string{header}); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	if got := AcceptedInOrder([]string{"gzip", "zstd"}); got != Gzip {
		t.Errorf("two headers: %s", got)
	}
}
