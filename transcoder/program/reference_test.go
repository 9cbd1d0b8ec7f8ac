package program

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// reference is what Response was before it was a program: the message is decoded into dynamicpb and written by
// protojson. It is slow and says what is right; Response is compared with it, and differs only where TestReference and
// the fuzz targets say so.
type reference struct {
	types    Resolver
	options  Options
	md       protoreflect.MessageDescriptor
	field    protoreflect.FieldDescriptor // what is written of the message; nil for all of it
	absent   string                       // the JSON of the field when it is not set
	hasAny   bool
	marshal  protojson.MarshalOptions
	unmarsh  proto.UnmarshalOptions
	levelMax int
}

func newReference(types Resolver, md protoreflect.MessageDescriptor, responseBody string, o Options) *reference {
	o = o.withDefaults()
	r := &reference{
		types: types, options: o, md: md, levelMax: o.replyDepthMax(),
		marshal: protojson.MarshalOptions{
			AllowPartial:      true, // checked when the message was decoded
			UseProtoNames:     o.ProtoNames,
			EmitDefaultValues: o.EmitDefaults,
			EmitUnpopulated:   o.EmitUnset,
			UseEnumNumbers:    o.EnumNumbers,
			Resolver:          types,
		},
		unmarsh: proto.UnmarshalOptions{Resolver: types, RecursionLimit: o.replyDepthMax()},
	}
	r.hasAny = reachesAny(md, map[protoreflect.FullName]bool{})
	if responseBody == "" {
		return r
	}
	r.field = md.Fields().ByName(protoreflect.Name(responseBody))
	r.absent = absentJSON(r.field, o)
	return r
}

// appendJSON is Response.AppendJSON.
func (r *reference) appendJSON(dst, wire []byte) ([]byte, error) {
	m := dynamicpb.NewMessage(r.md)
	if err := r.unmarsh.Unmarshal(wire, m); err != nil {
		return dst, r.badReply(err)
	}
	if r.hasAny {
		if err := r.checkLevels(m, r.levelMax); err != nil {
			return dst, r.badReply(err)
		}
	}
	if r.field == nil {
		return r.appendMessage(dst, m)
	}
	if !m.Has(r.field) {
		return append(dst, r.absent...), nil
	}
	only := dynamicpb.NewMessage(r.md)
	only.Set(r.field, m.Get(r.field))
	text, err := r.appendMessage(nil, only)
	if err != nil {
		return dst, err
	}
	return append(dst, onlyValue(text, r.field)...), nil
}

func (r *reference) badReply(cause error) error {
	return rpc.Errorf(codes.Internal, ReasonBadReply, "the backend's reply is not a valid %s", r.md.FullName()).Because(cause)
}

// appendMessage writes all of m. protojson puts spaces between elements in some builds and not in others, to keep
// people from comparing its bytes; they are taken out again, in place.
func (r *reference) appendMessage(dst []byte, m proto.Message) ([]byte, error) {
	text, err := r.marshal.MarshalAppend(dst, m)
	if err != nil {
		return dst, r.badReply(err)
	}
	return text[:len(dst)+compact(text[len(dst):])], nil
}

// compact takes the white space between the tokens of valid JSON out of text and returns how long the rest is.
func compact(text []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\':
			text[n] = c
			n, i = n+1, i+1
			c = text[i]
		case c == '"':
			quoted = !quoted
		case !quoted && isSpace(c):
			continue
		}
		text[n] = c
		n++
	}
	return n
}

// onlyValue cuts the value out of a compact object in which only fd is set. With EmitDefaults the object has other
// fields as well.
func onlyValue(text []byte, fd protoreflect.FieldDescriptor) []byte {
	w := walker{text: text}
	for w.open(); w.more(); {
		name := w.str()
		w.space()
		start := w.at
		w.value()
		if found := byAnyName(fd.ContainingMessage().Fields(), name); found != nil && found.Number() == fd.Number() {
			return text[start:w.at]
		}
	}
	return nil
}

// checkLevels bounds the nesting of messages through Any, which no decoder sees: protojson decodes each Any anew.
func (r *reference) checkLevels(m protoreflect.Message, left int) error {
	if left == 0 {
		return errors.New("messages nest too deep")
	}
	if formOf(m.Descriptor()) == formAny {
		return r.checkAny(m, left)
	}
	var err error
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				err = r.checkLevels(v.Message(), left-1)
				return err == nil
			})
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for list, i := v.List(), 0; i < list.Len() && err == nil; i++ {
				err = r.checkLevels(list.Get(i).Message(), left-1)
			}
		default:
			err = r.checkLevels(v.Message(), left-1)
		}
		return err == nil
	})
	return err
}

// checkAny looks inside an Any, unless it is empty.
func (r *reference) checkAny(m protoreflect.Message, left int) error {
	fields := m.Descriptor().Fields()
	url := m.Get(fields.ByNumber(1)).String()
	if url == "" {
		return nil
	}
	mt, err := r.types.FindMessageByURL(url)
	if err != nil {
		return fmt.Errorf("google.protobuf.Any of %q: %w", url, err)
	}
	inner := mt.New()
	options := proto.UnmarshalOptions{AllowPartial: true, Resolver: r.types, RecursionLimit: left}
	if err := options.Unmarshal(m.Get(fields.ByNumber(2)).Bytes(), inner.Interface()); err != nil {
		return fmt.Errorf("google.protobuf.Any of %q: %w", url, err)
	}
	return r.checkLevels(inner, left-1)
}

// reachesAny tells whether a message of type md can contain an Any at any depth. A message that has extensions can
// contain whatever is in the resolver, so it counts.
func reachesAny(md protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[md.FullName()] {
		return false
	}
	seen[md.FullName()] = true
	if md.ExtensionRanges().Len() > 0 || formOf(md) == formAny {
		return true
	}
	for i := range md.Fields().Len() {
		if inner := md.Fields().Get(i).Message(); inner != nil && reachesAny(inner, seen) {
			return true
		}
	}
	return false
}
