package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types/ref"
)

// condition compiles the expression in n. If it must be true or false, truth is
// set. On error it returns nil, with everything wrong added to the errors.
func (c *checker) condition(n *node, truth bool) *Condition {
	if n == nil {
		return nil
	}
	out := &Condition{Pos: n.pos, Source: strings.TrimSpace(n.text)}
	checked, issues := c.words.env.Compile(n.text)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			c.errs.add(inside(n, e.Location), "%s", c.celWords(e))
		}
		return nil
	}
	if truth && !checked.OutputType().IsExactType(cel.BoolType) {
		c.errs.add(n.pos, "%q is not a condition: compare it with something, such as == 0", out.Source)
		return nil
	}
	program, err := c.words.env.Program(checked, cel.EvalOptions(cel.OptTrackState), cel.CostLimit(costLimit))
	if err != nil {
		c.errs.add(n.pos, "%q cannot be used: %v", out.Source, err)
		return nil
	}
	out.checked, out.program = checked, program
	before := len(c.errs.list)
	c.walk(n, out, checked.NativeRep().Expr())
	if len(c.errs.list) > before {
		return nil
	}
	return out
}

// costLimit bounds an expression: those of the library cost below a hundred,
// and one that loops over a list of its own making must not stop a drill.
const costLimit = 1_000_000

// walk checks what CEL cannot know: the words in quotes.
func (c *checker) walk(n *node, out *Condition, e ast.Expr) {
	rep := out.checked.NativeRep()
	at := func(e ast.Expr) Pos { return inside(n, rep.SourceInfo().GetStartLocation(e.ID())) }
	switch e.Kind() {
	case ast.IdentKind:
		out.world = out.world || e.AsIdent() != "chosen"
	case ast.SelectKind:
		if d := c.chosenIn(e); d != nil && !slices.Contains(out.Needs, d.Name) {
			out.Needs = append(out.Needs, d.Name)
		}
		c.walk(n, out, e.AsSelect().Operand())
	case ast.ListKind:
		for _, x := range e.AsList().Elements() {
			c.walk(n, out, x)
		}
	case ast.ComprehensionKind:
		l := e.AsComprehension()
		for _, x := range []ast.Expr{l.IterRange(), l.AccuInit(), l.LoopCondition(), l.LoopStep(), l.Result()} {
			c.walk(n, out, x)
		}
	case ast.CallKind:
		call := e.AsCall()
		name, args := call.FunctionName(), call.Args()
		out.world = out.world || c.words.functions[name]
		if c.words.functions[name] && !slices.Contains(out.functions, name) {
			out.functions = append(out.functions, name)
		}
		if r := rep.ReferenceMap()[e.ID()]; r != nil {
			for _, id := range r.OverloadIDs {
				for i, p := range c.words.params[id] {
					if i >= len(args) {
						continue
					}
					if text, ok := literalText(args[i]); ok {
						if err := c.fits(p, text); err != nil {
							c.errs.add(at(args[i]), "%s: %v", name, err)
						}
					}
				}
			}
		}
		switch name {
		case operators.Equals, operators.NotEquals, operators.In:
			for i := range args {
				if d := c.chosenIn(args[i]); d != nil {
					c.optionsOf(d, args[1-i], at)
				}
			}
		}
		if call.IsMemberFunction() {
			c.walk(n, out, call.Target())
		}
		for _, a := range args {
			c.walk(n, out, a)
		}
	}
}

// optionsOf checks that what a decision is compared with is among its options.
func (c *checker) optionsOf(d *Decision, e ast.Expr, at func(ast.Expr) Pos) {
	list := []ast.Expr{e}
	if e.Kind() == ast.ListKind {
		list = e.AsList().Elements()
	}
	for _, x := range list {
		if text, ok := literalText(x); ok && text != "" && !slices.Contains(d.OptionNames(), text) {
			c.errs.add(at(x), "decision %q has no option %q: %s", d.Name, text, instead(text, d.OptionNames()))
		}
	}
}

// chosenIn returns the decision that `chosen.x` looks at, else nil.
func (c *checker) chosenIn(e ast.Expr) *Decision {
	if e.Kind() != ast.SelectKind {
		return nil
	}
	s := e.AsSelect()
	if s.Operand().Kind() != ast.IdentKind || s.Operand().AsIdent() != "chosen" {
		return nil
	}
	return c.byIdent[s.FieldName()]
}

func literalText(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := ref.Val(e.AsLiteral()).Value().(string)
	return s, ok
}

// inside is the place in the file of a place in an expression. Where lines were
// folded there is no telling, and the start of the expression must do.
func inside(n *node, l common.Location) Pos {
	p := n.pos
	switch {
	case n.style >= blockStyle || n.lines > 1 || l.Line() != 1 || l.Column() < 0:
	case n.style == quotedStyle:
		p.Col += 1 + l.Column()
	default:
		p.Col += l.Column()
	}
	return p
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	noField    = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'`)
	noParts    = regexp.MustCompile(`^type '([^']*)' does not support field selection`)
	syntax     = regexp.MustCompile(`^Syntax error: (.*)`)
)

// operatorWords are the operators as they are written.
var operatorWords = map[string]string{"_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">", "_>=_": ">=",
	"_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_&&_": "&&", "_||_": "||", "!_": "!", "@in": "in", "_in_": "in"}

// celWords turns what CEL says into what a planner can act on.
func (c *checker) celWords(e *common.Error) string {
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		hint := instead(m[1], c.words.names)
		if slices.Contains(c.partyIDs(), m[1]) {
			hint = "texts stand in quotes, as in \"" + m[1] + "\""
		}
		return fmt.Sprintf("unknown name %q: %s", m[1], hint)
	}
	if m := noField.FindStringSubmatch(e.Message); m != nil {
		return fmt.Sprintf("there is no %q here: %s", m[1], instead(m[1], c.words.names))
	}
	if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		if op, ok := operatorWords[m[1]]; ok {
			types := strings.Trim(m[2], "()")
			hint := "both sides must be of one kind"
			if types == "double, int" || types == "int, double" {
				hint = "write the number with a point, such as 1.0, where a share stands on the other side"
			}
			return fmt.Sprintf("%s cannot stand between %s: %s", op, strings.ReplaceAll(types, ", ", " and "), hint)
		}
		return fmt.Sprintf("%s cannot be asked of %s: %s", m[1], m[2], c.signatures(m[1]))
	}
	if m := noParts.FindStringSubmatch(e.Message); m != nil {
		return fmt.Sprintf("nothing stands behind the point of a value of kind %s: compare it, or take the point away", m[1])
	}
	if m := syntax.FindStringSubmatch(e.Message); m != nil {
		return "this is not an expression: " + m[1] + "; texts stand in quotes, and = is written =="
	}
	return e.Message
}

// signatures says how a function of the vocabulary is written.
func (c *checker) signatures(name string) string {
	var out []string
	write := func(on string, f Function) {
		if f.Name != name {
			return
		}
		params := make([]string, len(f.Params))
		for i, p := range f.Params {
			params[i] = p.Name
		}
		if on != "" {
			on += "."
		}
		out = append(out, fmt.Sprintf("%s%s(%s)", on, f.Name, strings.Join(params, ", ")))
	}
	for _, f := range c.v.Functions {
		write("", f)
	}
	for _, t := range c.v.Types {
		for _, f := range t.Methods {
			write(t.Name, f)
		}
	}
	if len(out) == 0 {
		return "see docs/drill-language.md"
	}
	return "it is written " + strings.Join(out, " or ")
}
