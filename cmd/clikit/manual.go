package clikit

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"
)

// Manual writes the manual page of app (section 1) for the man command. It is made
// from what --help prints, so that the two cannot differ.
func Manual(app *cli.App, w io.Writer) error {
	prepare(app)
	var page roff
	name := strings.ToUpper(app.Name)
	page.line(".TH %s 1", name)
	page.line(".SH NAME")
	page.line("%s \\- %s", escape(app.Name), escape(app.Usage))
	page.line(".SH SYNOPSIS")
	page.line(".B %s", escape(app.Name))
	page.line("COMMAND [flags] [arguments]")
	page.line(".SH DESCRIPTION")
	page.text(app.Description)
	page.line(".SH COMMANDS")
	page.commands(app.Name, app.Commands)
	_, err := io.WriteString(w, page.String())
	return err
}

// roff is a manual page being written.
type roff struct{ strings.Builder }

func (r *roff) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// text writes paragraphs; lines that begin with two spaces are examples and stay as
// they are.
func (r *roff) text(s string) {
	examples := false
	for l := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		switch example := strings.HasPrefix(l, "  "); {
		case strings.TrimSpace(l) == "":
			r.fill(&examples, false)
			r.line(".PP")
		case example != examples:
			r.fill(&examples, example)
			fallthrough
		default:
			r.line("%s", escape(strings.TrimRight(l, " ")))
		}
	}
	r.fill(&examples, false)
}

func (r *roff) fill(examples *bool, want bool) {
	switch {
	case want && !*examples:
		r.line(".PP\n.nf")
	case !want && *examples:
		r.line(".fi")
	}
	*examples = want
}

func (r *roff) commands(path string, commands []*cli.Command) {
	for _, c := range commands {
		if c.Hidden {
			continue
		}
		full := path + " " + c.Name
		r.line(".SS %s", escape(strings.TrimSpace(full+" "+c.ArgsUsage)))
		r.line("%s.", escape(c.Usage))
		if c.Description != "" {
			r.line(".PP")
			r.text(c.Description)
		}
		for _, f := range c.Flags {
			r.flag(f)
		}
		r.commands(full, c.Subcommands)
	}
}

// placeholder is the name of a flag's value, which its usage has in backquotes.
var placeholder = regexp.MustCompile("`([^`]*)`")

func (r *roff) flag(f cli.Flag) {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return
	}
	value := ""
	if d.TakesValue() {
		value = " VALUE"
		if m := placeholder.FindStringSubmatch(d.GetUsage()); m != nil {
			value = " " + m[1]
		}
	}
	r.line(".TP\n.B %s%s", escape("--"+strings.Join(f.Names(), ", --")), escape(value))
	usage := strings.ReplaceAll(d.GetUsage(), "`", "")
	if required, is := f.(cli.RequiredFlag); is && required.IsRequired() {
		usage += " (needed)"
	}
	r.line("%s", escape(usage))
}

// escape keeps text from being read as a request of the typesetter.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", `\[u2026]`, "'", `\[aq]`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
