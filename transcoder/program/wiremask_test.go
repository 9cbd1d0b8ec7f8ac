package program

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// What a mask makes of a wire, byte for byte.
func TestMask(t *testing.T) {
	drop := func(paths ...string) MaskRule { return MaskRule{Paths: paths} }
	keep := func(paths ...string) MaskRule { return MaskRule{Mode: MaskKeep, Paths: paths} }
	replace := func(path string, value ...byte) MaskRule { return MaskRule{Replace: []Replacement{{path, value}}} }
	sub := func(n protowire.Number, content ...[]byte) []byte { return bytesField(n, join(content...)) }
	unknown := textField(999, "?")
	long := strings.Repeat("x", 200)
	for _, row := range []struct {
		name string
		md   string
		rule MaskRule
		wire []byte
		want []byte
	}{
		{"the zero rule leaves all", "Kinds", MaskRule{}, join(textField(1, "s"), unknown), join(textField(1, "s"), unknown)},
		{"drop", "Kinds", drop("i", "l"), join(textField(1, "s"), varintField(3, 1), varintField(4, 1), varintField(5, 1)), join(textField(1, "s"), varintField(5, 1))},
		{"drop leaves what is unknown", "Kinds", drop("s"), join(unknown, textField(1, "s"), unknown), join(unknown, unknown)},
		{"drop leaves out the number with another wire type", "Kinds", drop("s"), varintField(1, 7), nil},
		{"drop of everything", "Kinds", drop("*"), join(textField(1, "s"), unknown), nil},
		{"keep", "Kinds", keep("s", "u"), join(textField(1, "s"), varintField(3, 1), varintField(5, 1)), join(textField(1, "s"), varintField(5, 1))},
		{"keep leaves out what is unknown", "Kinds", keep("s"), join(unknown, textField(1, "s"), varintField(1, 2)), textField(1, "s")},
		{"keep of everything", "Kinds", keep("*"), join(textField(1, "s"), unknown), join(textField(1, "s"), unknown)},
		{"keep of nothing", "Kinds", keep(), join(textField(1, "s"), unknown), nil},
		{"JSON names and proto names", "Kinds", keep("custom", "snake_case_name", "sub.bC"), join(textField(61, "a"), textField(62, "b"), sub(11, varintField(2, 1))), join(textField(61, "a"), textField(62, "b"), sub(11, varintField(2, 1)))},
		{"inside a message", "Kinds", drop("sub.a", "sub.sub.a"), sub(11, textField(1, long), varintField(2, 1), sub(3, textField(1, "a"), unknown)), sub(11, varintField(2, 1), sub(3, unknown))},
		{"a message stays although nothing in it does", "Kinds", keep("sub.a"), sub(11, varintField(2, 1)), sub(11)},
		{"the length gets shorter", "Kinds", keep("sub.a"), sub(11, textField(1, "a"), sub(3, textField(1, long+long))), sub(11, textField(1, "a"))},
		{"the length gets longer", "Kinds", MaskRule{Replace: []Replacement{{"sub.a", []byte(long)}}}, sub(11, textField(1, "a")), sub(11, textField(1, long))},
		{"a path covers those inside", "Kinds", keep("sub", "sub.a"), sub(11, varintField(2, 1)), sub(11, varintField(2, 1))},
		{"* is the message", "Kinds", keep("sub.*"), sub(11, varintField(2, 1), unknown), sub(11, varintField(2, 1), unknown)},
		{"each element of a list", "Kinds", drop("rsub.a"), join(sub(24, textField(1, "a")), sub(24, varintField(2, 1))), join(sub(24), sub(24, varintField(2, 1)))},
		{"each element of a list, with *", "Kinds", drop("rsub.*.a"), sub(24, textField(1, "a")), sub(24)},
		{"the values of a map", "Kinds", drop("msub.*.a"), sub(26, textField(1, "k"), sub(2, textField(1, "a"), varintField(2, 1))), sub(26, textField(1, "k"), sub(2, varintField(2, 1)))},
		{"the values of a map are kept", "Kinds", keep("msub.*.a"), sub(26, textField(1, "k"), sub(2, textField(1, "a"), varintField(2, 1))), sub(26, textField(1, "k"), sub(2, textField(1, "a")))},
		{"all of a map", "Kinds", keep("m.*"), join(mapEntry(25, "a", 1), textField(1, "s")), mapEntry(25, "a", 1)},
		{"pieces of a message", "Kinds", drop("sub.a"), join(sub(11, textField(1, "a")), varintField(3, 1), sub(11, varintField(2, 1))), join(sub(11), varintField(3, 1), sub(11, varintField(2, 1)))},
		{"a group", "test.legacy.Legacy", drop("detail.text"), join(groupField(6, join(textField(1, "t"), unknown)), textField(1, "i")), join(groupField(6, unknown), textField(1, "i"))},
		{"an extension", "test.legacy.Legacy", drop("[test.legacy.ext]"), join(textField(1, "i"), textField(100, "x"), textField(101, "y")), join(textField(1, "i"), textField(101, "y"))},
		{"an extension is kept", "test.legacy.Legacy", keep("[test.legacy.ext]"), join(textField(1, "i"), textField(100, "x"), textField(101, "y")), textField(100, "x")},
		{"a large number", "Kinds", drop("custom"), join(textField(61, "a"), varintField(1<<20, 1)), varintField(1<<20, 1)},

		{"replace", "Kinds", replace("s", []byte("***")...), join(textField(1, "secret"), varintField(3, 1)), join(textField(1, "***"), varintField(3, 1))},
		{"replace leaves absent what is absent", "Kinds", replace("s", []byte("***")...), varintField(3, 1), varintField(3, 1)},
		{"replace with another wire type", "Kinds", replace("s", []byte("***")...), varintField(1, 5), nil},
		{"replace a number", "Kinds", replace("i", 0x96, 1), varintField(3, 1), varintField(3, 150)},
		{"replace each element", "Kinds", replace("rs", 'x'), join(textField(20, "a"), textField(20, "b")), join(textField(20, "x"), textField(20, "x"))},
		{"replace each element of a run", "Kinds", replace("ri", 0x96, 1), bytesField(21, []byte{1, 0x80, 1, 3}), bytesField(21, []byte{0x96, 1, 0x96, 1, 0x96, 1})},
		{"replace a message", "Kinds", replace("sub", varintField(2, 7)...), sub(11, textField(1, "a")), sub(11, varintField(2, 7))},
		{"replace values of a map", "Kinds", replace("m.*", 9), join(mapEntry(25, "a", 1), bytesField(25, textField(1, "b"))), join(mapEntry(25, "a", 9), mapEntry(25, "b", 9))},
		{"replace within a list of messages", "Kinds", replace("rsub.a", 'x'), sub(24, textField(1, "a")), sub(24, textField(1, "x"))},
		{"replace a group", "test.legacy.Legacy", replace("detail", textField(1, "x")...), groupField(6, textField(1, "t")), groupField(6, textField(1, "x"))},
		{"what is not kept is not replaced", "Kinds", MaskRule{Mode: MaskKeep, Paths: []string{"i"}, Replace: []Replacement{{"s", nil}}}, join(textField(1, "a"), varintField(3, 1)), varintField(3, 1)},
		{"replaced inside what is kept", "Kinds", MaskRule{Mode: MaskKeep, Paths: []string{"sub"}, Replace: []Replacement{{"sub.a", nil}}}, sub(11, textField(1, "a"), unknown), sub(11, textField(1, ""), unknown)},

		{"hide wherever it stands", "Kinds", MaskRule{Hide: []protoreflect.FullName{"test.v1.Sub.a"}},
			join(sub(11, textField(1, "a"), sub(3, textField(1, "a"), varintField(2, 1))), sub(60, sub(24, textField(1, "a")), sub(26, textField(1, "k"), sub(2, textField(1, "a"))))),
			join(sub(11, sub(3, varintField(2, 1))), sub(60, sub(24), sub(26, textField(1, "k"), sub(2))))},
		{"hide what is kept", "Kinds", MaskRule{Mode: MaskKeep, Paths: []string{"sub"}, Hide: []protoreflect.FullName{"test.v1.Sub.a"}}, sub(11, textField(1, "a"), unknown), sub(11, unknown)},
		{"hide an extension", "test.legacy.Legacy", MaskRule{Hide: []protoreflect.FullName{"test.legacy.ext"}}, sub(5, textField(100, "x"), varintField(4, 1)), sub(5, varintField(4, 1))},

		{"a member of a oneof that is left out still counts", "Kinds", drop("o2"), join(varintField(50, 1), varintField(51, 2)), nil},
		{"also in another piece", "Kinds", drop("rec.o2"), join(sub(60, varintField(50, 1)), sub(60, varintField(51, 2))), sub(60)},
		{"the last member counts", "Kinds", drop("o2"), join(varintField(51, 2), varintField(50, 1)), varintField(50, 1)},
		{"a oneof's message starts anew", "Kinds", drop("o2"), join(sub(52, textField(1, "a")), varintField(51, 2), sub(52, varintField(2, 1))), sub(52, varintField(2, 1))},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := compiler(t).Mask(message(t, row.md), row.rule, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.AppendWire([]byte("before"), row.wire)
			if err != nil {
				t.Fatal(errors.Unwrap(err))
			}
			if got, _ = bytes.CutPrefix(got, []byte("before")); !bytes.Equal(got, row.want) {
				t.Errorf("got  %x\nwant %x", got, row.want)
			}
		})
	}
}

