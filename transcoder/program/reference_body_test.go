package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// body says which fields the body of a request sets. The zero value is none.
type refBody struct {
	whole bool  // every field that the path does not set
	field *path // one field
}

// decodeBody sets fields of the empty message m from text. present lists what a PATCH sets, if its mask may have to be
// inferred.
func (r *refRequest) decodeBody(m *dynamicpb.Message, text []byte) (present []string, ignored int, err error) {
	if !r.body.whole && r.body.field == nil {
		return nil, 0, refuseBody(text)
	}
	if isBlank(text) {
		r.fillEmpty(m)
		return nil, 0, nil
	}
	shape := refOutlineOf(text, r.options.DepthMax)
	if shape.tooDeep >= 0 {
		return nil, 0, invalid(ReasonBodyTooDeep, "body", fmt.Sprintf(
			"%s: objects and arrays nest deeper than %d levels", lineColumn(text, shape.tooDeep, 0), r.options.DepthMax))
	}
	switch f := r.body.field; {
	case f == nil:
		err = r.unmarshal(text, m, 0)
	case f.leaf().Message() != nil && f.leaf().Cardinality() != protoreflect.Repeated:
		err = r.decodeMessage(f.parent(m), f.leaf(), text)
	default:
		err = r.decodeField(f.parent(m), f.leaf(), text, shape.single)
	}
	if err == nil {
		err = checkSyntax(text)
	}
	if err != nil {
		return nil, 0, err
	}
	return r.walkBody(text)
}

// checkSyntax refuses what protojson takes although it is not JSON: an exponent without digits.
func checkSyntax(text []byte) error {
	var raw json.RawMessage
	var at *json.SyntaxError
	if errors.As(json.Unmarshal(text, &raw), &at) {
		return invalid(ReasonMalformedBody, "body", lineColumn(text, int(max(at.Offset, 1)-1), 0)+": "+clip(at.Error(), bodyTextMax))
	}
	return nil
}

// fillEmpty does what the body {} would do, where {} is a value: an absent body is the same.
func (r *refRequest) fillEmpty(m protoreflect.Message) {
	if r.body.whole {
		return
	}
	fd := r.body.field.leaf()
	if fd.Message() == nil || fd.Cardinality() == protoreflect.Repeated {
		return
	}
	switch formOf(fd.Message()) {
	case formText, formWrapper:
		return
	case formFree:
		if !isWellKnown(fd, "Struct") {
			return
		}
	}
	r.body.field.parent(m).Mutable(fd)
}

// decodeMessage sets the message field fd of m. As a body, null is no message, but it is a Value, and no wrapper.
func (r *refRequest) decodeMessage(m protoreflect.Message, fd protoreflect.FieldDescriptor, text []byte) error {
	if formOf(fd.Message()) == formWrapper && string(trimSpace(text)) == "null" {
		return nil
	}
	value := m.NewField(fd)
	if err := r.unmarshal(text, value.Message().Interface(), 0); err != nil {
		return err
	}
	m.Set(fd, value)
	return nil
}

// decodeField sets the scalar, repeated or map field fd of m. protojson reads only messages, so the text is read as the
// one field of an object. It must be a single value, or it could set other fields as well.
func (r *refRequest) decodeField(m protoreflect.Message, fd protoreflect.FieldDescriptor, text []byte, single bool) error {
	if !single {
		return invalid(ReasonMalformedBody, "body", "the body must be one JSON value, that of the field "+string(fd.Name()))
	}
	object := fmt.Appendf(nil, "{%q:\n%s\n}", fd.TextName(), text)
	whole := m.New()
	if err := r.unmarshal(object, whole.Interface(), 1); err != nil {
		return err
	}
	if whole.Has(fd) {
		m.Set(fd, whole.Get(fd))
	}
	return nil
}

// unmarshal decodes text, the body below linesAdded lines of our own. Required fields may still come from the path or
// the query, so they are checked when the message is complete.
func (r *refRequest) unmarshal(text []byte, into proto.Message, linesAdded int) error {
	err := protojson.UnmarshalOptions{
		AllowPartial:   true,
		DiscardUnknown: r.options.lenient(),
		Resolver:       r.types,
	}.Unmarshal(text, into)
	if err != nil {
		return bodyError(err, linesAdded)
	}
	return nil
}

// updateMask returns the field mask that is inferred when a PATCH leaves it unset: the only field mask of the request,
// if the body is one field that is a message of fields. It is nil if there is nothing to infer.
func (r *refRequest) updateMask() protoreflect.FieldDescriptor {
	f := r.body.field
	if f == nil || f.leaf().Cardinality() == protoreflect.Repeated || f.leaf().Message() == nil ||
		formOf(f.leaf().Message()) != formObject {
		return nil
	}
	var mask protoreflect.FieldDescriptor
	for i := range r.md.Fields().Len() {
		fd := r.md.Fields().Get(i)
		if fd.IsMap() || !isWellKnown(fd, "FieldMask") {
			continue
		}
		if mask != nil || fd.IsList() || fd.ContainingOneof() != nil {
			return nil
		}
		mask = fd
	}
	return mask
}

