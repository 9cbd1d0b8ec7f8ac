package rest

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// The fields of google.api.HttpBody.
const (
	rawContentType = protowire.Number(1)
	rawData        = protowire.Number(2)
)

// raw is a google.api.HttpBody without its extensions, which have no place in HTTP. It points into the message.
type raw struct {
	contentType string
	data        []byte
}

// rawOf finds the body in a message. As in any message the last of several values counts.
func rawOf(at *front.RawBody, wire []byte) (r raw, err error) {
	if at.Field == 0 {
		return r, r.read(wire)
	}
	err = eachBytes(wire, func(n protowire.Number, value []byte) error {
		if n != at.Field {
			return nil
		}
		return r.read(value)
	})
	return r, err
}

func (r *raw) read(wire []byte) error {
	return eachBytes(wire, func(n protowire.Number, value []byte) error {
		switch n {
		case rawContentType:
			if !utf8.Valid(value) {
				return errors.New("content_type is not UTF-8")
			}
			r.contentType = string(value)
		case rawData:
			r.data = value
		}
		return nil
	})
}

// eachBytes calls f for each field whose value has a length.
func eachBytes(wire []byte, f func(protowire.Number, []byte) error) error {
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return protowire.ParseError(n)
		}
		wire = wire[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, wire); n < 0 {
				return protowire.ParseError(n)
			}
			wire = wire[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(wire)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(number, value); err != nil {
			return err
		}
		wire = wire[n:]
	}
	return nil
}

// appendRaw appends a body to a message, whose other fields stand in dst already.
func appendRaw(dst []byte, at *front.RawBody, r raw) []byte {
	if at.Field != 0 {
		size := 0
		if r.contentType != "" {
			size += protowire.SizeTag(rawContentType) + protowire.SizeBytes(len(r.contentType))
		}
		if len(r.data) > 0 {
			size += protowire.SizeTag(rawData) + protowire.SizeBytes(len(r.data))
		}
		dst = protowire.AppendTag(dst, at.Field, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(size))
	}
	if r.contentType != "" {
		dst = protowire.AppendTag(dst, rawContentType, protowire.BytesType)
		dst = protowire.AppendString(dst, r.contentType)
	}
	if len(r.data) > 0 {
		dst = protowire.AppendTag(dst, rawData, protowire.BytesType)
		dst = protowire.AppendBytes(dst, r.data)
	}
	return dst
}

func badRaw(at *rpc.Method, cause error) error {
	return rpc.Errorf(codes.Internal, "BAD_REPLY", "the backend's reply to %s is not a valid google.api.HttpBody", at.Name()).Because(cause)
}
