package openapi

import (
	"math"
	"slices"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// unnumbered are the values of a float that JSON has no numbers for, by the names that ProtoJSON gives them.
var unnumbered = []string{"NaN", "Infinity", "-Infinity"}

var unnumberedValues = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

// unnumberedLeft are those that the rules of a float let pass: more than 5 is infinity, too, and NaN is within no bounds.
func unnumberedLeft(rules *validate.FieldRules) []string {
	return slices.DeleteFunc(slices.Clone(unnumbered), func(name string) bool { return !passes(unnumberedValues[name], rules) })
}

// passes reports whether the rules of a float let x pass.
func passes(x float64, rules *validate.FieldRules) bool {
	ok, bounded, within := true, 0, 0
	typed(rules, func(name string, v protoreflect.Value, _ protoreflect.FieldDescriptor) {
		limit, _ := number(v)
		switch name {
		case "gt", "gte", "lt", "lte":
			bounded++
			if name == "gt" && x > limit || name == "gte" && x >= limit || name == "lt" && x < limit || name == "lte" && x <= limit {
				within++
			}
		case "finite":
			ok = ok && !v.Bool()
		case "const":
			ok = ok && x == limit
		case "in":
			ok = ok && contains(v.List(), x)
		case "not_in":
			ok = ok && !contains(v.List(), x)
		}
	})
	if outside(rules) { // one side of a gap suffices
		return ok && within > 0
	}
	return ok && within == bounded
}

func contains(list protoreflect.List, x float64) bool {
	for i := range list.Len() {
		if n, _ := number(list.Get(i)); n == x {
			return true
		}
	}
	return false
}
