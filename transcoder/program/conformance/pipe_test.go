package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestServe: a testee answers until its input ends, and its transcript grows with every process.
func TestServe(t *testing.T) {
	rec, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	descriptors, transcript := filepath.Join(dir, "descriptors"), filepath.Join(dir, "transcript")
	if err := os.WriteFile(descriptors, rec.descriptors, 0o600); err != nil {
		t.Fatal(err)
	}
	var want [][]byte
	for _, k := range rec.cases[:2] {
		var in, out bytes.Buffer
		if err := writePiece(&in, k.question); err != nil {
			t.Fatal(err)
		}
		if err := serve(t.Context(), &in, &out, descriptors, transcript); err != nil {
			t.Fatal(err)
		}
		if answer, err := readPiece(&out); err != nil || !bytes.Equal(answer, k.answer) {
			t.Errorf("%s: answered %q, %v, want %q", k.name, answer, err, k.answer)
		}
		want = append(want, k.question, k.answer)
	}
	file, err := os.Open(transcript)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got, err := readPieces(file); err != nil || !bytes.Equal(bytes.Join(got, []byte("|")), bytes.Join(want, []byte("|"))) {
		t.Errorf("the transcript is %q, %v, want %q", got, err, want)
	}
}

func TestReadPiece_Refuses(t *testing.T) {
	for name, input := range map[string]string{
		"LengthCutShort": "\x01\x00",
		"PieceCutShort":  "\x02\x00\x00\x00x",
		"TooLong":        "\x00\x00\x00\xffx",
	} {
		if piece, err := readPiece(bytes.NewReader([]byte(input))); err == nil || err == io.EOF {
			t.Errorf("%s: read %q, %v", name, piece, err)
		}
	}
}
