package scenario

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Format writes a scenario in its one form: two spaces a level, a list in
// brackets only if it fits its line, one empty line where there were some,
// comments kept. What it says does not change, and formatting the result again
// changes nothing. It needs a file that can be read as YAML; that the drill makes
// sense is Parse's matter.
func Format(file string, b []byte) ([]byte, error) {
	root, err := read(file, b)
	if err != nil {
		return nil, err
	}
	var p printer
	p.block(root, 0)
	for _, c := range root.below {
		p.line(0, c)
	}
	return []byte(p.b.String()), nil
}

// lineWidth is where a list in brackets is broken into lines.
const lineWidth = 120

type printer struct{ b strings.Builder }

func (p *printer) line(indent int, s string) {
	p.b.WriteString(strings.Repeat(" ", indent) + s + "\n")
}

// lead writes what stands before an entry.
func (p *printer) lead(n *node, indent int, first bool) {
	if n.blank && !first {
		p.b.WriteString("\n")
	}
	for _, c := range n.above {
		p.line(indent, c)
	}
}

// block writes a node whose lines begin at indent.
func (p *printer) block(n *node, indent int) {
	switch n.kind {
	case mappingNode:
		for i, pr := range n.pairs {
			p.lead(pr.key, indent, i == 0)
			p.b.WriteString(strings.Repeat(" ", indent))
			p.pair(pr, indent)
		}
	case sequenceNode:
		for i, item := range n.items {
			p.lead(item, indent, i == 0)
			p.b.WriteString(strings.Repeat(" ", indent) + "-")
			if item.kind == mappingNode && !p.inLine(item, indent+2) {
				p.b.WriteString(" ")
				for k, pr := range item.pairs {
					if k > 0 {
						p.lead(pr.key, indent+2, false)
						p.b.WriteString(strings.Repeat(" ", indent+2))
					}
					p.pair(pr, indent+2)
				}
				continue
			}
			p.value(item, indent, indent+2, item.after)
		}
	default:
		p.value(n, indent, indent, n.after)
	}
}

func (p *printer) pair(pr pair, indent int) {
	key := scalar(pr.key, false)
	p.b.WriteString(key + ":")
	p.value(pr.value, indent, indent+utf8.RuneCountInString(key)+1, pr.key.after)
}

// value writes what follows a key or a hyphen, up to its line end. col is where
// the line stands.
func (p *printer) value(n *node, indent, col int, comment string) {
	if comment != "" {
		comment = " " + comment
	}
	switch {
	case n.kind == scalarNode && literal(n):
		mark := "|"
		text, ended := strings.CutSuffix(n.text, "\n")
		if n.style == foldedStyle {
			mark, text = ">", wrap(text, lineWidth-indent-2)
		}
		if !ended {
			mark += "-"
		}
		p.b.WriteString(" " + mark + comment + "\n")
		for l := range strings.SplitSeq(text, "\n") {
			if l == "" {
				p.b.WriteString("\n")
				continue
			}
			p.line(indent+2, l)
		}
	case n.kind == scalarNode:
		if s := scalar(n, false); s != "" {
			p.b.WriteString(" " + s)
		}
		p.b.WriteString(comment + "\n")
	case p.inLine(n, col+1):
		p.b.WriteString(" " + flow(n) + comment + "\n")
	default:
		p.b.WriteString(comment + "\n")
		p.block(n, indent+2)
	}
}

// inLine reports whether a list stands in brackets on its line.
func (p *printer) inLine(n *node, col int) bool {
	if n.kind == scalarNode || len(n.pairs)+len(n.items) == 0 {
		return true
	}
	return n.flow && col+utf8.RuneCountInString(flow(n)) <= lineWidth
}

