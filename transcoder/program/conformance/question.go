package main

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// question is what a conformance.ConformanceRequest asks.
type question struct {
	messageType protoreflect.FullName
	wire        []byte // one of the two is the message
	text        []byte
	fromJSON    bool
	toJSON      bool
	foreign     bool // a format other than protobuf and JSON has to be read or written
	lenient     bool // unknown fields are to be ignored
}

// aboutJSON reports whether programs have a part in the answer.
func (q *question) aboutJSON() bool { return !q.foreign && (q.fromJSON || q.toJSON) }

// ask reads a question.
func (s *schema) ask(raw []byte) (*question, error) {
	m := dynamicpb.NewMessage(s.request)
	if err := proto.Unmarshal(raw, m); err != nil {
		return nil, fmt.Errorf("a question: %w", err)
	}
	q := &question{
		messageType: protoreflect.FullName(m.Get(s.request.Fields().ByName("message_type")).String()),
		lenient:     enumName(m, "test_category") == "JSON_IGNORE_UNKNOWN_PARSING_TEST",
	}
	if payload := m.WhichOneof(s.request.Oneofs().ByName("payload")); payload != nil {
		switch payload.Name() {
		case resultWire:
			q.wire = m.Get(payload).Bytes()
		case resultJSON:
			q.text, q.fromJSON = []byte(m.Get(payload).String()), true
		default:
			q.foreign = true
		}
	}
	switch enumName(m, "requested_output_format") {
	case "PROTOBUF":
	case "JSON":
		q.toJSON = true
	default:
		q.foreign = true
	}
	return q, nil
}

func enumName(m protoreflect.Message, field protoreflect.Name) protoreflect.Name {
	fd := m.Descriptor().Fields().ByName(field)
	if v := fd.Enum().Values().ByNumber(m.Get(fd).Enum()); v != nil {
		return v.Name()
	}
	return ""
}

// reply is what a conformance.ConformanceResponse says: the one field that is set, and its value.
type reply struct {
	result protoreflect.Name
	value  []byte
}

// The fields of replies that we set. Two of them are fields of questions too.
const (
	resultParseError     = "parse_error"
	resultSerializeError = "serialize_error"
	resultSkipped        = "skipped"
	resultWire           = "protobuf_payload"
	resultJSON           = "json_payload"
)

// encode returns the wire bytes of a reply.
func (s *schema) encode(r reply) ([]byte, error) {
	m := dynamicpb.NewMessage(s.response)
	fd := s.response.Fields().ByName(r.result)
	if fd.Kind() == protoreflect.BytesKind {
		m.Set(fd, protoreflect.ValueOfBytes(r.value))
	} else {
		m.Set(fd, protoreflect.ValueOfString(string(r.value)))
	}
	return proto.Marshal(m)
}

// decode reads what encode wrote.
func (s *schema) decode(raw []byte) (reply, error) {
	m := dynamicpb.NewMessage(s.response)
	if err := proto.Unmarshal(raw, m); err != nil {
		return reply{}, fmt.Errorf("a reply: %w", err)
	}
	fd := m.WhichOneof(s.response.Oneofs().ByName("result"))
	if fd == nil {
		return reply{}, fmt.Errorf("a reply without a result")
	}
	if fd.Kind() == protoreflect.BytesKind {
		return reply{fd.Name(), m.Get(fd).Bytes()}, nil
	}
	return reply{fd.Name(), []byte(m.Get(fd).String())}, nil
}
