package program

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of google.api.HttpBody that a file sets.
const (
	httpBody          = "google.api.HttpBody"
	httpBodyMedia     = 1
	httpBodyData      = 2
	wrappedBytesField = 1
)

// readFile appends a file for a field to d.content: bytes as they are, with their media type if the field has a place for it,
// or text.
func (d *decoder) readFile(f *field, p *pair) error {
	switch {
	case f.card == cardMap:
	case f.op == opBytes:
		d.content = append(appendTag(d.content, uint64(len(p.value))), p.value...)
		return nil
	case f.op == opString && utf8.Valid(p.value):
		d.content = append(appendTag(d.content, uint64(len(p.value))), p.value...)
		return nil
	case f.op == opMessage && f.message.md.FullName() == httpBody && utf8.ValidString(p.media):
		d.content = appendTag(d.content, uint64(fileSize(p.media, p.value)))
		if p.media != "" {
			d.content = protowire.AppendString(protowire.AppendTag(d.content, httpBodyMedia, protowire.BytesType), p.media)
		}
		d.content = protowire.AppendBytes(protowire.AppendTag(d.content, httpBodyData, protowire.BytesType), p.value)
		return nil
	case f.op == opMessage && f.message.md.FullName() == "google.protobuf.BytesValue":
		d.content = appendTag(d.content, uint64(fileSize("", p.value)))
		d.content = protowire.AppendBytes(protowire.AppendTag(d.content, wrappedBytesField, protowire.BytesType), p.value)
		return nil
	}
	return invalid(ReasonInvalidParameter, string(p.key), "found a file where the field is "+describe(f.fd)+"; files go into fields of bytes or google.api.HttpBody")
}

// fileSize is how long a message is that has a file and, unless it is empty, its media type; tags have one byte.
func fileSize(media string, data []byte) int {
	n := 1 + protowire.SizeBytes(len(data))
	if media != "" {
		n += 1 + protowire.SizeBytes(len(media))
	}
	return n
}
