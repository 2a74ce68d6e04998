package ceremony

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// reader walks the tree of a script and keeps all that is wrong with it. It
// reads YAML's plain part only: no anchors, aliases, merges or tags, so that
// what a reviewer sees on a line is what that line says.
type reader struct {
	file     string
	problems []error
}

func (r *reader) fail(n ast.Node, format string, a ...any) {
	r.failAt(position(n), format, a...)
}

func (r *reader) failAt(p Pos, format string, a ...any) {
	r.problems = append(r.problems, &ScriptError{File: r.file, Pos: p, Text: fmt.Sprintf(format, a...)})
}

func position(n ast.Node) Pos {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{t.Position.Line, t.Position.Column}
}

// document returns the one document of the file, or nil.
func (r *reader) document(b []byte) ast.Node {
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		p := Pos{1, 1}
		text := err.Error()
		if syntax, ok := err.(yaml.Error); ok {
			text = syntax.GetMessage()
			if t := syntax.GetToken(); t != nil && t.Position != nil {
				p = Pos{t.Position.Line, t.Position.Column}
			}
		}
		r.failAt(p, "this is not YAML: %s", text)
		return nil
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		r.failAt(Pos{1, 1}, "a script is one YAML document, and there are %d", len(file.Docs))
		return nil
	}
	return file.Docs[0].Body
}

type pair struct {
	name  string
	key   ast.Node
	value ast.Node
}

// pairs reads a mapping with any names.
func (r *reader) pairs(n ast.Node, what string) []pair {
	m, ok := n.(ast.MapNode)
	if !ok {
		r.fail(n, "%s: want names with a colon, got %s", what, kind(n))
		return nil
	}
	var all []pair
	for it := m.MapRange(); it.Next(); {
		key, ok := it.Key().(ast.Node)
		name := ""
		if s, isText := key.(*ast.StringNode); isText {
			name = s.Value
		}
		if !ok || name == "" {
			r.fail(key, "%s: want a name, got %s", what, kind(key))
			continue
		}
		all = append(all, pair{name, key, it.Value()})
	}
	return all
}

// fields reads a mapping with known names; those that end in "!" must be there.
func (r *reader) fields(n ast.Node, what string, known ...string) map[string]ast.Node {
	var names []string
	for _, k := range known {
		names = append(names, strings.TrimSuffix(k, "!"))
	}
	found := map[string]ast.Node{}
	if _, ok := n.(ast.MapNode); !ok {
		r.fail(n, "%s: want %s, got %s", what, strings.Join(names, ", "), kind(n))
		return found
	}
	for _, p := range r.pairs(n, what) {
		if !slices.Contains(names, p.name) {
			r.fail(p.key, "%s: unknown key %q; known are %s", what, p.name, strings.Join(names, ", "))
			continue
		}
		found[p.name] = p.value
	}
	for _, k := range known {
		if name, must := strings.CutSuffix(k, "!"); must && found[name] == nil {
			r.fail(n, "%s: %q is missing", what, name)
		}
	}
	return found
}

func (r *reader) list(n ast.Node, what string) []ast.Node {
	if n == nil {
		return nil
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		r.fail(n, "%s: want a list, got %s", what, kind(n))
		return nil
	}
	return s.Values
}

func (r *reader) text(n ast.Node, what string) string {
	switch v := n.(type) {
	case nil:
		return ""
	case *ast.StringNode:
		return strings.TrimSpace(v.Value)
	case *ast.LiteralNode:
		return strings.Join(strings.Fields(v.Value.Value), " ")
	}
	r.fail(n, "%s: want text, got %s; put it in quotes if it is meant as text", what, kind(n))
	return ""
}

func (r *reader) texts(n ast.Node, what string) (all []string) {
	for _, v := range r.list(n, what) {
		all = append(all, r.text(v, what))
	}
	return all
}

func (r *reader) number(n ast.Node, what string) int {
	if n == nil {
		return 0
	}
	if v, ok := n.(*ast.IntegerNode); ok {
		if u, ok := v.Value.(uint64); ok && u < 1<<20 {
			return int(u)
		}
	}
	r.fail(n, "%s: want a whole number, got %s", what, kind(n))
	return 0
}

func (r *reader) truth(n ast.Node, what string) bool {
	if n == nil {
		return false
	}
	if v, ok := n.(*ast.BoolNode); ok {
		return v.Value
	}
	r.fail(n, "%s: want true or false, got %s", what, kind(n))
	return false
}

// kind names a node as a reviewer would.
func kind(n ast.Node) string {
	switch v := n.(type) {
	case *ast.StringNode:
		return fmt.Sprintf("%q", v.Value)
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.String()
	case *ast.BoolNode:
		return n.String()
	case *ast.NullNode, nil:
		return "nothing"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "names with a colon"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		return "an anchor, alias, merge or tag, which a script may not use"
	}
	return n.Type().String()
}
