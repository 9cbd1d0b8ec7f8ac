package program

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// table is what the machines know about one message type, in whichever direction they run: its fields by place, by
// number and by name, with everything computed that the descriptor would have to be asked for. How names and values
// are written, which is the table's style, is rendered into it.
//
// A table is compiled when a machine first meets its type: machines call ready before they look inside. From then on
// it is immutable, but for the extensions that it finds, and safe for concurrent use. Tables of recursive types point
// at each other.
type table struct {
	md       protoreflect.MessageDescriptor
	style    style
	compiler *Compiler

	compile  sync.Once
	compiled atomic.Bool

	// err says why the type has no JSON: a message set, or a type that only has the name of a well-known one.
	err error
	// form is the shape of the type's JSON. Machines treat all but formObject by hand.
	form form
	// kind tells the types of formText and formFree apart.
	kind wellKnownKind
	// fields are in the order of their declaration, without extensions.
	fields []field
	// dense holds the fields with numbers below denseMax, by number; sparse the others.
	dense  []*field
	sparse map[protowire.Number]*field
	// ordered tells that an encoder that writes fields by their numbers, as all do (Go's: members of oneofs last),
	// writes them in the order of their declaration.
	ordered bool
	// required is how many fields a message must have (proto2).
	required int
	// oneofs is how many oneofs there are, not counting those that stand for "optional".
	oneofs int
	// extensible tells that numbers which are no field may be extensions.
	extensible bool
	extensions extensions
	// sealed tells that the table shows part of a message: what it does not have yet it never has.
	sealed bool

	names func() map[string]*field // made on first use: only readers of JSON need it
}

// denseMax bounds the array of fields by number. Numbers from 1 to 15 take one byte on the wire and numbers to 2047
// two; whoever cares for size stays far below.
const denseMax = 256

// field is one field of a message, or the key or the value of a map's entries.
type field struct {
	fd     protoreflect.FieldDescriptor
	number protowire.Number
	// index is the field's place in table.fields. Extensions count on from there, in the order of their discovery.
	index int
	// tag is what stands before a value on the wire as this field's own encoder writes it: of the whole run if it is
	// packed.
	tag uint64
	// wire is the wire type of one value.
	wire protowire.Type
	op   op
	// card says how many values there are.
	card cardinality
	// packed tells that an encoder writes a list's values as one run. A decoder takes both, if packable.
	packed   bool
	packable bool
	// presence tells that a zero value on the wire is a value. Without it zero is the same as unset.
	presence bool
	// null tells that JSON's null is a value of the field, not its absence.
	null bool
	// required fields (proto2) must be there.
	required bool
	// extension fields stand behind all others, by full name.
	extension bool
	// utf8 tells that a string which is no UTF-8 is refused even where nobody sees it.
	utf8 bool
	// oneof numbers the oneof that the field belongs to, from 1; 0 is none. Those that stand for "optional" are none.
	oneof int
	// place is index, or that of the first member of the oneof: of fields with the same place a message has one.
	place int
	// marked tells that a singular field needs another look: it is required, in a oneof, or a closed enum.
	marked bool
	// hidden members of a oneof are not shown, but count as the oneof's value.
	hidden bool
	// narrow varints count only by their lower 32 bits.
	narrow bool

	// key is ,"name": in the table's style.
	key []byte
	// blank is the JSON of a value that is zero, or of a list or map without elements; nothing for messages.
	blank []byte
	// absent is what stands for the field when it is not set and the style writes defaults: key and value, or nothing.
	absent []byte

	message *table // of a message, and of the values of a map of messages
	entry   *table // of a map: its key and its value are entry.fields[0] and [1]
	enum    *enum
	zero    protoreflect.EnumNumber // what an enum is where the value is missing, as in a map's entry
}

// cardinality says how many values a field has.
type cardinality uint8

const (
	cardSingle cardinality = iota
	cardList
	cardMap
)

// op is what one value of a field is, both on the wire and in JSON.
type op uint8

