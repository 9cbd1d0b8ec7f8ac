package program

import (
	"fmt"
	"io"
	"math"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Response turns the wire bytes of one message into JSON. It is safe for concurrent use.
//
// It writes while it reads, into the caller's buffer: there is no message in between, and in steady state nothing is
// allocated. Read run.go for how.
type Response struct {
	table  *table
	only   *field // what is written of the message, without its key; nil for all of it
	absent string // the JSON of that field when it is not set
	levels int
}

// Response makes the program of replies of type md. responseBody is "" for the whole message, or the name of the field
// that is the reply, of any type. The error says, for whoever publishes the schema, why that can never work.
func (c *Compiler) Response(md protoreflect.MessageDescriptor, responseBody string, o Options) (*Response, error) {
	o = o.withDefaults()
	r := &Response{table: c.table(md, o.style()), levels: o.replyDepthMax()}
	if err := r.table.ready(); err != nil {
		return nil, err
	}
	if responseBody == "" {
		return r, nil
	}
	if strings.Contains(responseBody, ".") {
		return nil, fmt.Errorf("response_body %q is nested; it must name a field of %s itself", responseBody, md.FullName())
	}
	fd := md.Fields().ByName(protoreflect.Name(responseBody))
	if fd == nil {
		return nil, fmt.Errorf("response_body %q: %s has no such field", responseBody, md.FullName())
	}
	if r.table.form != formObject {
		return nil, fmt.Errorf("response_body %q: %s has a JSON form of its own, so its fields cannot be a reply", responseBody, md.FullName())
	}
	only := r.table.fields[fd.Index()]
	only.key, only.absent = nil, nil
	r.only, r.absent = &only, absentJSON(fd, o)
	if o.GRPCGateway && fd.Message() != nil && fd.Cardinality() != protoreflect.Repeated && !takesNull(fd) {
		empty, err := c.Response(fd.Message(), "", o) // which grpc-gateway writes for one that is not set
		if err != nil {
			return nil, err
		}
		text, err := empty.AppendJSON(nil, nil)
		if err != nil {
			return nil, err
		}
		r.absent = string(text)
	}
	return r, nil
}

// AppendJSON appends the JSON of one message to dst, which it returns unchanged on error. The text is compact and the
// same whenever the message is, in whatever order its fields come: they are written in the order of the .proto, map keys
// sorted, no line end. Errors are *rpc.Error, INTERNAL with ReasonBadReply, because the client cannot help it; their
// cause, with the field and the place in the wire, is for the log.
//
// dst and wire stay the caller's; wire is not changed and not kept.
func (r *Response) AppendJSON(dst, wire []byte) ([]byte, error) {
	out, err := r.table.compiler.appendJSON(dst, wire, r)
	if err != nil {
		return dst, r.badReply(err)
	}
	return out, nil
}

// WriteJSON is AppendJSON for messages of any size: as soon as there is more than 1 MiB of text, it hands parts of it to w
// while it goes on, so that a large message takes little more memory than its wire. It returns the rest, all of a
// smaller text, in the memory of dst, which it uses again whenever w has returned. Up to 64 KiB of wire it is AppendJSON,
// which is faster there. Read passage.go for how.
//
// An error of w ends it and is returned as it is. When anything else fails, w may have been written to.
func (r *Response) WriteJSON(w io.Writer, dst, wire []byte) ([]byte, error) {
	if len(wire) <= chunkBytes {
		return r.AppendJSON(dst, wire)
	}
	return r.write(w, heldBytes, chunkBytes, dst, wire)
}

func (r *Response) write(w io.Writer, held, chunk int, dst, wire []byte) ([]byte, error) {
	if uint64(len(wire)) > math.MaxUint32 {
		return dst, r.badReply(errTooLong)
	}
	p := passage{
		run: run{compiler: r.table.compiler, style: r.table.style, wire: wire, again: 2 * len(wire)},
		w:   w, held: held, chunk: chunk,
	}
	out, err := p.reply(dst, r)
	p.free()
	switch {
	case p.failed != nil:
		return dst, p.failed
	case err != nil:
		return dst, r.badReply(err)
	}
	return out, nil
}

func (r *Response) badReply(cause error) error {
	return rpc.Errorf(codes.Internal, ReasonBadReply, "the backend's reply is not a valid %s", r.table.md.FullName()).Because(cause)
}

// absentJSON is what stands for a field that is not set: null where presence is known, else its default.
func absentJSON(fd protoreflect.FieldDescriptor, o Options) string {
	switch {
	case fd.IsMap():
		return "{}"
	case fd.IsList():
		return "[]"
	case fd.HasPresence(), takesNull(fd):
		return "null"
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return "false"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	case protoreflect.EnumKind:
		if zero := fd.Enum().Values().ByNumber(0); zero != nil && !o.EnumNumbers {
			return `"` + string(zero.Name()) + `"`
		}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return `"0"`
	}
	return "0"
}
