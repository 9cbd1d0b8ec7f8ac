package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// recorded is what `make conformance` wrote.
var recorded = sync.OnceValues(func() (*recording, error) { return load(filepath.Join("testdata", "cases.gz")) })

// TestCases: programs answer every case as they did when the runner judged it.
func TestCases(t *testing.T) {
	forEachCase(t, func(t *testing.T, subject *testee, q *question, want reply, fault string) {
		got, err := subject.answer(q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := subject.difference(q, got, want); diff != "" {
			t.Errorf("the answer is not the recorded one (run `make conformance` to have the new one judged): %s\nrequest: %.500q%.500x",
				diff, q.text, q.wire)
		}
	})
}

// TestCases_Protojson: answers that the runner let pass are those of dynamicpb and protojson. So the recording is right, and
// cannot be made to say something else unnoticed.
func TestCases_Protojson(t *testing.T) {
	forEachCase(t, func(t *testing.T, subject *testee, q *question, recorded reply, fault string) {
		if fault != "" {
			return
		}
		want, err := subject.schema.protojsonAnswer(q)
		if err != nil {
			t.Fatal(err)
		}
		if diff := subject.difference(q, recorded, want); diff != "" {
			t.Errorf("protojson answers otherwise: %s\nrequest: %.500q%.500x", diff, q.text, q.wire)
		}
	})
}

func forEachCase(t *testing.T, check func(t *testing.T, subject *testee, q *question, recorded reply, fault string)) {
	rec, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	subject, err := newTestee(t.Context(), rec.descriptors)
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.cases) < 2700 {
		t.Errorf("only %d cases are recorded", len(rec.cases))
	}
	for _, k := range rec.cases {
		t.Run(k.name, func(t *testing.T) {
			q, err := subject.schema.ask(k.question)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := subject.schema.decode(k.answer)
			if err != nil {
				t.Fatal(err)
			}
			check(t, subject, q, answer, k.fault)
		})
	}
}

// TestExceptions: the cases that fail are those that a line of docs/semantics.md decides otherwise.
func TestExceptions(t *testing.T) {
	rec, err := recorded()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "exceptions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	exceptions, err := readExceptions(string(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.unexpected(exceptions); err != nil {
		t.Error(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "semantics.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name, number := range exceptions {
		if !strings.Contains(string(page), "\n- **"+number+"** ") {
			t.Errorf("%s: docs/semantics.md has no line %s", name, number)
		}
	}
}

// protojsonAnswer is testee.answer without programs.
func (s *schema) protojsonAnswer(q *question) (reply, error) {
	md, err := s.message(q.messageType)
	if err != nil {
		return reply{}, err
	}
	m := dynamicpb.NewMessage(md)
	if q.fromJSON {
		err = protojson.UnmarshalOptions{Resolver: s.types, DiscardUnknown: q.lenient}.Unmarshal(q.text, m)
	} else {
		err = proto.UnmarshalOptions{Resolver: s.types}.Unmarshal(q.wire, m)
	}
	if err != nil {
		return reply{resultParseError, []byte(err.Error())}, nil
	}
	if !q.toJSON {
		wire, err := proto.Marshal(m)
		return reply{resultWire, wire}, err
	}
	text, err := protojson.MarshalOptions{Resolver: s.types}.Marshal(m)
	if err != nil {
		return reply{resultSerializeError, []byte(err.Error())}, nil
	}
	return reply{resultJSON, text}, nil
}

// difference says in what got and want differ for the runner: not in the text of errors, the order of fields on the wire
// and of members in JSON, and white space.
func (t *testee) difference(q *question, got, want reply) string {
	if got.result != want.result {
		return fmt.Sprintf("%s %.500q, want %s %.500q", got.result, got.value, want.result, want.value)
	}
	var same bool
	switch got.result {
	case resultWire:
		same = t.sameMessage(q, got.value, want.value)
	case resultJSON:
		same = sameJSON(got.value, want.value)
	default:
		return "" // both are errors of one kind
	}
	if same {
		return ""
	}
	return fmt.Sprintf("%q, want %q", got.value, want.value)
}

func (t *testee) sameMessage(q *question, a, b []byte) bool {
	md, err := t.schema.message(q.messageType)
	if err != nil {
		return false
	}
	read := proto.UnmarshalOptions{Resolver: t.schema.types}
	ma, mb := dynamicpb.NewMessage(md), dynamicpb.NewMessage(md)
	return read.Unmarshal(a, ma) == nil && read.Unmarshal(b, mb) == nil && proto.Equal(ma, mb)
}

func sameJSON(a, b []byte) bool {
	va, errA := parseJSON(a)
	vb, errB := parseJSON(b)
	return errA == nil && errB == nil && reflect.DeepEqual(va, vb)
}

// parseJSON keeps the text of numbers.
func parseJSON(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}
