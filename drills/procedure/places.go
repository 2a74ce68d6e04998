package procedure

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// An Error is one thing that is wrong with a pack, with its place.
type Error struct {
	File      string
	Line, Col int
	What      string
}

// Error is file:line:column and what is wrong.
func (e Error) Error() string { return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.What) }

// Errors are all that is wrong with a pack.
type Errors []Error

// Error has one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, x := range e {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// places knows where in the file an item stands.
type places struct {
	name string
	file *ast.File
}

func readPlaces(name string, text []byte) places {
	// The text was read before, so that it parses; without places an error says 1:1.
	file, _ := parser.ParseBytes(text, 0)
	return places{name, file}
}

// at makes an error of what is wrong at a path such as $.steps[2].
func (p places) at(path, what string) Error {
	e := Error{File: p.name, Line: 1, Col: 1, What: what}
	for ; path != "" && path != "$"; path = parent(path) {
		if n := p.node(path); n != nil {
			at := first(n).GetToken().Position
			e.Line, e.Col = at.Line, at.Column
			return e
		}
	}
	return e
}

// first is the node where an item begins: a mapping's token is the colon of its
// first pair.
func first(n ast.Node) ast.Node {
	switch x := n.(type) {
	case *ast.MappingNode:
		if len(x.Values) > 0 {
			return x.Values[0].Key
		}
	case *ast.MappingValueNode:
		return x.Key
	}
	return n
}

func (p places) node(path string) ast.Node {
	if p.file == nil {
		return nil
	}
	q, err := yaml.PathString(path)
	if err != nil {
		return nil
	}
	n, err := q.FilterFile(p.file)
	if err != nil {
		return nil
	}
	return n
}

// parent is the path of what an item stands in.
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i > 0 {
		return path[:i]
	}
	return ""
}

// plain turns the parser's error, a page with an excerpt, into line, column and
// what is wrong.
func plain(err error) error {
	var syntax yaml.Error
	if errors.As(err, &syntax) {
		at := syntax.GetToken().Position
		return fmt.Errorf("%d:%d: %s", at.Line, at.Column, syntax.GetMessage())
	}
	return err
}
