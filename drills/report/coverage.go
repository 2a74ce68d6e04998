package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"smki.example/drills/procedure"
)

// OtherProcedure is the fate of a step in a run whose procedure pack does not have
// it.
const OtherProcedure Fate = "not in its procedure"

// What records together say of a step, from the best to the worst.
const (
	RehearsedByMembers = "rehearsed by members"
	RehearsedByScript  = "observed by the script only"
	PlannedOnly        = "planned, never observed"
	NeverRehearsed     = "never rehearsed"
)

// Coverage is which steps of the procedure past drills rehearsed: a matrix of
// steps and runs.
type Coverage struct {
	Label string        `json:"label"`
	Runs  []CoveredRun  `json:"runs"`
	Steps []CoveredStep `json:"steps"`
	Notes []string      `json:"notes"`
}

// CoveredRun is a column.
type CoveredRun struct {
	Run      string `json:"run"`
	Scenario string `json:"scenario"`
	Title    string `json:"title"`
	Outcome  string `json:"outcome"`
	Finding  string `json:"finding"`
	Answers  string `json:"answers"`
	Pack     string `json:"procedure"`
	SHA256   string `json:"procedure_sha256"`
}

// CoveredStep is a row. Fates are one a run, in the order of Runs.
type CoveredStep struct {
	ID      string   `json:"id"`
	Phase   string   `json:"phase"`
	Says    string   `json:"says"`
	Packs   []string `json:"procedures"` // those that have the step
	Verdict string   `json:"verdict"`
	Fates   []Fate   `json:"fates"`
}

// Cover makes the matrix. Each run is read by its own procedure pack; a step with
// the same id in two packs is one row, and a note says where the packs word it
// differently. now, if not nil, is the procedure of today, whose steps stand first:
// those that no run's pack has are never rehearsed.
func Cover(runs []*Report, now *procedure.Pack) *Coverage {
	c := &Coverage{Runs: []CoveredRun{}, Steps: []CoveredStep{}, Notes: []string{}}
	var packs []*procedure.Pack
	take := func(p *procedure.Pack) {
		if !slices.ContainsFunc(packs, func(x *procedure.Pack) bool { return x.SHA256 == p.SHA256 }) {
			packs = append(packs, p)
		}
	}
	if now != nil {
		take(now)
	}
	for _, r := range slices.Backward(runs) { // the newest procedure's order holds
		take(r.Pack)
	}
	for _, r := range runs {
		start := r.Start
		c.Runs = append(c.Runs, CoveredRun{start.Run, start.Scenario, start.Title, r.Outcome.Outcome, r.Outcome.Finding, start.Answers, r.Pack.Name(), r.Pack.SHA256})
		c.Label = higher(r.Pack, c.Label, start.Label)
		if other := r.OtherPack(); other != "" {
			c.Notes = append(c.Notes, start.Run+": "+other)
		}
	}
	for _, p := range packs {
		for _, s := range p.Steps {
			c.row(p, s, packs, runs)
		}
	}
	for i := range c.Steps {
		c.Steps[i].Verdict = verdict(c.Steps[i].Fates)
	}
	return c
}

// row adds a step unless it is there, and notes where packs differ about it.
func (c *Coverage) row(p *procedure.Pack, s procedure.Step, packs []*procedure.Pack, runs []*Report) {
	if i := slices.IndexFunc(c.Steps, func(x CoveredStep) bool { return x.ID == s.ID }); i >= 0 {
		if c.Steps[i].Says != s.Says {
			c.Notes = append(c.Notes, fmt.Sprintf("step %s: %s (%.8s) words it differently: %s", s.ID, p.Name(), p.SHA256, s.Says))
		}
		return
	}
	row := CoveredStep{ID: s.ID, Phase: s.Phase, Says: s.Says, Packs: []string{}, Fates: []Fate{}}
	for _, p := range packs {
		if _, is := p.Step(s.ID); is {
			row.Packs = append(row.Packs, p.Name())
		}
	}
	for _, r := range runs {
		if own, is := r.Pack.Step(s.ID); is {
			row.Fates = append(row.Fates, r.Fate(own))
		} else {
			row.Fates = append(row.Fates, OtherProcedure)
		}
	}
	c.Steps = append(c.Steps, row)
}

func verdict(fates []Fate) string {
	switch {
	case slices.Contains(fates, ByMembers):
		return RehearsedByMembers
	case slices.Contains(fates, ByScript):
		return RehearsedByScript
	case slices.Contains(fates, Skipped):
		return PlannedOnly
	}
	return NeverRehearsed
}

