package program

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// wellKnownKind tells the types apart whose JSON is not the object of their fields.
type wellKnownKind uint8

const (
	ordinary wellKnownKind = iota
	kindTimestamp
	kindDuration
	kindFieldMask
	kindWrapper
	kindAny
	kindStruct
	kindValue
	kindListValue
)

// kindOf returns the kind of md.
func kindOf(md protoreflect.MessageDescriptor) wellKnownKind {
	switch formOf(md) {
	case formWrapper:
		return kindWrapper
	case formAny:
		return kindAny
	case formObject:
		return ordinary
	}
	switch md.Name() {
	case "Timestamp":
		return kindTimestamp
	case "Duration":
		return kindDuration
	case "FieldMask":
		return kindFieldMask
	case "Struct":
		return kindStruct
	case "Value":
		return kindValue
	}
	return kindListValue
}

// checkWellKnown tells whether a type that has the name of a well-known one is it: a schema may bring its own. The
// machines rely on the numbers and types of the fields, not on their names.
func (t *table) checkWellKnown() error {
	ok := true
	want := func(n protoreflect.FieldNumber, card cardinality, ops ...op) {
		f := t.byNumber(n)
		match := false
		for _, o := range ops {
			match = match || f != nil && f.op == o && f.card == card
		}
		ok = ok && match
	}
	switch t.kind {
	case kindTimestamp, kindDuration:
		want(1, cardSingle, opInt64)
		want(2, cardSingle, opInt32)
	case kindFieldMask:
		want(1, cardList, opString)
	case kindWrapper:
		want(1, cardSingle, opBool, opInt32, opInt64, opUint32, opUint64, opFloat, opDouble, opString, opBytes)
	case kindAny:
		want(1, cardSingle, opString)
		want(2, cardSingle, opBytes)
	case kindStruct:
		want(1, cardMap, opMessage)
		ok = ok && t.fields[0].message != nil && t.fields[0].message.md.FullName() == wellKnown.Append("Value")
	case kindValue:
		want(1, cardSingle, opNull)
		want(2, cardSingle, opDouble)
		want(3, cardSingle, opString)
		want(4, cardSingle, opBool)
		want(5, cardSingle, opMessage)
		want(6, cardSingle, opMessage)
		for i := range t.fields {
			ok = ok && t.fields[i].oneof == 1
		}
	case kindListValue:
		want(1, cardList, opMessage)
	}
	if !ok || len(t.fields) != wellKnownFields[t.kind] {
		return fmt.Errorf("%s has other fields than the well-known type of that name", t.md.FullName())
	}
	return nil
}

var wellKnownFields = [...]int{
	kindTimestamp: 2, kindDuration: 2, kindFieldMask: 1, kindWrapper: 1, kindAny: 2, kindStruct: 1, kindValue: 6, kindListValue: 1,
}
