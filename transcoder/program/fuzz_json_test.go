package program

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// TestJSONToWireRandom compares programs with the reference on random schemas, bindings and requests.
func TestJSONToWireRandom(t *testing.T) {
	var schemas randomSchemas
	taken := 0
	for seed := range uint64(20000) {
		if checkRandomRequest(t, schemas.get(t, seed%200), seed) {
			taken++
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if taken < 5000 {
		t.Errorf("only %d requests were taken; the test makes too few that are valid", taken)
	}
}

// checkRandomRequest makes a request from a seed and tells whether it is taken.
func checkRandomRequest(t *testing.T, s *randomSchema, seed uint64) bool {
	t.Helper()
	g := newJSONMaker(s, seed)
	md := s.messages[g.IntN(len(s.messages))]
	rule, in := RequestRule{HTTPMethod: "POST", Body: "*"}, Input{}
	if g.one(2) {
		rule, in = g.rule(md)
	} else {
		in.Body = []byte(g.message(md, 0))
	}
	options := Options{
		Unknown: Unknown(g.IntN(2)), BoolFlags: g.one(2), NumericBools: g.one(2), EnumCaseInsensitive: g.one(2), SnakeCaseMasks: g.one(2),
		RepeatedCSV: g.one(2),
	}
	if g.one(10) {
		options.DepthMax = 3
	}
	return checkRequest(t, s.compiler, md, rule, options, in)
}

// checkRequest compares a program with the reference and tells whether the request is taken.
func checkRequest(t *testing.T, c *Compiler, md protoreflect.MessageDescriptor, rule RequestRule, o Options, in Input) bool {
	t.Helper()
	reference, refErr := newRefRequest(c, md, rule, o)
	request, err := c.Request(md, rule, o)
	if (err != nil) != (refErr != nil) {
		t.Errorf("%s %+v: compiles: %v, the reference: %v", md.FullName(), rule, err, refErr)
	}
	if err != nil || refErr != nil {
		return false
	}
	got, ignored, err := request.AppendWire([]byte("before"), in)
	want, refIgnored, refErr := reference.appendWire([]byte("before"), in)
	describe := func() string {
		return strings.Join([]string{string(md.FullName()), rule.HTTPMethod, strings.Join(rule.Vars, " "), "body " + rule.Body,
			"path " + strings.Join(in.Path, " "), "query " + in.Query, string(in.Body)}, "\n")
	}
	if !strings.HasPrefix(string(got), "before") {
		t.Fatalf("%s\nlost what was in dst", describe())
	}
	switch {
	case err != nil && refErr != nil:
		checkReason(t, err)
	case refErr != nil && differsOnPurpose(refErr):
	case err != nil:
		t.Errorf("%s\nrefused: %v", describe(), err)
	case refErr != nil:
		t.Errorf("%s\ntaken, the reference says: %v", describe(), refErr)
	case ignored != refIgnored:
		t.Errorf("%s\nignored %d, the reference %d", describe(), ignored, refIgnored)
	default:
		if a, b := decoded(t, c, md, got[6:]), decoded(t, c, md, want[6:]); !proto.Equal(a, b) {
			t.Errorf("%s\nmade %v\nwant %v", describe(), a, b)
		}
	}
	return err == nil
}

// differsOnPurpose tells whether a request is taken although the reference refuses it.
func differsOnPurpose(refErr error) bool {
	// 88: a mask that was sent is taken as it is, so it does not matter that none could be inferred.
	return strings.Contains(refErr.Error(), "cannot be named in an inferred update mask")
}

// decoded reads wire, with the messages inside Anys in one order of their fields.
func decoded(t *testing.T, c *Compiler, md protoreflect.MessageDescriptor, wire []byte) proto.Message {
	t.Helper()
	m := dynamicpb.NewMessage(md)
	if err := (proto.UnmarshalOptions{Resolver: c.types}).Unmarshal(wire, m); err != nil {
		t.Fatalf("%x: %v", wire, err)
	}
	if err := orderAnys(c, m); err != nil {
		t.Fatalf("%x: %v", wire, err)
	}
	return m
}

func orderAnys(c *Compiler, m protoreflect.Message) (err error) {
	if formOf(m.Descriptor()) == formAny {
		return orderAny(c, m)
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				err = errors.Join(err, orderAnys(c, v.Message()))
				return true
			})
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				err = errors.Join(err, orderAnys(c, v.List().Get(i).Message()))
			}
		default:
			err = errors.Join(err, orderAnys(c, v.Message()))
		}
		return true
	})
	return err
}

func orderAny(c *Compiler, m protoreflect.Message) error {
	fields := m.Descriptor().Fields()
	mt, err := c.types.FindMessageByURL(m.Get(fields.ByNumber(1)).String())
	if err != nil {
		return nil // an empty Any
	}
	inner := dynamicpb.NewMessage(mt.Descriptor())
	options := proto.UnmarshalOptions{AllowPartial: true, Resolver: c.types}
	if err := errors.Join(options.Unmarshal(m.Get(fields.ByNumber(2)).Bytes(), inner), orderAnys(c, inner)); err != nil {
		return err
	}
	wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(inner)
	m.Set(fields.ByNumber(2), protoreflect.ValueOfBytes(wire))
	return err
}
