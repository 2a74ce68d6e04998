package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A node is one JSON value with the line on which it stands. Environments are
// reviewed by people who did not write this code, so that an error must name
// the line and the field, which encoding/json does not.
type node struct {
	file    string
	path    string // "profiles.device.years"
	line    int
	value   any // string, json.Number, bool, nil; []*node; []member
	touched bool
}

type member struct {
	key  string
	node *node
}

// parseJSON reads one JSON value. A key that stands twice in an object is an
// error: readers differ on which of the two counts.
func parseJSON(file string, b []byte) (*node, error) {
	p := &jsonParser{file: file, text: b, dec: json.NewDecoder(bytes.NewReader(b))}
	p.dec.UseNumber()
	n, err := p.value("")
	if err != nil {
		return nil, err
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: want nothing after the end of the object", file, p.line())
	}
	return n, nil
}

type jsonParser struct {
	file string
	text []byte
	dec  *json.Decoder
}

func (p *jsonParser) line() int {
	return 1 + bytes.Count(p.text[:min(int(p.dec.InputOffset()), len(p.text))], []byte("\n"))
}

func (p *jsonParser) token() (json.Token, error) {
	t, err := p.dec.Token()
	if err == nil {
		return t, nil
	}
	line := p.line()
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line = 1 + bytes.Count(p.text[:min(int(syntax.Offset), len(p.text))], []byte("\n"))
	}
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: want more JSON, got the end of the file", p.file, line)
	}
	return nil, fmt.Errorf("%s:%d: want JSON: %v", p.file, line, err)
}

func (p *jsonParser) value(path string) (*node, error) {
	t, err := p.token()
	if err != nil {
		return nil, err
	}
	n := &node{file: p.file, path: path, line: p.line(), value: t}
	switch t {
	case json.Delim('{'):
		members := []member{}
		for p.dec.More() {
			key, err := p.token()
			if err != nil {
				return nil, err
			}
			line := p.line()
			name := key.(string) // the decoder allows only strings here
			child, err := p.value(strings.TrimPrefix(path+"."+name, "."))
			if err != nil {
				return nil, err
			}
			for _, m := range members {
				if m.key == name {
					return nil, fmt.Errorf("%s:%d: %s: want each field once, this one stands on line %d already", p.file, line, child.path, m.node.line)
				}
			}
			child.line = line
			members = append(members, member{name, child})
		}
		n.value = members
		_, err = p.token()
	case json.Delim('['):
		list := []*node{}
		for p.dec.More() {
			child, err := p.value(fmt.Sprintf("%s[%d]", path, len(list)))
			if err != nil {
				return nil, err
			}
			list = append(list, child)
		}
		n.value = list
		_, err = p.token()
	}
	return n, err
}

// errorf returns an error that names the file, the line and the field.
func (n *node) errorf(format string, args ...any) error {
	at := n.path
	if at == "" {
		at = "file"
	}
	return fmt.Errorf("%s:%d: %s: %s", n.file, n.line, at, fmt.Sprintf(format, args...))
}

// kind names the type of the value for errors.
func (n *node) kind() string {
	switch v := n.value.(type) {
	case string:
		return fmt.Sprintf("%q", clip(v))
	case json.Number:
		return "number " + clip(v.String())
	case bool:
		return fmt.Sprint(v)
	case []member:
		return "an object"
	case []*node:
		return "a list"
	}
	return "null"
}

// A jsonReader reads nodes into Go values and keeps the first error.
type jsonReader struct{ err error }

func (r *jsonReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// field returns a member of an object; a missing one is an error.
func (r *jsonReader) field(n *node, key string) *node {
	if r.err != nil {
		return &node{}
	}
	members, ok := n.value.([]member)
	if !ok {
		r.fail(n.errorf("want an object, got %s", n.kind()))
		return &node{}
	}
	for _, m := range members {
		if m.key == key {
			m.node.touched = true
			return m.node
		}
	}
	r.fail(n.errorf("want a field %q, it is missing", key))
	return &node{}
}

// done fails if the object has members that nobody asked for.
func (r *jsonReader) done(n *node) {
	members, _ := n.value.([]member)
	var known []string
	for _, m := range members {
		if m.node.touched {
			known = append(known, m.key)
		}
	}
	for _, m := range members {
		if r.err == nil && !m.node.touched {
			r.fail(m.node.errorf("unknown field; this object has %s", strings.Join(known, ", ")))
		}
	}
}

func (r *jsonReader) text(n *node) string {
	if r.err != nil {
		return ""
	}
	s, ok := n.value.(string)
	if !ok || s == "" {
		r.fail(n.errorf("want a text that is not empty, got %s", n.kind()))
	}
	return s
}

func (r *jsonReader) number(n *node, least, most int) int {
	if r.err != nil {
		return 0
	}
	v, ok := n.value.(json.Number)
	i, err := v.Int64()
	if !ok || err != nil || i < int64(least) || i > int64(most) {
		r.fail(n.errorf("want a whole number from %d to %d, got %s", least, most, n.kind()))
	}
	return int(i)
}

func (r *jsonReader) truth(n *node) bool {
	if r.err != nil {
		return false
	}
	v, ok := n.value.(bool)
	if !ok {
		r.fail(n.errorf("want true or false, got %s", n.kind()))
	}
	return v
}

func (r *jsonReader) list(n *node) []*node {
	if r.err != nil {
		return nil
	}
	v, ok := n.value.([]*node)
	if !ok {
		r.fail(n.errorf("want a list, got %s", n.kind()))
	}
	return v
}
