package report

import (
	"fmt"
	"io"
	"strings"
)

// A Row of a comparison is one question with the answers of two runs.
type Row struct {
	What   string `json:"what"`
	A      string `json:"a"`
	B      string `json:"b"`
	Differ bool   `json:"differ"`
}

// Comparison puts two runs side by side. It draws no conclusion.
type Comparison struct {
	A    string `json:"a"`
	B    string `json:"b"`
	Note string `json:"note,omitempty"` // why the two may not be comparable
	Rows []Row  `json:"rows"`
}

// Compare puts two runs side by side: the decisions first, because they are why
// one compares, then what each cost in devices, hours and customers.
func Compare(a, b *Report) *Comparison {
	c := &Comparison{A: a.Start.Run, B: b.Start.Run}
	if a.Start.SHA256 != b.Start.SHA256 || a.Start.Devices != b.Start.Devices || a.Start.Seed != b.Start.Seed {
		c.Note = "the runs differ in scenario, estate or seed: what differs below may come from that and not from the decisions"
	}
	row := func(what, left, right string) {
		c.Rows = append(c.Rows, Row{what, left, right, left != right})
	}
	row("scenario", a.Start.Scenario+" "+a.Start.Title, b.Start.Scenario+" "+b.Start.Title)
	for _, name := range decisionNames(a, b) {
		row("decided: "+name, a.choices(name), b.choices(name))
	}
	row("outcome", a.Outcome.Outcome, b.Outcome.Outcome)
	row("did the system hold", a.Outcome.Finding, b.Outcome.Finding)
	row("devices that trust the stolen key still, reached or not", thousands(a.Figures.trusting()), thousands(b.Figures.trusting()))
	for _, end := range ends {
		row("devices "+end, thousands(a.Figures.Ends[end]), thousands(b.Figures.Ends[end]))
	}
	for _, m := range []struct {
		what string
		of   func(*Report) string
	}{
		{"half of them recovered by", func(r *Report) string { return orNone(r.Figures.Recovery.Half) }},
		{"95 % recovered by", func(r *Report) string { return orNone(r.Figures.Recovery.Most) }},
		{"last recovered", func(r *Report) string { return orNone(r.Figures.Recovery.Last) }},
		{"most out of their supplier's hands at once", func(r *Report) string { return thousands(r.Figures.TakenMost) }},
		{"device-hours out of their supplier's hands", func(r *Report) string { return fmt.Sprintf("%.1f", r.Figures.DeviceHours) }},
		{"top-ups refused (sample habits)", func(r *Report) string { return thousands(r.Figures.TopUps) }},
		{"site visits, up to", func(r *Report) string { return thousands(r.Figures.SiteVisits) }},
		{"traffic of the supplier held for", func(r *Report) string { return clockText(r.Figures.HeldFor) }},
		{"device-hours in which the hold kept the supplier out", func(r *Report) string { return fmt.Sprintf("%.1f", r.Figures.HeldHours) }},
		{"certificates of the compromised keys revoked", func(r *Report) string { return thousands(r.Figures.CompromisedRevoked) }},
		{"certificates revoked", func(r *Report) string { return thousands(r.Figures.Revoked) }},
		{"uses of the Recovery key", func(r *Report) string { return thousands(r.Figures.RecoveryUses) }},
		{"things that did not hold", func(r *Report) string { return thousands(r.Outcome.NotHeld) }},
		{"things missed", func(r *Report) string { return thousands(r.Outcome.Missed) }},
	} {
		row(m.what, m.of(a), m.of(b))
	}
	return c
}

func orNone(at string) string {
	if at == "" {
		return "never"
	}
	return clockText(at)
}

// decisionNames are the decisions of either run, in the order in which they came.
func decisionNames(runs ...*Report) []string {
	var names []string
	seen := map[string]bool{}
	for _, r := range runs {
		for _, d := range r.Decisions {
			if !seen[d.Body.Decision] {
				seen[d.Body.Decision] = true
				names = append(names, d.Body.Decision)
			}
		}
	}
	return names
}

// choices are all answers to one decision, with their times.
func (r *Report) choices(name string) string {
	var out []string
	for _, d := range r.Decisions {
		if d.Body.Decision == name {
			out = append(out, fmt.Sprintf("%s (%s)", d.Body.Chosen, clock(d.At)))
		}
	}
	if out == nil {
		return "not asked"
	}
	return strings.Join(out, ", ")
}

// Text writes the comparison as three columns; rows that differ begin with a
// star, so that the eye, and a screen reader, finds them.
func (c *Comparison) Text(w io.Writer) error {
	var b strings.Builder
	left, middle := len("what"), len(c.A)
	for _, r := range c.Rows {
		left, middle = max(left, len([]rune(r.What))), max(middle, len([]rune(r.A)))
	}
	fmt.Fprintf(&b, "  %-*s  %-*s  %s\n", left, "", middle, c.A, c.B)
	for _, r := range c.Rows {
		star := " "
		if r.Differ {
			star = "*"
		}
		fmt.Fprintf(&b, "%s %-*s  %-*s  %s\n", star, left, r.What, middle, r.A, r.B)
	}
	if c.Note != "" {
		fmt.Fprintf(&b, "Note: %s\n", c.Note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
