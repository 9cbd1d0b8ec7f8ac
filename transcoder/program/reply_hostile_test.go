package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Wires that would take ages if anything were done anew for each level or for each field: each of them is some
// megabytes, and done in a fraction of a second. A quadratic way through would run into the test's time limit.
func TestReplyHostile(t *testing.T) {
	many := 1 << 20
	if raceDetector {
		many = 1 << 16 // it makes all of it twenty times slower
	}
	repeat := func(n int, fields ...[]byte) []byte { return bytes.Repeat(join(fields...), n) }
	deep := func(levels int, wrap func([]byte) []byte, inner []byte) []byte {
		for range levels {
			inner = wrap(inner)
		}
		return inner
	}
	for _, row := range []struct {
		name, md string
		wire     []byte
		size     int // of the JSON, 0 if the wire is refused
	}{
		{name: "two lists by turns", wire: repeat(many, varintField(21, 1), varintField(22, 1)), size: len(`{"ri":[],"re":[]}`) + 2*many - 1 + len(`"RED"`)*many + many - 1},
		{name: "two scalars by turns", wire: repeat(many, varintField(3, 1), varintField(4, 1)), size: len(`{"i":1,"l":"1"}`)},
		{name: "two members of a oneof by turns", wire: repeat(many, varintField(50, 1), bytesField(52, textField(1, "a"))), size: len(`{"osub":{"a":"a"}}`)},
		{name: "one message in many pieces", wire: repeat(many, bytesField(11, textField(5, "")), varintField(3, 1)), size: len(`{"i":1,"sub":{"tags":[]}}`) + 3*many - 1},
		{name: "pieces in pieces", wire: deep(18, func(in []byte) []byte { return join(bytesField(3, in), varintField(2, 1), bytesField(3, in)) }, textField(1, "a")), md: "Sub", size: len(`{"sub":`)*18 + len(`{"a":"a"}`) + len(`"bC":1,}`)*18},
		{name: "given up on at each level", wire: deep(250, func(in []byte) []byte { return join(bytesField(3, in), varintField(2, 1)) }, textField(1, strings.Repeat("a", many))), md: "Sub", size: 250*len(`{"bC":1,"sub":}`) + len(`{"a":""}`) + many},
		{name: "one key many times", wire: repeat(many, mapEntry(25, "a", 1)), size: len(`{"m":{"a":1}}`)},
		{name: "two keys by turns", wire: repeat(many/2, mapEntry(25, "b", 1), mapEntry(25, "a", 1), varintField(3, 1)), size: len(`{"i":1,"m":{"a":1,"b":1}}`)},
		{name: "keys in falling order", wire: falling(many / 4), size: len(`{"m":{}}`) + len(`"0000000":1`)*many/4 + many/4 - 1},
		{name: "keys that start alike", wire: alike(1 << 10), size: len(`{"m":{}}`) + (len(`"0000":1`)+1<<12)*(1<<10) + 1<<10 - 1},
		{name: "groups in groups", wire: join(textField(1, "i"), deepGroups(250, many)), md: "test.editions.Edition"},
		{name: "groups in groups, with what is required", wire: join(varintField(12, 1), deepGroups(250, many)), md: "test.editions.Edition", size: 250*len(`{"part":}`) + len(`{"a":1}`) + len(`,"needed":1`)},
		{name: "unknown groups", wire: join(repeat(9000, protowire.AppendTag(nil, 999, protowire.StartGroupType)), repeat(9000, protowire.AppendTag(nil, 999, protowire.EndGroupType))), size: 2},
		{name: "unknown groups too deep", wire: repeat(many, protowire.AppendTag(nil, 999, protowire.StartGroupType))},
		{name: "unknown fields", wire: repeat(many, varintField(999, 1)), size: 2},
		{name: "many empty messages", wire: repeat(many, bytesField(24, nil)), size: len(`{"rsub":[]}`) + 3*many - 1},
		{name: "many empty messages of a wide type", wire: repeat(many, bytesField(60, nil)), size: len(`{"rec":{}}`)},
		{name: "many Anys", wire: bytesField(39, repeat(many/8, textField(1, "x/test.v1.Sub"))), size: len(`{"any":{"@type":"x/test.v1.Sub"}}`)},
		{name: "lying lengths", wire: deep(4, func(in []byte) []byte {
			return append(protowire.AppendTag(nil, 60, protowire.BytesType), join([]byte{0xff, 0xff, 0x03}, in)...)
		}, repeat(many/2, textField(1, "a")))},
		{name: "varints without end", wire: bytes.Repeat([]byte{0xff}, many)},
		{name: "a string of quotes", wire: textField(1, strings.Repeat(`"`, many)), size: len(`{"s":""}`) + 2*many},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.md == "" {
				row.md = "Kinds"
			}
			response, err := compiler(t).Response(message(t, row.md), "", Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := response.AppendJSON(nil, row.wire)
			checkParts(t, response, row.wire, got, err)
			if len(got) != row.size {
				t.Errorf("%d bytes of JSON, want %d: %.100s … (%v)", len(got), row.size, got, errors.Unwrap(err))
			}
		})
	}
}