// inferMask sets the update mask of a PATCH to the fields that its body names, unless the client sent a mask. Paths are
// relative to the body's field, in proto names. A body that names nothing leaves the mask unset.
func (r *refRequest) inferMask(m protoreflect.Message, present []string) {
	if r.mask == nil || m.Has(r.mask) || len(present) == 0 {
		return
	}
	mask := m.Mutable(r.mask).Message()
	paths := mask.Mutable(wrapped(mask.Descriptor())).List()
	for _, p := range present {
		paths.Append(protoreflect.ValueOfString(p))
	}
}

// outline is what a quick look at a JSON text shows: where it nests too deep, and whether it can be more than one value.
// It judges nothing else; a text that is not JSON has an outline too, and is refused by the decoder.
type refOutline struct {
	tooDeep int  // offset of the first bracket beyond the limit, -1 if there is none
	single  bool // no comma, colon or closing bracket stands outside all brackets
}

// refOutlineOf reads text once, without recursion, so that nothing deeper than the limit ever reaches a recursive decoder.
func refOutlineOf(text []byte, depthMax int) refOutline {
	o := refOutline{tooDeep: -1, single: true}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if quoted {
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
			continue
		}
		switch c {
		case '"':
			quoted = true
		case '{', '[':
			if depth++; depth > depthMax {
				o.tooDeep = i
				return o
			}
		case '}', ']', ',', ':':
			if depth == 0 {
				o.single = false
			} else if c == '}' || c == ']' {
				depth--
			}
		}
	}
	return o
}

// pair is one parameter of a query, decoded.
type refPair struct {
	key, value string
	bare       bool // there was no "=": "flag" rather than "flag="
}

// parseQuery splits a raw query into its pairs, in order. Only "&" separates pairs, "+" is a space, and empty pairs
// ("a=1&&b=2") carry nothing and are skipped, as WHATWG has it. Unlike net/url it drops nothing in silence: a bad
// percent escape, a key that is empty or no UTF-8 is an error. The caller bounds the length of the query.
func refParseQuery(raw string) ([]refPair, error) {
	if raw == "" {
		return nil, nil
	}
	pairs := make([]refPair, 0, 1+strings.Count(raw, "&"))
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		p, err := refParsePair(part)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func refParsePair(part string) (refPair, error) {
	rawKey, rawValue, found := strings.Cut(part, "=")
	key, err := url.QueryUnescape(rawKey)
	if err != nil || key == "" || !utf8.ValidString(key) {
		return refPair{}, invalid(ReasonMalformedQuery, rawKey,
			"the query pair "+quote(part)+" has no valid name; write name=value, percent-encoded UTF-8")
	}
	value, err := url.QueryUnescape(rawValue)
	if err != nil {
		return refPair{}, invalid(ReasonMalformedQuery, key,
			"the query pair "+quote(part)+" has a % that is not followed by two hexadecimal digits; write % itself as %25")
	}
	return refPair{key: key, value: value, bare: !found}, nil
}

// bodyError carries protojson's text and position to the client. linesAdded is how many lines were put before the body
// on its way into protojson.
func bodyError(err error, linesAdded int) error {
	text := protoText(err)
	if linesAdded > 0 {
		text = position.ReplaceAllStringFunc(text, func(at string) string {
			parts := position.FindStringSubmatch(at)
			line, _ := strconv.Atoi(parts[2])
			return parts[1] + strconv.Itoa(line-linesAdded) + ":"
		})
	}
	reason := ReasonMalformedBody
	if unknownField.MatchString(text) {
		reason = ReasonUnknownField
	}
	return invalid(reason, "body", clip(text, bodyTextMax))
}

// protojson has no typed errors. The two patterns hold on to the front of its texts, so nothing that a client put into
// its body is taken for one of them.
var (
	position     = regexp.MustCompile(`^((?:syntax error )?\(line )(\d+):`)
	unknownField = regexp.MustCompile(`^\(line \d+:\d+\): unknown field `)
)

// protoText returns an error of the protobuf module without the prefix that it makes unstable on purpose.
func protoText(err error) string {
	text := strings.TrimPrefix(err.Error(), "proto:")
	return strings.TrimLeft(text, " \u00a0")
}

// errValue says that a text does not fit its field; what would fit is for the caller to add.
var errValue = errors.New("no such value")

// parseText reads one value of fd, whose isText is true, from the text of a path variable or a query parameter. The
// grammar is that of the value's ProtoJSON string, without its quotes; enums take numbers as well.
func (o *Options) parseText(fd protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return o.parseMessage(fd.Message(), text)
	case protoreflect.EnumKind:
		return o.parseEnum(fd.Enum(), text)
	case protoreflect.StringKind:
		if !utf8.ValidString(text) {
			return protoreflect.Value{}, errValue
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BoolKind:
		switch {
		case text == "true", o.NumericBools && text == "1":
			return protoreflect.ValueOfBool(true), nil
		case text == "false", o.NumericBools && text == "0":
			return protoreflect.ValueOfBool(false), nil
		}
		return protoreflect.Value{}, errValue
	}
	wrapper := wrapperOf(fd.Kind()).ProtoReflect()
	if err := parseQuoted(text, wrapper.Interface()); err != nil {
		return protoreflect.Value{}, err
	}
	return wrapper.Get(wrapped(wrapper.Descriptor())), nil
}

// wrapperOf returns an empty message whose JSON is one number, or the base64 of bytes, of this kind.
func wrapperOf(kind protoreflect.Kind) proto.Message {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return &wrapperspb.Int32Value{}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return &wrapperspb.Int64Value{}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return &wrapperspb.UInt32Value{}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return &wrapperspb.UInt64Value{}
	case protoreflect.FloatKind:
		return &wrapperspb.FloatValue{}
	case protoreflect.DoubleKind:
		return &wrapperspb.DoubleValue{}
	case protoreflect.BytesKind:
		return &wrapperspb.BytesValue{}
	}
	panic(fmt.Sprintf("program: %v has no wrapper", kind))
}

