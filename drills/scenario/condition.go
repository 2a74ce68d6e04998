package scenario

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// Condition is a CEL expression, compiled and typed when the scenario was
// loaded. It may be asked at any time and from several goroutines.
type Condition struct {
	Pos    Pos
	Source string
	Needs  []string // names of the decisions it looks at, in order of their first mention

	world     bool // it looks at something else than decisions
	checked   *cel.Ast
	program   cel.Program
	functions []string // late bound, to be found among the names
}

// Final reports whether nothing but decisions can change what the condition is:
// once those are taken, it stays what it is.
func (c *Condition) Final() bool { return !c.world }

// Holds asks a condition that is true or false. names are the values of the
// vocabulary's names and functions with now, elapsed and chosen (see [Chosen]);
// values made by Go alone suffice. found tells what was seen in it, such as
// `fleet.changed.count was 3`, whether it holds or not.
func (c *Condition) Holds(names map[string]any) (held bool, found string, err error) {
	v, found, err := c.evaluate(names)
	if err != nil {
		return false, "", err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, "", fmt.Errorf("evaluating %q: it is neither true nor false", c.Source)
	}
	return bool(b), found, nil
}

// Value asks for a figure and returns it as people read it.
func (c *Condition) Value(names map[string]any) (string, error) {
	v, _, err := c.evaluate(names)
	if err != nil {
		return "", err
	}
	return show(v), nil
}

func (c *Condition) evaluate(names map[string]any) (ref.Val, string, error) {
	functions := make(map[string]cel.LateBoundFunction, len(c.functions))
	for _, name := range c.functions {
		f, ok := names[name].(Func)
		if !ok {
			return nil, "", fmt.Errorf("evaluating %q: the world has no function %q", c.Source, name)
		}
		functions[name] = func(_ string, args ...ref.Val) ref.Val { return result(f(natives(args))) }
	}
	vars, err := cel.FunctionVars(names, functions)
	if err != nil {
		return nil, "", fmt.Errorf("evaluating %q: %w", c.Source, err)
	}
	v, details, err := c.program.Eval(vars)
	if err != nil {
		return nil, "", fmt.Errorf("evaluating %q: %w", c.Source, err)
	}
	return v, strings.Join(c.found(c.checked.NativeRep().Expr(), details.State()), "; "), nil
}

// found tells the values below the logic of e: both sides of a comparison, and
// whatever else is true or false by itself. What was not looked at, because the
// answer was clear before, is not told.
func (c *Condition) found(e ast.Expr, state interpreter.EvalState) []string {
	var out []string
	tell := func(e ast.Expr) {
		v, seen := state.Value(e.ID())
		if !seen || e.Kind() == ast.LiteralKind || types.IsUnknownOrError(v) {
			return
		}
		text, err := cel.ExprToString(e, c.checked.NativeRep().SourceInfo())
		if err != nil {
			return
		}
		out = append(out, text+" was "+show(v))
	}
	if e.Kind() != ast.CallKind {
		tell(e)
		return out
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
		for _, a := range call.Args() {
			out = append(out, c.found(a, state)...)
		}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In:
		for _, a := range call.Args() {
			tell(a)
		}
	default:
		tell(e)
	}
	return out
}

// show writes a value as people read it.
func show(v ref.Val) string {
	switch v := v.Value().(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case time.Duration:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'g', 6, 64)
	case string:
		return strconv.Quote(v)
	case Object:
		return "a value of " + v.TypeName()
	case []ref.Val:
		texts := make([]string, len(v))
		for i, x := range v {
			texts[i] = show(x)
		}
		return "[" + strings.Join(texts, ", ") + "]"
	default:
		return fmt.Sprint(v)
	}
}

// Chosen is the value of `chosen`: the option taken in each decision by the
// decision's identifier, empty until it is taken.
type Chosen map[string]string

// TypeName implements Object.
func (Chosen) TypeName() string { return chosenType }

// Get implements Object.
func (c Chosen) Get(field string) (any, error) { return c[field], nil }

// Call implements Object.
func (Chosen) Call(method string, _ []any) (any, error) {
	return nil, fmt.Errorf("chosen has no %s", method)
}