// falling is a map whose n keys come in falling order; alike one whose keys differ only at their ends.
func falling(n int) []byte {
	var wire []byte
	for i := range n {
		wire = append(wire, mapEntry(25, fmt.Sprintf("%07d", n-i), 1)...)
	}
	return wire
}

func alike(n int) []byte {
	var wire []byte
	for i := range n {
		wire = append(wire, mapEntry(25, strings.Repeat("a", 1<<12)+fmt.Sprintf("%04d", n-i), 1)...)
	}
	return wire
}

// deepGroups is a field 4 of an Edition with so many parts in each other, the innermost with many fields.
func deepGroups(levels, fields int) []byte {
	inner := bytes.Repeat(varintField(1, 1), fields)
	for range levels - 1 {
		inner = groupField(2, inner)
	}
	return groupField(4, inner)
}

// The pool keeps no more than its bounds, whatever went through.
func TestScratchIsBounded(t *testing.T) {
	c := compiler(t)
	response, err := c.Response(message(t, "Kinds"), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := response.AppendJSON(nil, bytes.Repeat(join(varintField(21, 1), varintField(22, 1)), 1<<16)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if s, ok := c.scratches.Get().(*scratch); ok && cap(s.pieces) > scratchKeep {
			t.Fatalf("the pool holds a scratch of %d pieces", cap(s.pieces))
		}
	}
}

// In steady state nothing is allocated, whichever way a message takes.
func TestReplyAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("pools do not keep what they are given")
	}
	for name, row := range map[string]struct {
		md   string
		wire []byte
	}{
		"in order":     {"Book", wires(t)["Book"]},
		"out of order": {"Kinds", join(varintField(3, 1), textField(1, "a"), bytesField(11, textField(1, "a")), bytesField(11, varintField(2, 1)))},
		"maps":         {"Kinds", join(mapEntry(25, "b", 1), mapEntry(25, "a", 2), mapEntry(25, "b", 3))},
		"any":          {"Kinds", bytesField(39, join(textField(1, "a.host/test.v1.Sub"), bytesField(2, textField(1, "b"))))},
		"any JSON":     {"Kinds", bytesField(37, join(structEntry("b"), structEntry("a")))},
		"numbers":      {"Kinds", join(varintField(4, 1<<60), fixed32Field(7, 0x3dcccccd), fixed64Field(8, 0x3fb999999999999a))},
		"extensions":   {"test.editions.Edition", join(varintField(12, 1), varintField(101, 2), bytesField(100, nil))},
		"groups":       {"test.editions.Edition", join(varintField(12, 1), groupField(4, groupField(2, nil)), groupField(5, nil))},
		"one replaced": {"Kinds", join(bytesField(52, textField(1, "a")), varintField(50, 0))},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := compiler(t).Response(message(t, row.md), "", Options{})
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]byte, 0, 1<<12)
			if _, err := response.AppendJSON(dst, row.wire); err != nil {
				t.Fatal(errors.Unwrap(err))
			}
			if n := testing.AllocsPerRun(200, func() { _, _ = response.AppendJSON(dst, row.wire) }); n >= 1 { // the collector may empty the pool
				t.Errorf("%v allocations", n)
			}
		})
	}
}

// SEMANTICS 74: the order of the fields on the wire, as long as that of each field's own occurrences stays, changes
// nothing; nor does it matter whether lists are packed.
func TestReplyOrder(t *testing.T) {
	var schemas randomSchemas
	shuffled := 0
	for seed := range uint64(3000) {
		s := schemas.get(t, seed%100)
		md := s.messages[seed%uint64(len(s.messages))]
		response, err := s.compiler.Response(md, "", Options{})
		if err != nil {
			t.Fatal(err)
		}
		wire := randomWire(s, md, seed)
		want, err := response.AppendJSON(nil, wire)
		if err != nil {
			continue
		}
		other := shuffle(rand.New(rand.NewPCG(seed, 3)), md, wire)
		if !bytes.Equal(other, wire) {
			shuffled++
		}
		if got, err := response.AppendJSON(nil, other); err != nil || string(got) != string(want) {
			t.Fatalf("seed %d: %x\nas    %x\ngot  %s (%v)\nwant %s", seed, wire, other, got, err, want)
		}
	}
	if shuffled < 500 {
		t.Errorf("only %d wires were in another order", shuffled)
	}
}

