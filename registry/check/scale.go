package check

import (
	"fmt"
	"math"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	pvcel "buf.build/go/protovalidate/cel"
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scale weighs CEL expressions before they are run or even compiled: compiling evaluates what is constant in them.
type scale struct {
	env *cel.Env
	// left is how many steps the rules of the schema may still ask for.
	left float64
}

// A step takes some 50 ns, so one rule may take half a second at the worst, and all of them two and a half, on the small
// messages that they are tried on.
const (
	ruleStepsMax   = 1e7
	schemaStepsMax = 5e7
)

func newScale() (*scale, error) {
	env, err := cel.NewEnv(cel.Lib(pvcel.NewLibrary()))
	if err != nil {
		return nil, err
	}
	return &scale{env: env, left: schemaStepsMax}, nil
}

// weigh returns what is wrong with the amount of work that the rules of d ask for, or "". Expressions that do not
// parse weigh nothing: compiling them will tell.
func (s *scale) weigh(d protoreflect.Descriptor) string {
	for _, expression := range expressions(d) {
		parsed, issues := s.env.Parse(expression)
		if issues.Err() != nil {
			continue
		}
		steps := steps(parsed.NativeRep().Expr())
		if steps > ruleStepsMax {
			return fmt.Sprintf("a validation rule of %s may take %.0g steps, more than %.0g; "+
				"take loops within loops apart, or loop over fewer values", d.FullName(), steps, float64(ruleStepsMax))
		}
		if s.left -= steps; s.left < 0 {
			return fmt.Sprintf("up to %s the validation rules of this schema may take more than %.0g steps together", d.FullName(), float64(schemaStepsMax))
		}
	}
	return ""
}

// expressions returns the CEL expressions in the options of d: wherever buf.validate has a Rule or a cel_expression.
func expressions(d protoreflect.Descriptor) []string {
	var found []string
	for _, extension := range []protoreflect.ExtensionType{validate.E_Message, validate.E_Field, validate.E_Predefined} {
		options := d.Options().ProtoReflect()
		if options.Descriptor().FullName() != extension.TypeDescriptor().ContainingMessage().FullName() {
			continue
		}
		if rules, ok := proto.GetExtension(options.Interface(), extension).(proto.Message); ok {
			found = appendExpressions(found, rules.ProtoReflect())
		}
	}
	return found
}

func appendExpressions(found []string, m protoreflect.Message) []string {
	if rule, ok := m.Interface().(*validate.Rule); ok {
		return append(found, rule.GetExpression())
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				found = appendExpressions(found, value.List().Get(i).Message())
			}
		case field.IsList() && field.Name() == "cel_expression":
			for i := range value.List().Len() {
				found = append(found, value.List().Get(i).String())
			}
		case field.Message() != nil && !field.IsList() && !field.IsMap():
			found = appendExpressions(found, value.Message())
		}
		return true
	})
	return found
}

// steps is an upper bound for how often a part of the expression is evaluated, on messages of a few values per list:
// each loop runs over at most as many values as the expression itself spells out, and those few.
func steps(root ast.Expr) float64 {
	const fewValues = 4
	all := ast.NavigateExpr(ast.NewAST(root, ast.NewSourceInfo(nil)), root)
	width, size, splits, letters, deepest := fewValues, 0, false, 0, 0
	visit := func(e ast.NavigableExpr) {
		size++
		switch e.Kind() {
		case ast.ListKind:
			width += e.AsList().Size()
		case ast.MapKind:
			width += e.AsMap().Size()
		case ast.LiteralKind:
			if text, ok := e.AsLiteral().(types.String); ok {
				letters += len(text)
			}
		case ast.CallKind:
			splits = splits || e.AsCall().FunctionName() == "split"
		case ast.ComprehensionKind:
			deepest = max(deepest, loopsAround(e)+1)
		}
	}
	for _, e := range ast.MatchDescendants(all, ast.AllMatcher()) {
		visit(e)
	}
	if splits {
		width += letters
	}
	return float64(size) * math.Pow(float64(width), float64(deepest))
}

// loopsAround returns how many loops e is in.
func loopsAround(e ast.NavigableExpr) int {
	n := 0
	for parent, ok := e.Parent(); ok; parent, ok = parent.Parent() {
		if parent.Kind() == ast.ComprehensionKind {
			n++
		}
	}
	return n
}
