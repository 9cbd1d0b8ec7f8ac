package main

import (
	"context"

	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// testee answers the runner's questions with programs, as strict as they are when nothing is configured. It is safe for
// concurrent use.
type testee struct {
	schema   *schema
	compiler *program.Compiler
}

func newTestee(ctx context.Context, descriptors []byte) (*testee, error) {
	s, err := link(ctx, descriptors)
	if err != nil {
		return nil, err
	}
	return &testee{schema: s, compiler: program.NewCompiler(s.types)}, nil
}

// answer has programs do what is asked. The error is about the question itself.
//
// A Response reads and writes in one go, so it does not tell a message that cannot be read from one that has no JSON. The
// runner wants to hear the latter; it tries malformed messages only with protobuf as the output.
func (t *testee) answer(q *question) (reply, error) {
	if q.messageType == failureSet {
		return reply{result: resultWire}, nil // we know of no failure beforehand
	}
	if !q.aboutJSON() {
		return reply{resultSkipped, []byte("programs translate between JSON and protobuf only")}, nil
	}
	md, err := t.schema.message(q.messageType)
	if err != nil {
		return reply{}, err
	}
	var options program.Options
	if q.lenient {
		options.Unknown = program.Ignore
	}
	request, err := t.compiler.Message(md, options)
	if err != nil {
		return reply{}, err
	}
	response, err := t.compiler.Response(md, "", options)
	if err != nil {
		return reply{}, err
	}
	wire := q.wire
	if q.fromJSON {
		if wire, _, err = request.AppendWire(nil, program.Input{Body: q.text}); err != nil {
			return reply{resultParseError, []byte(err.Error())}, nil
		}
	}
	if !q.toJSON {
		return reply{resultWire, wire}, nil
	}
	text, err := response.AppendJSON(nil, wire)
	if err != nil {
		return reply{resultSerializeError, []byte(err.Error())}, nil
	}
	return reply{resultJSON, text}, nil
}

// failureSet is the type of the runner's first question: which cases does a testee know itself to fail?
const failureSet = "conformance.FailureSet"
