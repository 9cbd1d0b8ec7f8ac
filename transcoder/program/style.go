package program

// style is how a table writes JSON: the part of Options that is decided when a table is compiled, so that no machine
// asks for it field by field. Tables that only read JSON have style 0.
type style uint8

const (
	styleProtoNames style = 1 << iota
	styleDefaults
	styleEnumNumbers
	styleUnset
)

func (o Options) style() style {
	var s style
	if o.ProtoNames {
		s |= styleProtoNames
	}
	if o.EmitDefaults {
		s |= styleDefaults
	}
	if o.EnumNumbers {
		s |= styleEnumNumbers
	}
	if o.EmitUnset {
		s |= styleDefaults | styleUnset
	}
	return s
}

func (s style) protoNames() bool  { return s&styleProtoNames != 0 }
func (s style) defaults() bool    { return s&styleDefaults != 0 }
func (s style) unset() bool       { return s&styleUnset != 0 }
func (s style) enumNumbers() bool { return s&styleEnumNumbers != 0 }
