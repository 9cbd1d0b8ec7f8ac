package program

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// FuzzWireToJSON: on random schemas and random wires a program writes what protojson writes, byte for byte but for white
// space, and refuses what protojson refuses. A wire that is given is read as it is; otherwise one is made from seed.
func FuzzWireToJSON(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed, seed, byte(seed), []byte(nil))
		f.Add(seed, seed+1, byte(seed), []byte(nil))
	}
	for name, wire := range wires(f) {
		f.Add(uint64(0), uint64(0), byte(len(name)), wire)
	}
	var schemas randomSchemas
	f.Fuzz(func(t *testing.T, schema, seed uint64, options byte, wire []byte) {
		s := schemas.get(t, schema)
		md := s.messages[seed%uint64(len(s.messages))]
		if len(wire) == 0 {
			wire = randomWire(s, md, seed)
		}
		checkReply(t, s, md, optionsOf(options), fieldOf(md, options), wire)
	})
}

// TestWireToJSONRandom is the fuzz target's check on inputs of its own.
func TestWireToJSONRandom(t *testing.T) {
	var schemas randomSchemas
	for seed := range uint64(10000) {
		s := schemas.get(t, seed%200)
		md := s.messages[seed%uint64(len(s.messages))]
		wire := randomWire(s, md, seed)
		checkReply(t, s, md, optionsOf(byte(seed)), fieldOf(md, byte(seed/8)), wire)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func optionsOf(bits byte) Options {
	return Options{ProtoNames: bits&1 != 0, EmitDefaults: bits&2 != 0, EnumNumbers: bits&4 != 0, EmitUnset: bits&64 != 0}
}

// fieldOf is a response_body, mostly none.
func fieldOf(md protoreflect.MessageDescriptor, bits byte) string {
	if n := md.Fields().Len(); n > 0 && bits>>3&7 == 0 {
		return string(md.Fields().Get(int(bits) % n).Name())
	}
	return ""
}

// checkReply compares a program with the reference.
func checkReply(t *testing.T, s *randomSchema, md protoreflect.MessageDescriptor, o Options, field string, wire []byte) {
	t.Helper()
	response, err := s.compiler.Response(md, field, o)
	if err != nil {
		t.Fatal(err)
	}
	got, gotErr := response.AppendJSON(nil, wire)
	checkParts(t, response, wire, got, gotErr)
	want, wantErr := newReference(s.types, md, field, o).survive(withoutUnknownEnums(s.types, md, wire))
	switch {
	case errors.Is(wantErr, errPanic):
	case gotErr != nil && wantErr != nil, explained(gotErr, wantErr, field):
	case gotErr != nil:
		t.Errorf("%s %v %q: refused: %v\nwire %x\nreference: %s", md.FullName(), o.style(), field, errors.Unwrap(gotErr), wire, want)
	case wantErr != nil:
		t.Errorf("%s %v %q: taken, the reference says: %v\nwire %x\ngot %s", md.FullName(), o.style(), field, errors.Unwrap(wantErr), wire, got)
	case string(got) != string(want):
		t.Errorf("%s %v %q\nwire %x\ngot  %s\nwant %s", md.FullName(), o.style(), field, wire, got, want)
	case !json.Valid(got) || !utf8.Valid(got):
		t.Errorf("%s %v %q: no JSON: %s\nwire %x", md.FullName(), o.style(), field, got, wire)
	}
}

// errPanic says that the reference cannot tell: proto.Unmarshal of a dynamicpb message panics when an entry of a map has a
// second key of another wire type (google.golang.org/protobuf v1.36).
var errPanic = errors.New("the reference panics")

func (r *reference) survive(wire []byte) (text []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			if !strings.Contains(fmt.Sprint(p), "cannot convert nil to map key") {
				panic(p)
			}
			text, err = nil, errPanic
		}
	}()
	return r.appendJSON(nil, wire)
}

// explained tells whether the two differ on purpose.
func explained(got, want error, field string) bool {
	switch {
	case errors.Is(got, errDepth):
		// An Any within maps: the reference counts the entries of maps anew in each Any.
		return true
	case got == nil && want != nil && field != "":
		// An Any in a field that is not the reply: nobody needs its type.
		return strings.Contains(errors.Unwrap(want).Error(), "google.protobuf.Any")
	}
	return false
}

// wires are encodings worth mutating, shared by tests and fuzz targets.
func wires(t testing.TB) map[string][]byte {
	all := map[string][]byte{}
	for name, text := range bodies() {
		if name == "Book" {
			all[name] = wireOf(t, message(t, name), text)
		}
	}
	all["nested"] = nested(5)
	all["any"] = bytesField(39, nestedAny(3))
	return all
}
