package msel

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"smki.example/drills/scenario"
)

// Frame is what a scenario needs beside its injects. Zero values are filled in:
// a small estate, and the file's name as id and title.
type Frame struct {
	ID, Title, Label string
	Devices          int
	Minutes          int // how long it takes people; 0: until a little after the last inject
}

// after is how long the drill goes on after the last inject, so that it is heard.
const after = 15 * time.Minute

// Scenario writes the list as a scenario. It can be checked at once, and each
// problem that was left stands there again at its line. Comments hold what players
// must not see.
func (l *List) Scenario(f Frame) []byte {
	name := strings.TrimSuffix(filepath.Base(strings.ReplaceAll(l.File, `\`, "/")), filepath.Ext(l.File))
	if f.ID == "" {
		f.ID = identifier(name)
	}
	if f.Title == "" {
		f.Title = clean(strings.NewReplacer("_", " ", "-", " ").Replace(name))
	}
	if f.Title == "" {
		f.Title = "A list of injects"
	}
	if f.Label == "" {
		f.Label = "AMBER"
	}
	if f.Devices <= 0 {
		f.Devices = 100
	}
	ends := l.Ends
	if ends == 0 {
		if n := len(l.Events); n > 0 {
			ends = l.Events[n-1].At
		}
		ends += after
		if n := l.asks(); n > 0 {
			ends += within
		}
	}
	if f.Minutes <= 0 {
		f.Minutes = min(max(int((ends+time.Minute-1)/time.Minute), 1), 10_000)
	}
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("# Read from %s. Lines that begin with # are for the facilitator alone: no player sees them.\n", quoted(clean(filepath.Base(l.File))))
	p("# What was lost, estate, parties, steady state and finding are a frame that makes it a drill; put your own there. Nothing below asks devices or\n# the CA to do anything: add \"do\" for that (docs/drill-language.md).\n")
	p("drill: 1\nid: %s\ntitle: %s\nlabel: %s\n", f.ID, quoted(f.Title), quoted(f.Label))
	// Without it the summary would say that every device trusts a stolen key.
	p("lost: \"nothing: a list of injects, in which no key of a device is lost\"\n")
	p("rehearses: []\nminutes: %d\nends: %s\n", f.Minutes, scenario.FormatTime(ends))
	p("estate: {devices: %d, rate: 700 an hour (sample)}\nparties:\n", f.Devices)
	p("  supplier: {name: Exercise Supplier A, category: large supplier, role: supplier}\n  network: {name: Exercise Networks B, category: electricity network, role: networkOperator}\n")
	p("\nsteady:\n  - expect: fleet.reachable.holding(\"supplier\").share == 1.0\n    says: every reachable device trusts the supplier's current keys\n\ntimeline:\n")
	if len(l.Events) == 0 {
		p("  []\n")
	}
	for i, e := range l.Events {
		comment(&b, 2, strings.TrimSpace("Row "+fmt.Sprint(e.Row)+serial(e.Serial)))
		for _, r := range e.Remarks {
			comment(&b, 2, r)
		}
		if e.Asks {
			p("  - {at: %s, decide: question %d}\n", scenario.FormatTime(e.At), i+1)
			continue
		}
		to := make([]string, len(e.To))
		for j := range to {
			to[j] = quoted(e.To[j])
		}
		p("  - at: %s\n    inject: {as: %s, from: %s, to: [%s]}\n    text: %s\n", scenario.FormatTime(e.At), quoted(e.Channel), quoted(e.From), strings.Join(to, ", "), quoted(e.Text))
	}
	if l.asks() == 0 {
		p("\n# To ask somebody for a decision, add one here and \"- {at: 0:30, decide: its name}\" to the timeline.\ndecisions: {}\n")
	} else {
		p("\n# The list has the questions and no answers: put the options that there are, and what follows from each, in place of yes and no.\ndecisions:\n")
	}
	for i, e := range l.Events {
		if !e.Asks {
			continue
		}
		comment(&b, 2, "Row "+fmt.Sprint(e.Row)+serial(e.Serial))
		p("  question %d:\n    asks: %s\n    of: %s\n    options:\n      \"yes\": {says: it is done}\n      \"no\": {says: it is not done}\n    scripted: \"no\"\n    on silence: \"no\"\n    within: 15 minutes\n", i+1, quoted(e.Text), quoted(e.To[0]))
	}
	p("\nfindings:\n  - expect: fleet.changed.count == 0\n    says: no device was touched\n")
	if out, err := scenario.Format(l.File, []byte(b.String())); err == nil {
		return out
	}
	return []byte(b.String())
}

// within is the time to answer a question of the list.
const within = 15 * time.Minute

func (l *List) asks() int {
	n := 0
	for _, e := range l.Events {
		if e.Asks {
			n++
		}
	}
	return n
}

func serial(s string) string {
	if s == "" {
		return ""
	}
	return ", serial " + clean(s)
}

// identifier makes a scenario's id of a file's name.
func identifier(name string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '.', r == '-':
			return r
		}
		return '-'
	}, name)
	id = strings.TrimLeft(id, "-.0123456789")
	if len(id) > 40 {
		id = id[:40]
	}
	if id = strings.Trim(id, "-."); id == "" {
		return "OWN"
	}
	return id
}

// quoted writes a text as YAML reads it back, whatever is in it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// comment writes a remark, broken into lines that can be read.
func comment(b *strings.Builder, indent int, s string) {
	const width = 116
	margin := strings.Repeat(" ", indent) + "# "
	line := ""
	for _, w := range strings.Fields(s) {
		if line != "" && len(line)+1+len(w) > width {
			b.WriteString(margin + line + "\n")
			line = "  " + w
			continue
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	b.WriteString(margin + line + "\n")
}
