package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"smki.example/drills/procedure"
)

// What a drill shows of a factor of the guidance. They stand in CSV and must not
// change.
const (
	FactorUsed    = "used"
	FactorUnclear = "unclear"
	FactorMissing = "missing"
	FactorNotPut  = "not put"
)

// GuidanceInput is what a drill gives to whoever writes the guidance: for each
// factor whether it was used, what members wrote, and a wording to start from. It
// is confidential unless the pack says otherwise.
type GuidanceInput struct {
	Label   string
	Title   string
	Run     string
	Pack    *procedure.Pack
	Factors []FactorInput
	Beside  []FactorWords // reasons that members gave beside the factors
}

// FactorInput is one factor.
type FactorInput struct {
	procedure.Factor
	State    string
	Why      string // how the state was found
	Wrote    []FactorWords
	Proposed string
}

// FactorWords is what somebody wrote, and where.
type FactorWords struct {
	At, Decision, By, Text string
}

// said is the words as one line.
func (f FactorWords) said() string {
	return fmt.Sprintf("%s, %s, %s: %s", f.At, f.Decision, f.By, f.Text)
}

// unsure are words by which people say that they do not know.
var unsure = []string{"not known", "unknown", "unclear", "not clear", "do not know", "don't know", "cannot say", "nobody knows", "no information", "?"}

// Guidance sorts what the record has of each factor.
func (r *Report) Guidance() *GuidanceInput {
	g := &GuidanceInput{Label: higher(r.Pack, r.Start.Label, r.Pack.Confidential()), Title: r.Start.Scenario + " " + r.Start.Title, Run: r.Start.Run, Pack: r.Pack}
	for _, f := range r.Pack.Factors {
		g.Factors = append(g.Factors, r.factor(f))
	}
	for _, d := range r.Decisions {
		if len(d.Body.Factors) == 0 {
			continue
		}
		for _, v := range d.Body.Votes {
			if v.Reason != "" {
				g.Beside = append(g.Beside, FactorWords{Clock(d.At), d.Body.Decision, v.Member + ", for " + v.Option, v.Reason})
			}
		}
		if d.Body.Reason != "" {
			g.Beside = append(g.Beside, FactorWords{Clock(d.At), d.Body.Decision, short(d.Body.Body), d.Body.Reason})
		}
	}
	return g
}

// factor says of one factor whether it was used. The rules are few and are told
// with the result: nobody reads minds here.
func (r *Report) factor(f procedure.Factor) FactorInput {
	in := FactorInput{Factor: f}
	put, doubt, members := 0, false, false
	for _, d := range r.Decisions {
		for _, x := range d.Body.Factors {
			if x.ID == f.ID {
				put++
			}
		}
		for _, a := range d.Body.Assessed {
			if a.Factor != f.ID || strings.TrimSpace(a.Finding) == "" {
				continue
			}
			by := a.Assessor
			if d.Body.Answered != "members" {
				by = "the script; no member wrote it"
			} else if by == "" {
				by = r.BodyName(d.Body.Body)
			}
			members = members || d.Body.Answered == "members"
			text := a.Finding
			if a.Evidence != "" {
				text += " (evidence: " + a.Evidence + ")"
			}
			in.Wrote = append(in.Wrote, FactorWords{Clock(d.At), d.Body.Decision, by, text})
			doubt = doubt || slices.ContainsFunc(unsure, func(word string) bool { return strings.Contains(strings.ToLower(a.Finding), word) })
		}
	}
	switch {
	case put == 0:
		in.State, in.Why = FactorNotPut, "no decision of this drill weighed it"
	case len(in.Wrote) == 0:
		in.State, in.Why = FactorMissing, fmt.Sprintf("it was put %s and nothing was written on it", times(put))
	case doubt:
		in.State, in.Why = FactorUnclear, "what was written says that something is not known"
	case len(in.Wrote) < put:
		in.State, in.Why = FactorUnclear, fmt.Sprintf("it was put %s and assessed %s", times(put), times(len(in.Wrote)))
	default:
		in.State, in.Why = FactorUsed, fmt.Sprintf("assessed %s", times(len(in.Wrote)))
	}
	if len(in.Wrote) > 0 && !members {
		in.Why += ", by the script alone: no member weighed it"
	}
	in.Proposed = proposed(in)
	return in
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// proposed is a wording to start from.
func proposed(in FactorInput) string {
	begin := fmt.Sprintf("The SMKI PMA %s take into account: %s", in.Force, in.Text)
	switch in.State {
	case FactorUsed:
		return begin
	case FactorUnclear:
		return begin + " Where it is not known when the vote closes, the PMA records that it is not known, who finds out, and by when."
	case FactorMissing:
		if in.Force == "shall" {
			return begin + " The DCC brings to the meeting, in writing, what is known of it; without that the vote does not close."
		}
		return begin + " The Chair asks for it by name before the vote; where nobody has anything to say, the minutes say so."
	}
	return begin + " (no proposal: this drill says nothing of it)"
}

// CSV writes one row a factor.
func (g *GuidanceInput) CSV(w io.Writer) error {
	rows := [][]string{{"label", "run", "factor", "force", "weight", "text", "state", "why", "written", "proposed_wording", "source"}}
	for _, f := range g.Factors {
		rows = append(rows, []string{g.Label, g.Run, f.ID, f.Force, fmt.Sprint(f.Weight), f.Text, f.State, f.Why, joined(f.Wrote), f.Proposed, f.Source})
	}
	if err := csv.NewWriter(w).WriteAll(rows); err != nil {
		return fmt.Errorf("writing input for the guidance: %w", err)
	}
	return nil
}

func joined(list []FactorWords) string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.said()
	}
	return strings.Join(out, "; ")
}

