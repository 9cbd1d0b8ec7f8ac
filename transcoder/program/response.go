package program

import (
	"fmt"
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