func flow(n *node) string {
	switch n.kind {
	case mappingNode:
		parts := make([]string, len(n.pairs))
		for i, p := range n.pairs {
			parts[i] = scalar(p.key, true) + ": " + flow(p.value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case sequenceNode:
		parts := make([]string, len(n.items))
		for i, x := range n.items {
			parts[i] = flow(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	default:
		return scalar(n, true)
	}
}

// scalar writes a scalar on one line. Quotes stay where they were and come where
// the plain words would be read as something else.
func scalar(n *node, inFlow bool) string {
	if n.style == plain {
		if n.text == "" && inFlow {
			return "null"
		}
		if n.text == "" || safe(n.text, inFlow) {
			return n.text
		}
	}
	if strings.ContainsRune(n.text, '"') && !strings.ContainsAny(n.text, "'\n\\") {
		return "'" + n.text + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(n.text) + `"`
}

// safe is whether text can stand without quotes, in brackets or outside.
func safe(text string, inFlow bool) bool {
	if strings.TrimSpace(text) != text || strings.Contains(text, "\n") || inFlow && strings.ContainsAny(text, ",[]{}") ||
		strings.Contains(text, ": ") || strings.Contains(text, " #") || strings.HasSuffix(text, ":") {
		return false
	}
	return !strings.ContainsAny(text[:1], "!&*|>'\"%@`#-?:,[]{}") || integerText.MatchString(text) || decimalText.MatchString(text)
}

// literal is whether a text is written as a block of lines.
func literal(n *node) bool {
	if n.style < blockStyle {
		return false
	}
	text := strings.TrimSuffix(n.text, "\n")
	if text == "" || strings.HasPrefix(text, "\n") || strings.HasSuffix(text, "\n") {
		return false
	}
	for i, l := range strings.Split(text, "\n") {
		if strings.TrimRight(l, " ") != l || strings.HasPrefix(l, " ") && (i == 0 || n.style == foldedStyle) {
			return false
		}
	}
	return true
}

// wrap breaks text into lines that a folded block joins again: at single spaces,
// and with an empty line where the text has a line end.
func wrap(text string, width int) string {
	var out []string
	for i, paragraph := range strings.Split(text, "\n") {
		if i > 0 {
			out = append(out, "")
		}
		line := ""
		for word := range strings.SplitSeq(paragraph, " ") {
			switch {
			case line == "":
				line = word
			case word == "" || strings.HasSuffix(line, " ") || utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
				line += " " + word
			default:
				out = append(out, line)
				line = word
			}
		}
		if line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// comments hangs the comments of the file on the nodes they belong to: one on a
// line of its own on what follows it, one behind something on that.
func (r *reader) comments(root *node, b []byte) {
	lines := strings.Split(string(b), "\n")
	empty := func(i int) bool { return i >= 1 && i <= len(lines) && strings.TrimSpace(lines[i-1]) == "" }
	entries := entriesOf(root, nil)
	firstLine := map[*node]int{}
	for _, t := range lexer.Tokenize(string(b)) {
		if t.Type != token.CommentType {
			continue
		}
		at := place(r.file, t)
		if at.Line > len(lines) {
			continue
		}
		text := strings.TrimRight("# "+strings.TrimSpace(t.Value), " ")
		own := strings.HasPrefix(strings.TrimSpace(lines[at.Line-1]), "#")
		var target *node
		for _, e := range entries {
			if own && e.pos.Line > at.Line {
				target = e
				break
			}
			if !own && e.pos.Line <= at.Line {
				target = e
			}
		}
		switch {
		case own && target == nil:
			root.below = append(root.below, text)
		case own:
			target.above = append(target.above, text)
			if _, ok := firstLine[target]; !ok {
				firstLine[target] = at.Line
			}
		case target == nil:
			root.below = append(root.below, text)
		case target.after == "":
			target.after = text
		default:
			target.after += " " + strings.TrimPrefix(text, "# ")
		}
	}
	for _, e := range entries {
		first, ok := firstLine[e]
		if !ok {
			first = e.pos.Line
		}
		e.blank = empty(first - 1)
	}
}

// entriesOf lists keys and items in the order of the file. Those in brackets are
// left out: a comment there belongs to the whole list.
func entriesOf(n *node, out []*node) []*node {
	if n.flow {
		return out
	}
	for _, p := range n.pairs {
		out = entriesOf(p.value, append(out, p.key))
	}
	for _, i := range n.items {
		out = entriesOf(i, append(out, i))
	}
	return out
}
