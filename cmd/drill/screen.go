package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"smki.example/cmd/clikit"
)

// A screen is what people read: no line on it is wider than it is, because a
// terminal that breaks lines by itself breaks them in the middle of a word.
type screen struct {
	out     io.Writer
	columns int // 0: as wide as out is
}

// The widest and the narrowest lines: longer ones are hard to read, and in shorter
// ones nothing fits.
const (
	widest, narrowest = 110, 40
	margin            = 8 // left of everything, for the time
)

func (s screen) width() int {
	if s.columns > 0 {
		return s.columns
	}
	if columns, ok := terminalWidth(s.out); ok {
		return min(max(columns, narrowest), widest)
	}
	return widest
}

func terminalWidth(out io.Writer) (int, bool) {
	f, ok := out.(*os.File)
	if !ok {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	return columns, err == nil
}

// say prints text, its lines indented and folded.
func (s screen) say(indent int, text string) { s.mark(strings.Repeat(" ", indent), text) }

// mark prints text with a mark, such as a time, left of its first line.
func (s screen) mark(mark, text string) { fmt.Fprintln(s.out, s.marked(mark, text)) }

func (s screen) marked(mark, text string) string {
	blank := strings.Repeat(" ", len([]rune(mark)))
	lines := fold(text, s.width()-len(blank))
	return mark + strings.Join(lines, "\n"+blank)
}

// recordWords is a line with the head as people read it out: broken at its hyphens
// on a terminal, and in one piece for a program.
func (s screen) recordWords(label, head string) string {
	if label += "record "; s.columns == 0 && !clikit.IsTerminal(s.out) {
		return label + head
	}
	return s.marked(label, head)
}

// fold breaks text into lines of at most width characters, at spaces. What stands
// on lines of its own stays so, and a word that is wider than a line is broken at
// its hyphens, or in the middle if it has none.
func fold(text string, width int) []string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if len([]rune(line)) <= width {
			out = append(out, line)
			continue
		}
		out = append(out, foldLine(line, width)...)
	}
	return out
}

func foldLine(text string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		for word != "" {
			room := width - len([]rune(line))
			if line != "" {
				room--
			}
			part, rest := word, ""
			if wide := len([]rune(word)); wide > room {
				if wide <= width {
					part, rest = "", word // it fits on the next line
				} else {
					part, rest = cut(word, room, line == "")
				}
			}
			switch {
			case part == "":
				out, line = append(out, line), ""
			case line == "":
				line = part
			default:
				line += " " + part
			}
			if word = rest; rest != "" && line != "" {
				out, line = append(out, line), ""
			}
		}
	}
	if line != "" {
		out = append(out, line)
	}
	return out
}

// cut breaks a word so that its first part fits: after a hyphen, or anywhere if it
// must.
func cut(word string, room int, must bool) (part, rest string) {
	runes := []rune(word)
	for i := min(room, len(runes)); i > 1; i-- {
		if runes[i-1] == '-' && i < len(runes) {
			return string(runes[:i]), string(runes[i:])
		}
	}
	if must {
		return string(runes[:max(room, 1)]), string(runes[max(room, 1):])
	}
	return "", word
}
