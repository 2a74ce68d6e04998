package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
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
	Label  string   `json:"label"`
	A      string   `json:"a"`
	B      string   `json:"b"`
	Note   string   `json:"note,omitempty"` // why the two may not be comparable
	Differ []string `json:"decisions_that_differ"`
	Rows   []Row    `json:"rows"`
	Curves []Pair   `json:"curves"`
}

// A Pair is the curves of the two runs for one thing that was replaced.
type Pair struct {
	Of      string  `json:"of"`
	Devices int     `json:"devices"`
	Hours   float64 `json:"hours"`
	A       []Point `json:"a"`
	B       []Point `json:"b"`
}

// Compare puts two runs side by side: the decisions first, because they are why
// one compares, then what each cost in devices, hours and customers, and how the
// devices were recovered over time.
func Compare(a, b *Report) *Comparison {
	c := &Comparison{A: a.Start.Run, B: b.Start.Run, Label: higher(a.Pack, a.Start.Label, b.Start.Label), Differ: []string{}, Curves: []Pair{}}
	if a.Start.SHA256 != b.Start.SHA256 || a.Start.Devices != b.Start.Devices || a.Start.Seed != b.Start.Seed {
		c.Note = "the runs differ in scenario, estate or seed: what differs below may come from that and not from the decisions"
	}
	row := func(what, left, right string) {
		c.Rows = append(c.Rows, Row{what, left, right, left != right})
	}
	row("scenario", a.Start.Scenario+" "+a.Start.Title, b.Start.Scenario+" "+b.Start.Title)
	for _, name := range decisionNames(a, b) {
		left, right := a.choices(name), b.choices(name)
		row("decided: "+name, left, right)
		if a.chosen(name) != b.chosen(name) {
			c.Differ = append(c.Differ, name)
		}
	}
	row("outcome", a.Outcome.Outcome, b.Outcome.Outcome)
	row("did the system hold", a.Outcome.Finding, b.Outcome.Finding)
	row("devices that trust the stolen key still, reached or not", Thousands(a.Figures.trusting()), Thousands(b.Figures.trusting()))
	for _, end := range ends {
		row("devices "+end, Thousands(a.Figures.Ends[end]), Thousands(b.Figures.Ends[end]))
	}
	until := max(a.ended(), b.ended())
	c.curves(a, b, until)
	for _, p := range c.Curves {
		if (Curve{Of: p.Of}).intruder() {
			continue
		}
		row("device-hours without the new keys of "+p.Of+", until "+Clock(until),
			fmt.Sprintf("%.0f", Curve{p.Of, p.A}.Lacking(p.Devices, until)), fmt.Sprintf("%.0f", Curve{p.Of, p.B}.Lacking(p.Devices, until)))
	}
	for _, m := range []struct {
		what string
		of   func(*Report) string
	}{
		{"half of them recovered by", func(r *Report) string { return orNone(r.Figures.Recovery.Half) }},
		{"95 % recovered by", func(r *Report) string { return orNone(r.Figures.Recovery.Most) }},
		{"last recovered", func(r *Report) string { return orNone(r.Figures.Recovery.Last) }},
		{"premises at risk at the end, about", func(r *Report) string { return Thousands(r.Figures.premisesAtRisk()) }},
		{"of the estate, premises on prepayment", func(r *Report) string { return Thousands(r.Figures.Prepayment) }},
		{"most out of their supplier's hands at once", func(r *Report) string { return Thousands(r.Figures.TakenMost) }},
		{"device-hours out of their supplier's hands", func(r *Report) string { return fmt.Sprintf("%.1f", r.Figures.DeviceHours) }},
		{"customers off supply", func(r *Report) string { return Thousands(r.Figures.OffSupply) }},
		{"top-ups refused (sample habits)", func(r *Report) string { return Thousands(r.Figures.TopUps) }},
		{"site visits, up to", func(r *Report) string { return Thousands(r.Figures.SiteVisits) }},
		{"traffic of the supplier held for", func(r *Report) string { return clockText(r.Figures.HeldFor) }},
		{"device-hours in which the hold kept the supplier out", func(r *Report) string { return fmt.Sprintf("%.1f", r.Figures.HeldHours) }},
		{"certificates issued", func(r *Report) string { return Thousands(r.Figures.CertificatesIssued) }},
		{"certificates of the compromised keys revoked", func(r *Report) string { return Thousands(r.Figures.CompromisedRevoked) }},
		{"certificates revoked", func(r *Report) string { return Thousands(r.Figures.Revoked) }},
		{"uses of the Recovery key", func(r *Report) string { return Thousands(r.Figures.RecoveryUses) }},
		{"uses of the Contingency key", func(r *Report) string { return Thousands(r.Figures.ContingencyUses) }},
		{"things that did not hold", func(r *Report) string { return Thousands(r.Outcome.NotHeld) }},
		{"things missed", func(r *Report) string { return Thousands(r.Outcome.Missed) }},
		{"steps of the procedure planned and not reached", func(r *Report) string { return listOr(r.unreached(), "none") }},
		{"people told late, or not", func(r *Report) string { return listOr(r.late(), "none") }},
	} {
		row(m.what, m.of(a), m.of(b))
	}
	return c
}

