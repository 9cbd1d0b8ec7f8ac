package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
)

// formatBinary is the one format there is: a Revision in binary form.
const formatBinary = 1

// Encode returns revision as the bytes that a store keeps: with a format number, so that later programs can write it
// another way, and with a checksum. The slice is the caller's.
func Encode(revision *registryv1.Revision) ([]byte, error) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(revision)
	if err != nil {
		return nil, fmt.Errorf("revision %d: %w", revision.GetNumber(), err)
	}
	sum := sha256.Sum256(encoded)
	return proto.Marshal(&registryv1.Record{Format: formatBinary, Revision: encoded, Sha256: sum[:]})
}

// Decode reads back what Encode wrote, and keeps nothing of record. It fails where a single bit differs.
func Decode(record []byte) (*registryv1.Revision, error) {
	r := &registryv1.Record{}
	if err := proto.Unmarshal(record, r); err != nil {
		return nil, fmt.Errorf("the stored revision is damaged: %w", err)
	}
	if r.GetFormat() != formatBinary {
		return nil, fmt.Errorf("the stored revision has format %d, and this program reads format %d; use the program that wrote it, or a newer one",
			r.GetFormat(), formatBinary)
	}
	if sum := sha256.Sum256(r.GetRevision()); !bytes.Equal(sum[:], r.GetSha256()) {
		return nil, fmt.Errorf("the stored revision is damaged: its checksum is wrong")
	}
	revision := &registryv1.Revision{}
	if err := proto.Unmarshal(r.GetRevision(), revision); err != nil {
		return nil, fmt.Errorf("the stored revision is damaged: %w", err)
	}
	return revision, nil
}