// parseQuoted reads text as the inside of a JSON string. All values that it is used for are printable ASCII without
// quotes and escapes.
func parseQuoted(text string, into proto.Message) error {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return errValue
		}
	}
	if protojson.Unmarshal([]byte(`"`+text+`"`), into) != nil {
		return errValue
	}
	return nil
}

func (o *Options) parseEnum(ed protoreflect.EnumDescriptor, text string) (protoreflect.Value, error) {
	if v := ed.Values().ByName(protoreflect.Name(text)); v != nil {
		return protoreflect.ValueOfEnum(v.Number()), nil
	}
	if v := o.foldedEnum(ed, text); v != nil {
		return protoreflect.ValueOfEnum(v.Number()), nil
	}
	var number wrapperspb.Int32Value
	if err := parseQuoted(text, &number); err != nil {
		return protoreflect.Value{}, err
	}
	n := protoreflect.EnumNumber(number.GetValue())
	if ed.IsClosed() && ed.Values().ByNumber(n) == nil {
		return protoreflect.Value{}, errValue
	}
	return protoreflect.ValueOfEnum(n), nil
}

// foldedEnum finds a name in any case, if that is allowed and all names that differ only in case mean the same.
func (o *Options) foldedEnum(ed protoreflect.EnumDescriptor, text string) protoreflect.EnumValueDescriptor {
	if !o.EnumCaseInsensitive {
		return nil
	}
	var found protoreflect.EnumValueDescriptor
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		if !strings.EqualFold(string(v.Name()), text) {
			continue
		}
		if found != nil && found.Number() != v.Number() {
			return nil
		}
		found = v
	}
	return found
}

func (o *Options) parseMessage(md protoreflect.MessageDescriptor, text string) (protoreflect.Value, error) {
	m := dynamicpb.NewMessage(md)
	value := protoreflect.ValueOfMessage(m)
	switch {
	case formOf(md) == formWrapper:
		inner, err := o.parseText(wrapped(md), text)
		if err != nil {
			return protoreflect.Value{}, err
		}
		m.Set(wrapped(md), inner)
		return value, nil
	case md.Name() == "FieldMask" && o.SnakeCaseMasks:
		return value, o.parseMask(m, text)
	case md.Name() == "Timestamp" && !strictTimestamp(text):
		return protoreflect.Value{}, errValue
	}
	return value, parseQuoted(text, m)
}

// parseMask reads a field mask whose paths may each be in lowerCamelCase or in the case of the .proto file.
func (o *Options) parseMask(m *dynamicpb.Message, text string) error {
	if text == "" {
		return nil
	}
	list := m.Mutable(wrapped(m.Descriptor())).List()
	for name := range strings.SplitSeq(text, ",") {
		if strings.Contains(name, "_") {
			if !protoreflect.FullName(name).IsValid() {
				return errValue
			}
			list.Append(protoreflect.ValueOfString(name))
			continue
		}
		if name == "" || strings.Contains(name, " ") { // protojson takes both at the ends of a whole mask
			return errValue
		}
		one := dynamicpb.NewMessage(m.Descriptor())
		if err := parseQuoted(name, one); err != nil {
			return err
		}
		for paths, i := one.Get(wrapped(m.Descriptor())).List(), 0; i < paths.Len(); i++ {
			list.Append(paths.Get(i))
		}
	}
	return nil
}

// strictTimestamp tells whether text is written as RFC 3339 has it. Go's time.Parse, which protojson uses and which
// judges the numbers, also takes a comma before the fraction, an hour of one digit, and offsets that no clock has.
func strictTimestamp(text string) bool { return timestamp.MatchString(text) }

var timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
