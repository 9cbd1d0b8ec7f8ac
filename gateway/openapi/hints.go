package openapi

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// behaves reports whether google.api.field_behavior says something of a field (AIP-203).
func behaves(fd protoreflect.FieldDescriptor, b annotations.FieldBehavior) bool {
	return slices.Contains(extension[[]annotations.FieldBehavior](fd, annotations.E_FieldBehavior), b)
}

// hint adds what is no rule of the gateway: which way a field goes, and its default.
func hint(schema *object, fd protoreflect.FieldDescriptor, st style) {
	if behaves(fd, annotations.FieldBehavior_OUTPUT_ONLY) {
		schema.set("readOnly", true)
	}
	if behaves(fd, annotations.FieldBehavior_INPUT_ONLY) {
		schema.set("writeOnly", true)
	}
	if fd.HasDefault() {
		schema.set("default", written(fd, fd.Default(), st))
	}
}

// behaviorText says what no keyword does.
func behaviorText(fd protoreflect.FieldDescriptor) string {
	switch {
	case behaves(fd, annotations.FieldBehavior_IMMUTABLE):
		return "It is set once and cannot be changed."
	case behaves(fd, annotations.FieldBehavior_IDENTIFIER):
		return "It is the name of the resource, which the service gives."
	}
	return ""
}

// exemplify adds the examples that rules have for a value.
func exemplify(schema *object, fd protoreflect.FieldDescriptor, rules *validate.FieldRules, st style) {
	typed(rules, func(name string, v protoreflect.Value, _ protoreflect.FieldDescriptor) {
		if name == "example" {
			schema.set("examples", shown(v.List(), func(v protoreflect.Value) any { return written(fd, v, st) }))
		}
	})
}

// written is a value of a field, or of its rules, as JSON has it. It can be compared.
func written(fd protoreflect.FieldDescriptor, v protoreflect.Value, st style) any {
	switch x := v.Interface().(type) {
	case protoreflect.EnumNumber:
		return enumValues(fd.Enum(), []int32{int32(x)}, st)[0]
	case int32:
		if fd.Enum() != nil {
			return enumValues(fd.Enum(), []int32{x}, st)[0]
		}
	case int64, uint64:
		return v.String()
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case float32, float64:
		switch n, _ := number(v); {
		case math.IsNaN(n):
			return "NaN"
		case math.IsInf(n, 1):
			return "Infinity"
		case math.IsInf(n, -1):
			return "-Infinity"
		}
	case protoreflect.Message:
		text, _ := protojson.Marshal(x.Interface()) // of rules that were judged: durations, times and masks, which are texts
		var value string
		_ = json.Unmarshal(text, &value)
		return value
	}
	return v.Interface()
}
