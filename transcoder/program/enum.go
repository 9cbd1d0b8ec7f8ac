package program

import (
	"strconv"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// enum is what the machines know about one enum type. It is immutable.
type enum struct {
	ed     protoreflect.EnumDescriptor
	closed bool // numbers that have no name are unknown fields
	// dense and sparse hold the JSON of the values, by number: the quoted name that is listed first, or the number.
	dense  [][]byte
	sparse map[protoreflect.EnumNumber][]byte

	names func() map[string]protoreflect.EnumNumber // made on first use: only readers of names need it
}

// enumDenseMax bounds the array of values by number.
const enumDenseMax = 256

func newEnum(ed protoreflect.EnumDescriptor, s style) *enum {
	e := &enum{ed: ed, closed: ed.IsClosed()}
	for i := range ed.Values().Len() {
		n := ed.Values().Get(i).Number()
		text := []byte(`"` + string(ed.Values().ByNumber(n).Name()) + `"`) // the first alias, whichever this one is
		if s.enumNumbers() {
			text = strconv.AppendInt(nil, int64(n), 10)
		}
		e.enter(n, text)
	}
	e.names = sync.OnceValue(e.nameValues)
	return e
}

func (e *enum) enter(n protoreflect.EnumNumber, text []byte) {
	if n >= 0 && n < enumDenseMax {
		for len(e.dense) <= int(n) {
			e.dense = append(e.dense, nil)
		}
		e.dense[n] = text
		return
	}
	if e.sparse == nil {
		e.sparse = map[protoreflect.EnumNumber][]byte{}
	}
	e.sparse[n] = text
}

func (e *enum) nameValues() map[string]protoreflect.EnumNumber {
	names := make(map[string]protoreflect.EnumNumber, e.ed.Values().Len())
	for i := range e.ed.Values().Len() {
		names[string(e.ed.Values().Get(i).Name())] = e.ed.Values().Get(i).Number()
	}
	return names
}

// json returns the JSON of a value that has a name, or nil.
func (e *enum) json(n protoreflect.EnumNumber) []byte {
	if uint32(n) < uint32(len(e.dense)) {
		return e.dense[n]
	}
	return e.sparse[n]
}

// unknown tells whether a value on the wire has no name.
func (e *enum) unknown(v uint64) bool { return e.json(protoreflect.EnumNumber(v)) == nil }

// appendJSON appends the JSON of any value: a number if it has no name.
func (e *enum) appendJSON(dst []byte, n protoreflect.EnumNumber) []byte {
	if text := e.json(n); text != nil {
		return append(dst, text...)
	}
	return strconv.AppendInt(dst, int64(n), 10)
}
