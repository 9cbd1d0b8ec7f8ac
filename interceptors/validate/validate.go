// Package validate checks requests against the rules that stand in their .proto (buf.validate), by protovalidate on
// the frame's decoded view. Read validate.go first; rules.go finds what has rules, probe.go tries every rule out
// before a snapshot goes live.
package validate

import (
	"cmp"
	"errors"
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	// violationsMax bounds the violations of one refusal; the rest is counted in its message only.
	violationsMax = 64
	// textRunesMax bounds a field path and a description, both of which may repeat what the client sent.
	textRunesMax = 512
)

// Validate is the interceptor of one snapshot. It is immutable and safe for concurrent use.
type Validate struct {
	validator protovalidate.Validator
	ruled     map[protoreflect.FullName]bool
}

// New builds the rules of all messages that the methods take, and tries each rule out. The extensions are those in
// which predefined rules may be declared; nil means the ones built in. An error names the message and the rule that
// cannot be built or run; a snapshot with such a rule must not go live, because every call would fail.
func New(methods []*rpc.Method, extensions protoregistry.ExtensionTypeResolver) (*Validate, error) {
	v := &Validate{ruled: map[protoreflect.FullName]bool{}}
	var inputs []protoreflect.MessageDescriptor
	var failed error
	types := reach.Of(func(md protoreflect.MessageDescriptor) bool {
		has, err := ownRules(md)
		failed = cmp.Or(failed, err)
		return has
	})
	for _, m := range methods {
		in := m.Input.Descriptor
		if _, seen := v.ruled[in.FullName()]; seen {
			continue
		}
		has := types.Has(in)
		if failed != nil {
			return nil, fmt.Errorf("method %s: %w", m.Name(), failed)
		}
		v.ruled[in.FullName()] = has
		if has {
			inputs = append(inputs, in)
		}
	}
	if len(inputs) == 0 {
		return v, nil // building an empty validator costs milliseconds
	}
	judged := reachable(inputs)
	// Everything is built now, and nothing while calls run.
	options := []protovalidate.ValidatorOption{
		protovalidate.WithMessageDescriptors(judged...), protovalidate.WithDisableLazy(),
	}
	if extensions != nil {
		options = append(options, protovalidate.WithExtensionTypeResolver(extensions))
	}
	var err error
	if v.validator, err = protovalidate.New(options...); err != nil {
		return nil, fmt.Errorf("validation rules: %w", err)
	}
	if err := probe(v.validator, judged); err != nil {
		return nil, err
	}
	return v, nil
}

// Check returns nothing for a method whose request type, through all its fields, has no rules.
func (v *Validate) Check(m *rpc.Method) rpc.Check {
	if !v.ruled[m.Input.Descriptor.FullName()] {
		return rpc.Check{}
	}
	return rpc.Check{Request: v.request}
}

// request judges one message. Broken rules list each field; a rule that fails while it runs is the gateway's fault.
func (v *Validate) request(c *rpc.Call, f *rpc.Frame) error {
	view, err := f.Message()
	if err != nil {
		return err
	}
	err = v.validator.Validate(view)
	var broken *protovalidate.ValidationError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &broken):
		return refuse(broken)
	}
	return rpc.Errorf(codes.Internal, "RULE_FAILED",
		"a validation rule of %s could not be evaluated; its owner finds the cause in the gateway's log",
		f.Type().Descriptor.FullName()).Because(fmt.Errorf("method %s: %w", c.Method.Name(), err))
}

// refuse lists the broken rules in AIP-193's form, with field paths in proto names.
func refuse(broken *protovalidate.ValidationError) error {
	listed := broken.Violations[:min(len(broken.Violations), violationsMax)]
	violations := make([]*errdetails.BadRequest_FieldViolation, 0, len(listed))
	for _, b := range listed {
		violations = append(violations, &errdetails.BadRequest_FieldViolation{
			Field:       cut(protovalidate.FieldPathString(b.Proto.GetField())),
			Description: cut(description(b)),
			Reason:      b.Proto.GetRuleId(),
		})
	}
	return rpc.Invalid("VALIDATION_FAILED", violations...)
}

// description says what is wrong; a rule without a message is named.
func description(b *protovalidate.Violation) string {
	if text := b.Proto.GetMessage(); text != "" {
		return text
	}
	return "breaks the rule " + b.Proto.GetRuleId()
}

func cut(s string) string {
	if len(s) <= textRunesMax {
		return s
	}
	if r := []rune(s); len(r) > textRunesMax {
		return string(r[:textRunesMax]) + "…"
	}
	return s
}
