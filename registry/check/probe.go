package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// probe builds the rules of every message and runs each of them by itself, so that every broken one is found.
func (s *schema) probe(ctx context.Context) ([]compile.Diagnostic, error) {
	validator, found, err := s.validator()
	if err != nil || len(found) > 0 {
		return found, err
	}
	p := &prober{validator: validator}
	judged := map[protoreflect.MessageDescriptor]*subject{}
	// Message rules first: a field of a message type whose rules are broken is broken as well, and is not to blame.
	for _, m := range s.messages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		judged[m] = newSubject(m)
		if rules, err := protovalidate.ResolveMessageRules(m); rules != nil || err != nil {
			p.message(judged[m])
		}
	}
	for _, m := range s.messages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i := range m.Fields().Len() {
			field := m.Fields().Get(i)
			if rules, err := protovalidate.ResolveFieldRules(field); rules != nil || err != nil {
				p.field(judged[m], field)
			}
		}
		delete(judged, m)
	}
	slices.SortStableFunc(p.found, func(a, b compile.Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return p.found, nil
}

// validator builds the rules of all messages. A panic in there is a remark on the schema, for the libraries below were
// not made for what strangers write.
func (s *schema) validator() (v protovalidate.Validator, found []compile.Diagnostic, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			found = []compile.Diagnostic{{Message: fmt.Sprintf("building the validation rules made the validator panic: %v", cause)}}
		}
	}()
	v, err = protovalidate.New(
		protovalidate.WithExtensionTypeResolver(s.files.Types()),
		protovalidate.WithMessageDescriptors(s.messages...),
	)
	return v, nil, err
}

// prober runs rules and collects what is wrong with them.
type prober struct {
	validator protovalidate.Validator
	broken    []error // of message rules
	found     []compile.Diagnostic
}

// subject is a message type, and its messages to run rules on, which are made when they are first wanted.
type subject struct {
	desc   protoreflect.MessageDescriptor
	filled []*dynamicpb.Message
}

func newSubject(desc protoreflect.MessageDescriptor) *subject { return &subject{desc: desc} }

func (s *subject) messages() []*dynamicpb.Message {
	if s.filled == nil {
		for _, f := range fillings() {
			s.filled = append(s.filled, f.fill(s.desc))
		}
	}
	return s.filled
}

func (p *prober) message(s *subject) {
	err := p.run(s, nil, func(d protoreflect.Descriptor) bool { return d.FullName() == s.desc.FullName() })
	if err != nil {
		p.broken = append(p.broken, err)
		p.report(s.desc, err)
	}
}

func (p *prober) field(s *subject, field protoreflect.FieldDescriptor) {
	err := p.run(s, field, func(d protoreflect.Descriptor) bool { return d.FullName() == field.FullName() })
	if err == nil {
		return
	}
	for _, cause := range p.broken {
		if errors.Is(err, cause) {
			return // told already, at the message
		}
	}
	p.report(field, err)
}

// run runs the rules that are selected on each of a subject's messages, with field set. It returns an error when the
// rules are wrong, or when they could judge none of the messages.
func (p *prober) run(s *subject, field protoreflect.FieldDescriptor, selected func(protoreflect.Descriptor) bool) error {
	filter := protovalidate.WithFilter(protovalidate.FilterFunc(func(_ protoreflect.Message, d protoreflect.Descriptor) bool {
		return selected(d)
	}))
	var failed error
	failures := 0
	for i, m := range s.messages() {
		if field != nil && !m.Has(field) {
			for _, inner := range fillings()[i].set(m, field) {
				fillings()[i].fillFields(inner)
			}
		}
		err := p.validate(m, filter)
		if isWrong(err) {
			return err
		}
		if err != nil {
			failed, failures = err, failures+1
		}
	}
	if failures == len(s.messages()) {
		return failed
	}
	return nil
}

// validate returns nil for a message that was judged, valid or not.
func (p *prober) validate(m *dynamicpb.Message, option protovalidate.ValidationOption) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = &panicError{cause}
		}
	}()
	err = p.validator.Validate(m, option)
	if violated := new(protovalidate.ValidationError); errors.As(err, &violated) {
		return nil
	}
	return err
}

type panicError struct{ cause any }

func (e *panicError) Error() string { return fmt.Sprintf("the validator panicked: %v", e.cause) }

// isWrong reports whether err says that a rule is wrong whatever the values.
func isWrong(err error) bool {
	compilation, panicked := new(protovalidate.CompilationError), new(panicError)
	if errors.As(err, &compilation) || errors.As(err, &panicked) {
		return true
	}
	if err == nil {
		return false
	}
	// CEL has no error types for these.
	for _, mark := range []string{"no such overload", "no such attribute", "no such field", "unexpected type"} {
		if strings.Contains(err.Error(), mark) {
			return true
		}
	}
	return false
}

func (p *prober) report(d protoreflect.Descriptor, err error) {
	remark := compile.Describe(d, "")
	compilation := new(protovalidate.CompilationError)
	switch {
	case errors.As(err, &compilation):
		remark.Message = fmt.Sprintf("a validation rule of %s does not compile: %s", d.FullName(), compilation.Unwrap())
	case isWrong(err):
		remark.Message = fmt.Sprintf("a validation rule of %s does not work: %s", d.FullName(), err)
	default:
		remark.Severity = compile.Warning
		remark.Message = fmt.Sprintf("a validation rule of %s could judge none of the values it was tried on; "+
			"calls whose values it cannot judge will fail: %s", d.FullName(), err)
	}
	remark.Message = strings.TrimRight(remark.Message, "\n")
	p.found = append(p.found, remark)
}
