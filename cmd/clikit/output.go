package clikit

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// JSONFlag is the --json flag that every command has.
func JSONFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print the result as one JSON document"}
}

// WantsJSON says whether --json was given.
func WantsJSON(c *cli.Context) bool { return c.Bool("json") }

func hasJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.ContainsFunc(args, func(a string) bool { return a == "--json" || a == "-json" || a == "--json=true" })
}

// JSON writes v as one indented document.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("writing the result as JSON: %w", err)
	}
	return nil
}

// IsTerminal says whether w is a terminal that a person looks at.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Progress draws one line that rewrites itself, on a terminal; elsewhere it
// draws nothing, so that a pipe gets the result alone. All methods may be
// called concurrently. A nil Progress draws nothing.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	width int // of the line that stands, to blank its rest
}

// NewProgress returns a Progress on w, normally the app's ErrWriter.
func NewProgress(w io.Writer) *Progress {
	if !IsTerminal(w) {
		return nil
	}
	return &Progress{w: w}
}

// Step draws "text done/total".
func (p *Progress) Step(text string, done, total int) {
	if p == nil {
		return
	}
	line := text
	if total > 0 {
		const cells = 24
		full := min(cells, done*cells/total)
		line = fmt.Sprintf("%s [%s%s] %d/%d", text, strings.Repeat("=", full), strings.Repeat(" ", cells-full), done, total)
	}
	p.draw(line)
}

// Print removes the line, writes text on a line of its own and goes on.
func (p *Progress) Print(text string) {
	if p == nil {
		return
	}
	p.draw("")
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, text)
}

// Clear removes the line, before a result is printed.
func (p *Progress) Clear() {
	if p != nil {
		p.draw("")
	}
}

func (p *Progress) draw(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len([]rune(line))
	pad := max(0, p.width-n)
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", pad))
	if n == 0 {
		fmt.Fprint(p.w, "\r")
	}
	p.width = n
}