// Paper is the input as a document, for [Paper.HTML] and [Paper.PDF].
func (g *GuidanceInput) Paper() *Paper {
	p := &Paper{Label: g.Label, Title: "Input for the Recovery Key Guidance", Sub: fmt.Sprintf("From drill %s, run %s.", g.Title, g.Run)}
	p.note("Confidential: it supplements the Recovery Key Guidance. It was made from the record by rule, and what it proposes is for people to rewrite.")
	if !g.Pack.Verified {
		p.note(fmt.Sprintf("The factors are those of %s, version %d: sample data, not the published list.", g.Pack.Title, g.Pack.Version))
	}
	p.heading("Factors at a glance")
	var rows [][]string
	for _, f := range g.Factors {
		weight := ""
		if f.Weight > 0 {
			weight = fmt.Sprint(f.Weight)
		}
		rows = append(rows, []string{f.ID, f.Force, weight, f.State, f.Why})
	}
	p.table([]float64{2, 1, 1, 1.4, 6}, []string{"factor", "force", "weight", "in this drill", "how that was found"}, rows)
	if g.Pack.Guidance.Weighting != "" {
		p.text("Weighting in the guidance: " + g.Pack.Guidance.Weighting)
	}
	for _, f := range g.Factors {
		p.sub(fmt.Sprintf("%s: %s", Capital(f.ID), f.Text))
		p.text(fmt.Sprintf("%s: %s.", Capital(f.State), f.Why))
		var items []string
		for _, x := range f.Wrote {
			items = append(items, x.said())
		}
		if items != nil {
			p.list(items...)
		}
		p.text("Proposed wording: " + f.Proposed)
	}
	p.heading("What members wrote beside the factors")
	if len(g.Beside) == 0 {
		p.text("Nothing: no member gave a reason with a vote in this drill.")
	} else {
		p.text("Reasons that fit no factor may be factors that are missing.")
		var items []string
		for _, x := range g.Beside {
			items = append(items, x.said())
		}
		p.list(items...)
	}
	p.heading("Steps before a decision, and criteria")
	p.text("The record does not show whether these were done; the observers' sheets do.")
	rows = nil
	for _, b := range g.Pack.Guidance.Before {
		rows = append(rows, []string{b.ID, b.Text, b.Evidence, ""})
	}
	for _, x := range g.Pack.Guidance.Criteria {
		rows = append(rows, []string{x.ID, x.Text, "speaks for " + x.Favour, ""})
	}
	p.table([]float64{2, 5, 3, 2}, []string{"id", "text", "evidence, or what it speaks for", "seen by"}, rows)
	return p
}
