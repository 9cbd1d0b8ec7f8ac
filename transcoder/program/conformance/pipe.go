package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// serve answers until in ends, and appends each question and its answer to the file transcript. It appends, because the
// runner starts one process for each of its suites, one after the other.
func serve(ctx context.Context, in io.Reader, out io.Writer, descriptors, transcript string) (err error) {
	raw, err := os.ReadFile(descriptors)
	if err != nil {
		return err
	}
	t, err := newTestee(ctx, raw)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(transcript, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	for in := bufio.NewReader(in); ; {
		raw, err := readPiece(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := t.answerRaw(raw)
		if err != nil {
			return err
		}
		if err := errors.Join(writePiece(file, raw), writePiece(file, answer), writePiece(out, answer)); err != nil {
			return err
		}
	}
}

// answerRaw is answer from bytes to bytes.
func (t *testee) answerRaw(raw []byte) ([]byte, error) {
	q, err := t.schema.ask(raw)
	if err != nil {
		return nil, err
	}
	r, err := t.answer(q)
	if err != nil {
		return nil, err
	}
	return t.schema.encode(r)
}

// pieceBytesMax bounds a piece before there is memory for it; the longest question has half a megabyte.
const pieceBytesMax = 16 << 20

// readPiece reads what writePiece wrote. io.EOF means that there is no further piece.
func readPiece(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > pieceBytesMax {
		return nil, fmt.Errorf("a piece of %d bytes", n)
	}
	piece := make([]byte, n)
	if _, err := io.ReadFull(r, piece); err != nil {
		return nil, fmt.Errorf("a piece of %d bytes: %w", n, io.ErrUnexpectedEOF)
	}
	return piece, nil
}

// writePiece writes the length in four bytes, little-endian, and the piece, in one go: the runner's protocol.
func writePiece(w io.Writer, piece []byte) error {
	_, err := w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(piece))), piece...))
	return err
}