// marks are the fates in one letter.
var marks = map[Fate]string{ByMembers: "M", ByScript: "S", Skipped: "-", NotOfDrill: ".", OtherProcedure: " "}

// legend explains the letters.
const legend = "M observed, members played; S observed, scripted answers; - planned and skipped; . not in the scenario; blank: not in that run's procedure"

// Count is how many steps have a verdict.
func (c *Coverage) Count(verdict string) int {
	n := 0
	for _, s := range c.Steps {
		if s.Verdict == verdict {
			n++
		}
	}
	return n
}

// Summary is the matrix in one sentence.
func (c *Coverage) Summary() string {
	return fmt.Sprintf("%d of %d steps rehearsed by members, %d observed by the script only, %d planned and never observed, %d never rehearsed",
		c.Count(RehearsedByMembers), len(c.Steps), c.Count(RehearsedByScript), c.Count(PlannedOnly), c.Count(NeverRehearsed))
}

// Text writes the matrix for a terminal: runs are columns by number, explained
// below.
func (c *Coverage) Text(w io.Writer) error {
	var b strings.Builder
	left := len("step")
	for _, s := range c.Steps {
		left = max(left, len(s.ID))
	}
	fmt.Fprintf(&b, "EXERCISE - %s - coverage of the procedure by %s\n%s\n\n%-*s ", c.Label, Plural(len(c.Runs), "record"), c.Summary(), left, "step")
	for i := range c.Runs {
		fmt.Fprintf(&b, "%3d", i+1)
	}
	b.WriteString("   verdict\n")
	phase := ""
	for _, s := range c.Steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(&b, "%s\n", strings.ToUpper(phase))
		}
		fmt.Fprintf(&b, "%-*s ", left, s.ID)
		for _, f := range s.Fates {
			fmt.Fprintf(&b, "%3s", marks[f])
		}
		fmt.Fprintf(&b, "   %s\n", s.Verdict)
	}
	b.WriteString("\n" + legend + "\n")
	for i, r := range c.Runs {
		fmt.Fprintf(&b, "%3d  %s %s, %s, finding: %s; answers: %s; procedure %s (%.8s)\n", i+1, r.Scenario, r.Title, r.Run, r.Finding, r.Answers, r.Pack, r.SHA256)
	}
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "Note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// CSV writes a row a step and a column a run.
func (c *Coverage) CSV(w io.Writer) error {
	head := []string{"label", "step", "phase", "says", "procedures", "verdict"}
	for _, r := range c.Runs {
		head = append(head, r.Run)
	}
	rows := [][]string{head}
	for _, s := range c.Steps {
		row := []string{c.Label, s.ID, s.Phase, s.Says, strings.Join(s.Packs, " "), s.Verdict}
		for _, f := range s.Fates {
			row = append(row, string(f))
		}
		rows = append(rows, row)
	}
	if err := csv.NewWriter(w).WriteAll(rows); err != nil {
		return fmt.Errorf("writing the coverage: %w", err)
	}
	return nil
}

// Paper is the matrix as a document, for [Paper.HTML] and [Paper.PDF].
func (c *Coverage) Paper() *Paper {
	p := &Paper{Label: c.Label, Title: "Which steps of the procedure were rehearsed", Sub: c.Summary() + "."}
	p.heading("Steps and runs")
	head, widths := []string{"step", "what it is", "verdict"}, []float64{2.2, 5, 2.4}
	for i := range c.Runs {
		head, widths = append(head, fmt.Sprint(i+1)), append(widths, max(0.3, 0.7-0.02*float64(len(c.Runs))))
	}
	var rows [][]string
	for _, s := range c.Steps {
		row := []string{s.ID, s.Says, s.Verdict}
		for _, f := range s.Fates {
			row = append(row, marks[f])
		}
		rows = append(rows, row)
	}
	p.add(part{Kind: "table", Head: head, Rows: rows, Widths: widths, Matrix: true})
	p.text(Capital(legend) + ".")
	p.heading("Runs")
	rows = nil
	for i, r := range c.Runs {
		rows = append(rows, []string{fmt.Sprint(i + 1), r.Scenario + " " + r.Title, r.Run, r.Outcome + ", " + r.Finding, r.Answers, fmt.Sprintf("%s (%.8s)", r.Pack, r.SHA256)})
	}
	p.table([]float64{0.6, 4, 3, 2, 2, 2.4}, []string{"no.", "drill", "run", "outcome, finding", "answers", "procedure"}, rows)
	if len(c.Notes) > 0 {
		p.heading("Notes")
		p.list(c.Notes...)
	}
	return p
}