// Wires that are none are refused, and dst comes back as it was.
func TestMaskRefusesHostileWires(t *testing.T) {
	deep := []byte{}
	for range 400 {
		deep = bytesField(60, deep)
	}
	deepGroups := bytes.Repeat(protowire.AppendTag(nil, 7, protowire.StartGroupType), 20000)
	hide := MaskRule{Hide: []protoreflect.FullName{"test.v1.Sub.a"}}
	for _, row := range []struct {
		name string
		rule MaskRule
		wire []byte
	}{
		{"truncated tag", MaskRule{Paths: []string{"s"}}, []byte{0x80}},
		{"number 0", MaskRule{Paths: []string{"s"}}, []byte{0, 1}},
		{"number too large", MaskRule{Paths: []string{"s"}}, protowire.AppendVarint(nil, 1<<35)},
		{"length beyond the end", MaskRule{Paths: []string{"s"}}, []byte{0x0a, 5, 'a'}},
		{"length near overflow", MaskRule{Paths: []string{"s"}}, append([]byte{0x0a}, protowire.AppendVarint(nil, 1<<63-1)...)},
		{"length of 64 bits", MaskRule{Paths: []string{"sub.a"}}, append([]byte{0x5a}, protowire.AppendVarint(nil, 1<<64-1)...)},
		{"length within beyond the message", MaskRule{Paths: []string{"sub.b_c"}}, bytesField(11, []byte{0x0a, 5, 'a'})},
		{"end of a group that did not start", MaskRule{Paths: []string{"s"}}, protowire.AppendTag(nil, 9, protowire.EndGroupType)},
		{"end of a group in a message", MaskRule{Paths: []string{"sub.a"}}, bytesField(11, protowire.AppendTag(nil, 11, protowire.EndGroupType))},
		{"group without an end", MaskRule{Paths: []string{"s"}}, protowire.AppendTag(nil, 900, protowire.StartGroupType)},
		{"groups too deep", MaskRule{Paths: []string{"s"}}, deepGroups},
		{"run that is none", MaskRule{Replace: []Replacement{{"ri", []byte{1}}}}, bytesField(21, []byte{0x80})},
		{"messages too deep", hide, deep},
		{"no UTF-8 in several pieces", MaskRule{Paths: []string{"o2"}}, join(varintField(50, 1), varintField(51, 1), textField(1, "\xff"))},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := compiler(t).Mask(message(t, "Kinds"), row.rule, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := m.AppendWire([]byte("before"), row.wire)
			var refusal *rpc.Error
			if !errors.As(err, &refusal) || refusal.Code() != codes.Internal || refusal.Reason() != ReasonBadReply || errors.Unwrap(err) == nil {
				t.Errorf("got %x, %v", got, err)
			}
			if string(got) != "before" {
				t.Errorf("dst is now %q", got)
			}
		})
	}
	m, err := compiler(t).Mask(message(t, "test.legacy.Legacy"), MaskRule{Paths: []string{"detail.text"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, wire := range [][]byte{protowire.AppendTag(nil, 6, protowire.StartGroupType), {6<<3 | 3, 5<<3 | 4}} {
		if got, err := m.AppendWire(nil, wire); err == nil {
			t.Errorf("%x is taken as %x", wire, got)
		}
	}
}

// Rules that can never work are refused with what to do about it.
func TestMaskRules(t *testing.T) {
	for _, row := range []struct {
		rule MaskRule
		text string
	}{
		{MaskRule{Paths: []string{"sub.b_d"}}, `path "sub.b_d": test.v1.Sub has no field "b_d"; did you mean sub.b_c?`},
		{MaskRule{Paths: []string{"sub..a"}}, `test.v1.Sub has no field ""`},
		{MaskRule{Paths: []string{""}}, `test.v1.Kinds has no field ""`},
		{MaskRule{Paths: []string{"s.x"}}, "s is a string, so the path must end there"},
		{MaskRule{Paths: []string{"s.*"}}, "s is a string, so the path must end there"},
		{MaskRule{Paths: []string{"*.a"}}, `has no field "*"`},
		{MaskRule{Paths: []string{"ts.seconds"}}, "ts is a google.protobuf.Timestamp, so the path must end there"},
		{MaskRule{Paths: []string{"msub.a"}}, "msub is a map; write msub.* for what its values have"},
		{MaskRule{Paths: []string{"[test.legacy.ext]"}}, `has no field "[test.legacy.ext]"`},
		{MaskRule{Replace: []Replacement{{"*", nil}}}, "a whole message cannot be replaced"},
		{MaskRule{Replace: []Replacement{{"m", nil}}}, "a map cannot be replaced; its values can, as m.*"},
		{MaskRule{Replace: []Replacement{{"i", []byte{1, 1}}}}, "the value is not one encoded int32"},
		{MaskRule{Replace: []Replacement{{"x", []byte{1}}}}, "the value is not one encoded fixed64"},
		{MaskRule{Replace: []Replacement{{"s", []byte{0xff}}}}, "not UTF-8"},
		{MaskRule{Replace: []Replacement{{"sub", []byte{0xff}}}}, "the value is no test.v1.Sub"},
		{MaskRule{Replace: []Replacement{{"sub", textField(5, "tag")}}}, "would come twice"},
		{MaskRule{Replace: []Replacement{{"sub", nil}, {"sub.a", nil}}}, "another replacement has the place"},
	} {
		_, err := compiler(t).Mask(message(t, "Kinds"), row.rule, Options{})
		if err == nil || !strings.Contains(err.Error(), row.text) {
			t.Errorf("%v: got %v, want %s", row.rule, err, row.text)
		}
	}
}

// A mask that does nothing says so, and nothing is allocated by one that does.
func TestMaskCosts(t *testing.T) {
	for rule, want := range map[string]bool{"test.v1.Author.given_name": false, "test.v1.Sub.a": true, "test.v1.Nothing.x": true} {
		m, err := compiler(t).Mask(message(t, "Book"), MaskRule{Hide: []protoreflect.FullName{protoreflect.FullName(rule)}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if m.Idle() != want {
			t.Errorf("hiding %s from a book is idle: %v", rule, m.Idle())
		}
	}
	wire := wireOf(t, message(t, "Book"), bodies()["Book"])
	for _, rule := range []MaskRule{
		{Mode: MaskKeep, Paths: []string{"author.given_name", "tags", "labels.*"}},
		{Paths: []string{"author.given_name"}, Replace: []Replacement{{"title", []byte("***")}}, Hide: []protoreflect.FullName{"test.v1.Author.family_name"}},
	} {
		m, err := compiler(t).Mask(message(t, "Book"), rule, Options{})
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 0, 2*len(wire))
		if n := testing.AllocsPerRun(100, func() {
			if _, err := m.AppendWire(dst, wire); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", rule, n)
		}
	}
}
