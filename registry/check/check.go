// Package check judges a linked schema by what no compiler looks at: whether its validation rules will work.
//
// Read [Check]. What needs a gateway (routes, policy) is judged there.
package check

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// Check returns what is wrong with the schema's own files, each remark at the place that it is about. A schema without a Fault among the remarks may be served.
//
// It looks at the size of options, at the work that validation rules ask for, and at the rules themselves: each is built
// and then run, because a rule that does not compile is noticed nowhere else before a call fails. A rule that merely
// refuses the values it was run on is as it should be.
//
// Check keeps nothing and is safe for concurrent use. Its error says that it could not do its work: ctx ended, say.
func Check(ctx context.Context, files *compile.Files) ([]compile.Diagnostic, error) {
	s := &schema{files: files}
	for _, file := range files.Own() {
		s.takeFile(file)
	}
	// A rule that asks for too much must not be run, so the bounds come first and alone.
	found, err := s.bounds()
	if err != nil || len(found) > 0 {
		return found, err
	}
	return s.probe(ctx)
}

// schema is one run of Check.
type schema struct {
	files    *compile.Files
	messages []protoreflect.MessageDescriptor // own, without map entries
	all      []protoreflect.Descriptor        // own, of everything that may have options
}

// optionsBytesMax bounds the options of one declaration. What people write takes a few hundred bytes.
const optionsBytesMax = 64 << 10

// bounds reports options that are too large and rules that ask for too much work.
func (s *schema) bounds() ([]compile.Diagnostic, error) {
	scale, err := newScale()
	if err != nil {
		return nil, err
	}
	var found []compile.Diagnostic
	for _, d := range s.all {
		if size := proto.Size(d.Options()); size > optionsBytesMax {
			found = append(found, compile.Describe(d, fmt.Sprintf("the options of %s take %d KiB, more than the %d KiB that one declaration may have",
				d.FullName(), size>>10, optionsBytesMax>>10)))
			continue
		}
		if problem := scale.weigh(d); problem != "" {
			found = append(found, compile.Describe(d, problem))
		}
	}
	return found, nil
}

func (s *schema) takeFile(file protoreflect.FileDescriptor) {
	s.all = append(s.all, file)
	s.takeMessages(file.Messages())
	s.takeEnums(file.Enums())
	s.takeFields(file.Extensions())
	for i := range file.Services().Len() {
		service := file.Services().Get(i)
		s.all = append(s.all, service)
		for j := range service.Methods().Len() {
			s.all = append(s.all, service.Methods().Get(j))
		}
	}
}

func (s *schema) takeMessages(messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		m := messages.Get(i)
		if m.IsMapEntry() {
			continue
		}
		s.all = append(s.all, m)
		s.messages = append(s.messages, m)
		s.takeFields(m.Fields())
		s.takeFields(m.Extensions())
		for j := range m.Oneofs().Len() {
			s.all = append(s.all, m.Oneofs().Get(j))
		}
		s.takeEnums(m.Enums())
		s.takeMessages(m.Messages())
	}
}

// fields is what a message's fields and the extensions of a scope have in common.
type fields interface {
	Len() int
	Get(int) protoreflect.FieldDescriptor
}

func (s *schema) takeFields(fields fields) {
	for i := range fields.Len() {
		s.all = append(s.all, fields.Get(i))
	}
}

func (s *schema) takeEnums(enums protoreflect.EnumDescriptors) {
	for i := range enums.Len() {
		s.all = append(s.all, enums.Get(i))
		for j := range enums.Get(i).Values().Len() {
			s.all = append(s.all, enums.Get(i).Values().Get(j))
		}
	}
}
