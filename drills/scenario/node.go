package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a scenario file: the largest library scenario is some 20 KiB, and the
// YAML reader recurses once a level.
const (
	maxFile  = 256 << 10
	maxDepth = 24
)

// node is a piece of YAML with its place. Anchors, aliases, tags and several
// documents are refused: a planner reads a scenario from top to bottom, and
// every word stands where it counts.
type node struct {
	kind  nodeKind
	pos   Pos
	text  string // of a scalar, as a reader of YAML has it
	style scalarStyle
	lines int  // of a scalar: lines it stands on
	flow  bool // of a mapping or sequence: written in brackets
	pairs []pair
	items []*node

	above []string // comments on lines of their own before it; set on keys and items
	after string   // comment behind it on its line
	blank bool     // an empty line stands before it
	below []string // of the root: comments at the end of the file
}

type pair struct{ key, value *node }

type nodeKind uint8

const (
	scalarNode nodeKind = iota + 1
	mappingNode
	sequenceNode
)

type scalarStyle uint8

const (
	plain scalarStyle = iota + 1
	quotedStyle
	blockStyle
	foldedStyle
)

// get looks a key of a mapping up.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, p := range n.pairs {
		if p.key.text == key {
			return p.value
		}
	}
	return nil
}

// keyPos is the place of a key, for errors about the key itself.
func (n *node) keyPos(key string) Pos {
	for _, p := range n.pairs {
		if p.key.text == key {
			return p.key.pos
		}
	}
	return n.pos
}

var (
	integerText = regexp.MustCompile(`^(0|-?[1-9]\d{0,17})$`)
	decimalText = regexp.MustCompile(`^-?(0|[1-9]\d{0,8})\.\d{1,9}$`)
)

// value is the node as JSON has it, for the schema. Only plain scalars can be
// numbers, truth values or nothing.
func (n *node) value() any {
	switch n.kind {
	case mappingNode:
		m := make(map[string]any, len(n.pairs))
		for _, p := range n.pairs {
			m[p.key.text] = p.value.value()
		}
		return m
	case sequenceNode:
		s := make([]any, len(n.items))
		for i, x := range n.items {
			s[i] = x.value()
		}
		return s
	}
	if n.style == plain {
		switch {
		case n.text == "true" || n.text == "false":
			return n.text == "true"
		case n.text == "" || n.text == "null" || n.text == "~":
			return nil
		case integerText.MatchString(n.text) || decimalText.MatchString(n.text):
			return json.Number(n.text)
		}
	}
	return n.text
}

// nesting finds what would make the YAML reader recurse without bound before it
// has said anything.
var nesting = regexp.MustCompile(`(?m)^[ ]*([-?] +){9}`)

// read turns a file into nodes.
func read(file string, b []byte) (root *node, err error) {
	start := Pos{file, 1, 1}
	refuse := func(p Pos, format string, args ...any) (*node, error) {
		return nil, Errors{{Pos: p, What: fmt.Sprintf(format, args...)}}
	}
	switch {
	case len(b) > maxFile:
		return refuse(start, "the file has %d octets: a scenario has at most %d", len(b), maxFile)
	case !utf8.Valid(b):
		return refuse(start, "the file is not UTF-8 text")
	}
	depth := 0
	for i, line := range strings.Split(string(b), "\n") {
		depth += strings.Count(line, "[") + strings.Count(line, "{")
		if depth > 4*maxDepth || nesting.MatchString(line) {
			return refuse(Pos{file, i + 1, 1}, "brackets or hyphens are nested too deep")
		}
		if strings.ContainsAny(line, "\t\r") {
			return refuse(Pos{file, i + 1, 1 + utf8.RuneCountInString(line[:strings.IndexAny(line, "\t\r")])},
				"a tab or carriage return: write spaces, and line ends as on Unix")
		}
		depth -= strings.Count(line, "]") + strings.Count(line, "}")
		depth = max(depth, 0)
	}
	// The YAML reader is code of others that we feed with whatever a person
	// typed: a crash of it must be an error here, not the end of a control room.
	defer func() {
		if r := recover(); r != nil {
			root, err = refuse(start, "%v", errNotYAML)
		}
	}()
	f, err := parser.ParseBytes(b, parser.ParseComments)
	if err != nil {
		var y yaml.Error
		if errors.As(err, &y) && y.GetToken() != nil {
			return refuse(place(file, y.GetToken()), "%v: %s", errNotYAML, strings.Split(y.GetMessage(), " at [")[0])
		}
		return refuse(start, "%v: %v", errNotYAML, err)
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return refuse(start, "a scenario is one YAML document that begins with \"drill: %d\"", Language)
	}
	r := reader{file: file}
	root = r.node(f.Docs[0].Body, 0)
	if err := r.errs.err(); err != nil {
		return nil, err
	}
	if root.kind != mappingNode || root.flow {
		return refuse(start, "a scenario is one YAML document that begins with \"drill: %d\"", Language)
	}
	r.comments(root, b)
	return root, nil
}

