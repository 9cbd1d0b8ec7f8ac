package program

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// withoutUnknownEnums returns wire without the values that closed enums do not have. Protobuf treats them as unknown
// fields; dynamicpb, which the reference decodes with, keeps them. What is no wire of an md stays as it is.
func withoutUnknownEnums(types Resolver, md protoreflect.MessageDescriptor, wire []byte) []byte {
	var out []byte
	for rest := wire; len(rest) > 0; {
		n, typ, tagLen := protowire.ConsumeTag(rest)
		if tagLen < 0 || n > protowire.MaxValidNumber {
			return wire
		}
		valueLen := protowire.ConsumeFieldValue(n, typ, rest[tagLen:])
		if valueLen < 0 {
			return wire
		}
		value := rest[tagLen : tagLen+valueLen]
		whole := rest[:tagLen+valueLen]
		rest = rest[tagLen+valueLen:]
		fd := md.Fields().ByNumber(n)
		if fd == nil && md.ExtensionRanges().Has(n) {
			if xt, err := types.FindExtensionByNumber(md.FullName(), n); err == nil {
				fd = xt.TypeDescriptor()
			}
		}
		switch {
		case fd == nil:
		case fd.Enum() != nil && fd.Enum().IsClosed() && typ == protowire.VarintType:
			if v, _ := protowire.ConsumeVarint(value); fd.Enum().Values().ByNumber(protoreflect.EnumNumber(v)) == nil {
				continue
			}
		case fd.Enum() != nil && fd.Enum().IsClosed() && typ == protowire.BytesType && fd.IsList():
			content, _ := protowire.ConsumeBytes(value)
			if run, ok := knownEnums(fd.Enum(), content); ok {
				whole = bytesField(n, run)
			}
		case fd.IsMap() && typ == protowire.BytesType:
			content, _ := protowire.ConsumeBytes(value)
			if ed := fd.MapValue().Enum(); ed != nil && ed.IsClosed() && hasUnknownEnum(fd.MapValue(), content) {
				continue
			}
			whole = bytesField(n, withoutUnknownEnums(types, fd.Message(), content))
		case fd.Message() != nil && typ == protowire.BytesType && fd.Kind() == protoreflect.MessageKind:
			content, _ := protowire.ConsumeBytes(value)
			whole = bytesField(n, withoutUnknownEnums(types, fd.Message(), content))
		case fd.Message() != nil && typ == protowire.StartGroupType && fd.Kind() == protoreflect.GroupKind:
			content, _ := protowire.ConsumeGroup(n, value)
			whole = protowire.AppendTag(nil, n, protowire.StartGroupType)
			whole = append(whole, withoutUnknownEnums(types, fd.Message(), content)...)
			whole = protowire.AppendTag(whole, n, protowire.EndGroupType)
		}
		out = append(out, whole...)
	}
	if md.FullName() == wellKnown.Append("Any") {
		return anyWithoutUnknownEnums(types, out)
	}
	return out
}

// anyWithoutUnknownEnums does it within an Any, whose last type_url counts.
func anyWithoutUnknownEnums(types Resolver, wire []byte) []byte {
	var url string
	var value []byte
	for rest := wire; len(rest) > 0; {
		n, typ, size := protowire.ConsumeField(rest)
		_, _, tagLen := protowire.ConsumeTag(rest)
		if typ == protowire.BytesType && n == 1 {
			url, _ = protowire.ConsumeString(rest[tagLen:])
		}
		if typ == protowire.BytesType && n == 2 {
			value, _ = protowire.ConsumeBytes(rest[tagLen:])
		}
		rest = rest[size:]
	}
	mt, err := types.FindMessageByURL(url)
	if err != nil || len(value) == 0 {
		return wire
	}
	return append(wire[:len(wire):len(wire)], bytesField(2, withoutUnknownEnums(types, mt.Descriptor(), value))...)
}

func knownEnums(ed protoreflect.EnumDescriptor, run []byte) (known []byte, ok bool) {
	for len(run) > 0 {
		v, n := protowire.ConsumeVarint(run)
		if n < 0 {
			return nil, false
		}
		if ed.Values().ByNumber(protoreflect.EnumNumber(v)) != nil {
			known = append(known, run[:n]...)
		}
		run = run[n:]
	}
	return known, true
}

// hasUnknownEnum tells whether a map's entry has a value that its closed enum does not have: then all of it is unknown.
func hasUnknownEnum(value protoreflect.FieldDescriptor, entry []byte) bool {
	for len(entry) > 0 {
		n, typ, size := protowire.ConsumeField(entry)
		if size < 0 {
			return false
		}
		_, _, tagLen := protowire.ConsumeTag(entry)
		if n == value.Number() && typ == protowire.VarintType {
			if v, _ := protowire.ConsumeVarint(entry[tagLen:]); value.Enum().Values().ByNumber(protoreflect.EnumNumber(v)) == nil {
				return true
			}
		}
		entry = entry[size:]
	}
	return false
}