// curves pairs what either run replaced.
func (c *Comparison) curves(a, b *Report, until time.Duration) {
	for _, r := range []*Report{a, b} {
		for _, curve := range r.Curves {
			if slices.ContainsFunc(c.Curves, func(p Pair) bool { return p.Of == curve.Of }) {
				continue
			}
			left, right := a.curve(curve.Of), b.curve(curve.Of)
			// The plot ends a little after the last device that was recovered, not with the drill.
			end := max(left.Points[len(left.Points)-1].At, right.Points[len(right.Points)-1].At)
			end = min(until, end+end/10+10*time.Minute)
			c.Curves = append(c.Curves, Pair{curve.Of, max(a.Figures.Devices, b.Figures.Devices, a.Start.Devices), end.Hours(), left.Points, right.Points})
		}
	}
}

// plots are the curves as pictures.
func (c *Comparison) plots() []plot {
	var out []plot
	for _, p := range c.Curves {
		out = append(out, plot{Curve{Of: p.Of}.title(), p.Hours, p.Devices,
			[]series{{c.A, Curve{p.Of, p.A}}, {c.B, Curve{p.Of, p.B}}}})
	}
	return out
}

// premisesAtRisk is about how many premises have a device that still takes
// commands of the stolen key or of an intruder's.
func (f *Figures) premisesAtRisk() int {
	if f.Devices == 0 {
		return 0
	}
	n := f.trusting() + f.Ends["taken by the intruder"] + f.Ends["partly recovered"]
	return int(math.Ceil(float64(n) * float64(f.Premises) / float64(f.Devices)))
}

// unreached are the steps that the scenario names and the record does not show.
func (r *Report) unreached() []string {
	var out []string
	for _, x := range r.Rehearsal() {
		if x.Fate == Skipped {
			out = append(out, x.Step.ID)
		}
	}
	return out
}

// late are those who were told too late or not at all.
func (r *Report) late() []string {
	var out []string
	for _, n := range r.Notifies {
		if n.Told == "" || n.Due != "" && !n.Met {
			out = append(out, n.Whom)
		}
	}
	return out
}

func listOr(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// chosen are the answers to a decision without their times.
func (r *Report) chosen(name string) string {
	var out []string
	for _, d := range r.Decisions {
		if d.Body.Decision == name {
			out = append(out, d.Body.Chosen)
		}
	}
	return strings.Join(out, ", ")
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
			out = append(out, fmt.Sprintf("%s (%s)", d.Body.Chosen, Clock(d.At)))
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
	fmt.Fprintf(&b, "EXERCISE - %s - two runs side by side\nDecisions that differ: %s\n\n", c.Label, listOr(c.Differ, "none"))
	fmt.Fprintf(&b, "  %-*s  %-*s  %s\n", left, "", middle, c.A, c.B)
	for _, r := range c.Rows {
		star := " "
		if r.Differ {
			star = "*"
		}
		fmt.Fprintf(&b, "%s %-*s  %-*s  %s\n", star, left, r.What, middle, r.A, r.B)
	}
	for _, p := range c.plots() {
		b.WriteString("\n" + p.text())
	}
	if c.Note != "" {
		fmt.Fprintf(&b, "Note: %s\n", c.Note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Paper is the comparison as a document, for [Paper.HTML] and [Paper.PDF].
func (c *Comparison) Paper() *Paper {
	p := &Paper{Label: c.Label, Title: "Two runs side by side", Sub: c.A + " and " + c.B + ". Every time is scenario time."}
	if c.Note != "" {
		p.note(Capital(c.Note) + ".")
	}
	p.text("Decisions that differ: " + listOr(c.Differ, "none") + ".")
	for _, x := range c.plots() {
		p.heading(x.Title)
		p.add(part{Kind: "plot", Plot: &x})
	}
	p.heading("What differs")
	same, differ := [][]string{}, [][]string{}
	for _, r := range c.Rows {
		if r.Differ {
			differ = append(differ, []string{r.What, r.A, r.B})
		} else {
			same = append(same, []string{r.What, r.A})
		}
	}
	if len(differ) == 0 {
		p.text("Nothing.")
	}
	p.table([]float64{4, 4, 4}, []string{"what", c.A, c.B}, differ)
	p.heading("What is the same")
	p.table([]float64{4, 8}, []string{"what", "in both"}, same)
	return p
}