func place(file string, t *token.Token) Pos {
	return Pos{file, max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

type reader struct {
	file string
	errs errorList
}

func (r *reader) node(n ast.Node, depth int) *node {
	out := &node{kind: scalarNode, style: plain, pos: place(r.file, n.GetToken())}
	if depth > maxDepth {
		r.errs.add(out.pos, "nested too deep")
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.kind, out.flow = mappingNode, n.IsFlowStyle
		for _, v := range n.Values {
			r.pair(out, v, depth)
		}
	case *ast.MappingValueNode:
		out.kind = mappingNode
		r.pair(out, n, depth)
	case *ast.SequenceNode:
		out.kind, out.flow = sequenceNode, n.IsFlowStyle
		for _, v := range n.Values {
			out.items = append(out.items, r.node(v, depth+1))
		}
	case *ast.LiteralNode:
		out.style, out.text = blockStyle, n.Value.Value
		if n.Start != nil && n.Start.Type == token.FoldedType {
			out.style = foldedStyle
		}
		out.lines = 1 + strings.Count(n.Value.GetToken().Origin, "\n")
	case *ast.NullNode:
		if n.GetToken().Type == token.NullType {
			out.text = n.GetToken().Value
		}
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		t := n.GetToken()
		out.text = t.Value
		if s, ok := n.(*ast.StringNode); ok {
			out.text = s.Value
		}
		if t.Type == token.DoubleQuoteType || t.Type == token.SingleQuoteType {
			out.style = quotedStyle
		}
		out.lines = 1 + strings.Count(strings.TrimSpace(t.Origin), "\n")
	case *ast.AnchorNode, *ast.AliasNode:
		r.errs.add(out.pos, "anchors and aliases (& and *) are not part of the language: write it out where it counts, or quote the text")
	case *ast.TagNode:
		r.errs.add(out.pos, "tags (!) are not part of the language: quote the text if it begins with an exclamation mark")
	default:
		r.errs.add(out.pos, "this kind of YAML is not part of the language")
	}
	if out.kind == mappingNode && len(out.pairs) > 0 && !out.flow {
		out.pos = out.pairs[0].key.pos
	}
	if !utf8.ValidString(out.text) || strings.ContainsFunc(out.text, func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f || c == utf8.RuneError }) {
		r.errs.add(out.pos, "a control character in a text: take it out")
	}
	return out
}

func (r *reader) pair(out *node, v *ast.MappingValueNode, depth int) {
	key := r.node(v.Key, depth+1)
	if key.kind != scalarNode || key.style >= blockStyle || strings.Contains(key.text, "\n") {
		r.errs.add(key.pos, "a key is one word or a few words on one line")
		return
	}
	for _, p := range out.pairs {
		if p.key.text == key.text {
			r.errs.add(key.pos, "%q stands here twice: once at line %d", key.text, p.key.pos.Line)
			return
		}
	}
	out.pairs = append(out.pairs, pair{key, r.node(v.Value, depth+1)})
}
