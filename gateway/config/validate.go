package config

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// validate holds the configuration against the rules in proto/gatehouse/config/v1.
func (l *loader) validate() {
	validator, err := protovalidate.New()
	if err == nil {
		err = validator.Validate(l.cfg)
	}
	var invalid *protovalidate.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &invalid):
		desc := l.cfg.ProtoReflect().Descriptor()
		for _, v := range invalid.Violations {
			path := protovalidate.FieldPathString(v.Proto.GetField())
			l.reportf(path, "%s", sentence(desc, path, v))
		}
	default: // a rule of ours that does not compile
		l.reportf("", "cannot be checked: %v", err)
	}
}

// sentence says what a violation means for somebody who writes a file, and quotes the value when it is short text and
// has nothing to do with a secret.
func sentence(desc protoreflect.MessageDescriptor, path string, v *protovalidate.Violation) string {
	const longest = 80
	if fields := oneofFields(desc, v.Proto.GetField()); fields != nil {
		return "one of these is missing: " + list(fields)
	}
	value, isString := "", false
	if v.FieldValue.IsValid() {
		value, isString = v.FieldValue.Interface().(string)
	}
	switch {
	case isString && value == "":
		return "is missing or empty"
	case strings.HasSuffix(path, "sha256"):
		return "must be a SHA-256 as 64 hexadecimal digits, letters in lower case"
	case !isString || len(value) > longest:
		return v.Proto.GetMessage()
	}
	return fmt.Sprintf("%s; it is %q", v.Proto.GetMessage(), value)
}

// oneofFields returns the names of a oneof's fields when a path ends in a oneof, else nil.
func oneofFields(desc protoreflect.MessageDescriptor, path *validate.FieldPath) (names []string) {
	for _, e := range path.GetElements() {
		if desc == nil {
			return nil
		}
		name := protoreflect.Name(e.GetFieldName())
		if field := desc.Fields().ByName(name); field != nil {
			desc = field.Message()
		} else if oneof := desc.Oneofs().ByName(name); oneof != nil {
			for i := range oneof.Fields().Len() {
				names = append(names, string(oneof.Fields().Get(i).Name()))
			}
		}
	}
	return names
}