// shuffle puts the fields of a wire in another order, but for occurrences of one field and members of one oneof, and
// takes packed runs apart.
func shuffle(r *rand.Rand, md protoreflect.MessageDescriptor, wire []byte) []byte {
	groups := map[string][][]byte{}
	var order []string // the group of each part
	for rest := wire; len(rest) > 0; {
		n, typ, size := protowire.ConsumeField(rest)
		part := rest[:size]
		rest = rest[size:]
		name := fmt.Sprint(n)
		if fd := md.Fields().ByNumber(n); fd != nil {
			if fd.ContainingOneof() != nil {
				name = string(fd.ContainingOneof().Name())
			}
			if _, own := opOf(fd); fd.IsList() && typ == protowire.BytesType && own == protowire.VarintType {
				part = unpack(n, part)
			}
		}
		groups[name] = append(groups[name], part)
		order = append(order, name)
	}
	r.Shuffle(len(order), func(i, k int) { order[i], order[k] = order[k], order[i] })
	var out []byte
	for _, name := range order {
		out = append(out, groups[name][0]...)
		groups[name] = groups[name][1:]
	}
	return out
}

func unpack(n protowire.Number, field []byte) []byte {
	_, _, tagLen := protowire.ConsumeTag(field)
	run, _ := protowire.ConsumeBytes(field[tagLen:])
	var out []byte
	for len(run) > 0 {
		v, size := protowire.ConsumeVarint(run)
		out = append(out, varintField(n, v)...)
		run = run[size:]
	}
	return out
}

// A wire that is cut off anywhere is refused, or is the wire of a shorter message; what it is is the reference's word.
func TestReplyTruncated(t *testing.T) {
	types, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	s := &randomSchema{types: types, compiler: compiler(t)}
	md := message(t, "Kinds")
	wire := join(wires(t)["any"], textField(1, "abc"), bytesField(11, textField(1, "x")), bytesField(21, []byte{1, 0x80, 1}), mapEntry(25, "a", 1), bytesField(11, varintField(2, 300)))
	for n := range len(wire) {
		checkReply(t, s, md, Options{}, "", wire[:n])
	}
}

// Programs are compiled while they run, by many at the same time.
func TestReplyConcurrently(t *testing.T) {
	s := newRandomSchema(t, 7)
	var all sync.WaitGroup
	for k := range 8 {
		all.Go(func() {
			for seed := range uint64(200) {
				md := s.messages[(seed+uint64(k))%uint64(len(s.messages))]
				checkReply(t, s, md, optionsOf(byte(seed)), "", randomWire(s, md, seed))
			}
		})
	}
	all.Wait()
}

// A message that calls itself google.protobuf.Duration but is not is refused, not misread.
func TestReplyLookAlike(t *testing.T) {
	source := `syntax = "proto3"; package google.protobuf; message Duration { string text = 1; } message Value { int32 a = 1; }
		message Empty { string s = 1; } message Holder { Duration d = 1; Value v = 2; Empty e = 3; string s = 4; }`
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"a.proto": source})}}
	files, err := compiler.Compile(context.Background(), "a.proto")
	if err != nil {
		t.Fatal(err)
	}
	c := NewCompiler(files.AsResolver())
	if _, err := c.Response(files[0].Messages().ByName("Duration"), "", Options{}); err == nil {
		t.Error("a program for a type that only looks like Duration")
	}
	response, err := c.Response(files[0].Messages().ByName("Holder"), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := response.AppendJSON(nil, textField(4, "x")); err != nil || string(got) != `{"s":"x"}` {
		t.Errorf("got %s, %v", got, err)
	}
	for n := range protowire.Number(2) {
		if got, err := response.AppendJSON(nil, bytesField(n+1, nil)); err == nil {
			t.Errorf("field %d: got %s", n+1, got)
		}
	}
}

// What an Any may put before the last slash of its URL is without bound; what is kept of it is not.
func TestAnyURLsAreBounded(t *testing.T) {
	types, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	c := NewCompiler(types)
	response, err := c.Response(message(t, "Kinds"), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range urlsMax + 100 {
		url := fmt.Sprintf("host%d/test.v1.Sub", i)
		got, err := response.AppendJSON(nil, bytesField(39, textField(1, url)))
		if want := `{"any":{"@type":"` + url + `"}}`; err != nil || string(got) != want {
			t.Fatalf("got %s, %v; want %s", got, err, want)
		}
	}
	if n := len(*c.tables.byURL.Load()); n != urlsMax {
		t.Errorf("%d URLs are kept, want %d", n, urlsMax)
	}
}