const (
	opBool op = iota
	opInt32
	opSint32
	opUint32
	opInt64
	opSint64
	opUint64
	opFixed32
	opSfixed32
	opFloat
	opFixed64
	opSfixed64
	opDouble
	opString
	opBytes
	opEnum
	opNull    // google.protobuf.NullValue
	opMessage // a message, its length before it
	opGroup   // a message between two tags: a group of proto2, or DELIMITED
)

// ready compiles the table unless it is compiled, and returns t.err.
func (t *table) ready() error {
	if !t.compiled.Load() {
		t.compile.Do(t.build)
	}
	return t.err
}

// byNumber returns the field with this number, or nil. Extensions are found by extension in extension.go.
func (t *table) byNumber(n protowire.Number) *field {
	if uint(n) < uint(len(t.dense)) {
		return t.dense[n]
	}
	return t.sparse[n]
}

// byName returns the field that JSON names so, by its JSON name or its name in the .proto, or nil. Extensions are found
// by the resolver, under their full names.
func (t *table) byName(name []byte) *field { return t.names()[string(name)] }

// spellings lists the names of all fields for a suggestion: those in the .proto for a name that has an underscore.
func (t *table) spellings(name []byte) []string {
	var names []string
	for i := range t.fields {
		if bytes.IndexByte(name, '_') >= 0 {
			names = append(names, t.fields[i].fd.TextName())
		} else {
			names = append(names, t.fields[i].fd.JSONName())
		}
	}
	return names
}

// build fills the table in.
func (t *table) build() {
	defer t.compiled.Store(true)
	t.form, t.kind = formOf(t.md), kindOf(t.md)
	t.extensible = t.md.ExtensionRanges().Len() > 0
	t.names = sync.OnceValue(t.nameFields)
	t.fields = make([]field, t.md.Fields().Len())
	for i := range t.fields {
		fd := t.md.Fields().Get(i)
		if t.err = t.fields[i].build(t, fd, i); t.err != nil {
			return
		}
		t.number(&t.fields[i], denseMax)
		if t.fields[i].required {
			t.required++
		}
	}
	for i := range t.md.Oneofs().Len() {
		t.group(t.md.Oneofs().Get(i))
	}
	t.ordered = t.isOrdered()
	switch {
	case isMessageSet(t.md):
		t.err = fmt.Errorf("%s is a message set, which has no JSON", t.md.FullName())
	case t.form != formObject:
		t.err = t.checkWellKnown()
	}
}

// number enters a field by its number, in the array if that is below max.
func (t *table) number(f *field, max protowire.Number) {
	if f.number < max {
		for len(t.dense) <= int(f.number) {
			t.dense = append(t.dense, nil)
		}
		t.dense[f.number] = f
		return
	}
	if t.sparse == nil {
		t.sparse = map[protowire.Number]*field{}
	}
	t.sparse[f.number] = f
}

// group numbers a oneof and its members.
func (t *table) group(od protoreflect.OneofDescriptor) {
	if od.IsSynthetic() {
		return
	}
	t.oneofs++
	first := od.Fields().Get(0).Index()
	for i := range od.Fields().Len() {
		f := &t.fields[od.Fields().Get(i).Index()]
		f.oneof, f.place, f.marked = t.oneofs, min(first, f.index), true
	}
}

// isOrdered tells whether the order of the declaration is the one in which encoders write: by number, and in Go the
// members of oneofs behind all other fields. The members of one oneof must stand together, too: the machine that
// relies on the order remembers only the last oneof.
func (t *table) isOrdered() bool {
	for i := 1; i < len(t.fields); i++ {
		before, f := &t.fields[i-1], &t.fields[i]
		if before.number > f.number || before.oneof > f.oneof {
			return false
		}
	}
	return true
}

func (t *table) nameFields() map[string]*field {
	names := make(map[string]*field, 2*len(t.fields))
	for i := range t.fields {
		names[t.fields[i].fd.TextName()] = &t.fields[i]
	}
	for i := range t.fields { // a JSON name goes before the name that another field has in the .proto
		names[t.fields[i].fd.JSONName()] = &t.fields[i]
	}
	return names
}

// isMessageSet tells whether md has the wire format of proto1's message sets.
func isMessageSet(md protoreflect.MessageDescriptor) bool {
	set, ok := md.(interface{ IsMessageSet() bool })
	return ok && set.IsMessageSet()
}
