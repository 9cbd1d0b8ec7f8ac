package grpcweb

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTextReader(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	for _, c := range []struct {
		coded, want string
		fails       bool
	}{
		{coded: "", want: ""},
		{coded: "YQ==", want: "a"},
		{coded: "YQ==YmM=ZGVm", want: "abcdef"},
		{coded: base64.StdEncoding.EncodeToString([]byte(long)) + "YQ==", want: long + "a"},
		{coded: "YQ", fails: true},
		{coded: "YWJjYQ", want: "abc", fails: true},
		{coded: "YQ==!!!!", fails: true},
		{coded: "YQ\r\n", fails: true},
		{coded: "=YQ=", fails: true},
		{coded: "____", fails: true}, // the URL-safe alphabet is another one
	} {
		for name, source := range map[string]io.Reader{
			"whole": strings.NewReader(c.coded), "bytes": iotest.OneByteReader(strings.NewReader(c.coded)), "end": iotest.DataErrReader(strings.NewReader(c.coded)),
		} {
			got, err := io.ReadAll(&textReader{source: source})
			if (err != nil) != c.fails || !c.fails && string(got) != c.want || !strings.HasPrefix(c.want, string(got)) && !strings.HasPrefix(c.coded, "YQ==!") {
				t.Errorf("%.20q by %s: %.20q, %v", c.coded, name, got, err)
			}
		}
	}
}

func TestTextWriter(t *testing.T) {
	var out bytes.Buffer
	w := newTextWriter(&out)
	for _, frame := range []string{"a", "bc", "def"} {
		for _, part := range []string{frame[:1], frame[1:]} {
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.pad(); err != nil {
			t.Fatal(err)
		}
	}
	if out.String() != "YQ==YmM=ZGVm" {
		t.Error(out.String())
	}
}

func FuzzTextReader(f *testing.F) {
	f.Add([]byte("YQ==YmM=ZGVm"), 3)
	f.Add([]byte("YQ==!!!!"), 1)
	f.Fuzz(func(t *testing.T, coded []byte, step int) {
		got, err := io.ReadAll(&textReader{source: &stepper{coded, max(step, 1)}})
		if err != nil {
			return
		}
		var want []byte // group by group, by the library alone
		for i := 0; i < len(coded); i += 4 {
			group, err := base64.StdEncoding.DecodeString(string(coded[i:min(i+4, len(coded))]))
			if err != nil {
				t.Fatalf("%q was taken, but %v", coded, err)
			}
			want = append(want, group...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%q: %q, want %q", coded, got, want)
		}
	})
}

// stepper gives a few bytes at a time.
type stepper struct {
	rest []byte
	step int
}

func (s *stepper) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.step, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}
