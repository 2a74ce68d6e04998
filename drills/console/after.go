package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// A writing is a paragraph that the facilitator writes for the papers.
type writing struct {
	Title, Asks, Hint, Text string
	Rows                    int
	Kept                    bool
}

// Writing is a paragraph as it is kept, or else as it is proposed from what people
// noted and answered.
func (p *page) Writing(part string) (writing, error) {
	w, known := map[string]writing{
		"summary":   {Title: "Summary", Asks: "The exercise in a few sentences", Hint: "For somebody who was not there: what was rehearsed, what was decided, what came of it. First paragraph of the after-action report.", Rows: 5},
		"strengths": {Title: "Strengths", Asks: "What went well, and should stay so", Hint: "One a line. Observers' notes tagged as strengths are proposed; change them before you keep them.", Rows: 5},
		"improve":   {Title: "Areas to improve", Asks: "What should go better", Hint: "One a line, about procedures, papers and means, not about persons. What needs an owner becomes an action in the improvement plan.", Rows: 5},
		"minutes":   {Title: "Text of the minutes", Asks: "What the minutes say besides the decisions", Hint: "Decisions, votes, reasons, interests, who was there and who was not are written by themselves. Here belongs what was discussed, and who is told what.", Rows: 12},
	}[part]
	if !known {
		return w, fmt.Errorf("there is no part %q of the report", part)
	}
	if p.wasAct == "write" && p.was.Get("part") == part {
		w.Text = p.was.Get("text")
		return w, nil
	}
	if w.Text = p.After.Remarks[part]; w.Text != "" {
		w.Kept = true
		return w, nil
	}
	var lines []string
	for _, n := range slices.Backward(p.PrivateNotes()) {
		if !n.Private && (part == "strengths" && n.Tag == room.Strength || part == "improve" && n.Tag == room.Improve) {
			lines = append(lines, strings.ReplaceAll(n.Text, "\n", " "))
		}
	}
	w.Text = strings.Join(lines, "\n")
	return w, nil
}

// FindingMark is the class of the look for the finding: held, not held, or none where
// the drill did not run to its end.
func (p *page) FindingMark() string {
	switch p.After.Finding {
	case "held":
		return "good"
	case "none", "":
		return "off"
	}
	return "bad"
}

// OfFive is a mean of 1 to 5 in hundredths of five.
func (p *page) OfFive(mean float64) float64 { return min(max(mean*20, 0), 100) }

// A proposal is something that the drill leaves open, as an action that waits for an
// owner and a date.
type proposal struct{ Kind, What, From string }

// Proposals are what could become actions and has not.
func (p *page) Proposals() []proposal {
	var list []proposal
	add := func(kind, what string) {
		what = strings.Join(strings.Fields(what), " ")
		taken := slices.ContainsFunc(p.After.Actions, func(a report.Action) bool { return a.From == what || a.What == what })
		if what != "" && !taken && !slices.ContainsFunc(list, func(o proposal) bool { return o.From == what }) {
			list = append(list, proposal{kind, what, what})
		}
	}
	for _, o := range p.After.Open {
		add("The drill leaves open", o)
	}
	for _, n := range slices.Backward(p.PrivateNotes()) {
		if n.Tag == room.Improve && !n.Private {
			add("Noted by "+n.By+" at "+report.Clock(n.At), n.Text)
		}
	}
	for _, line := range strings.Split(p.After.Remarks["improve"], "\n") {
		add("Area to improve", line)
	}
	return list
}

// DueDate is a date that is proposed: three months from now.
func (p *page) DueDate() string {
	return p.console.clock().AddDate(0, 3, 0).Format(time.DateOnly)
}

// Owners are proposed as owners of actions and risks: the bodies and who sits there.
func (p *page) Owners() []string {
	var list []string
	add := func(s string) {
		if s != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	for _, b := range p.AllBenches() {
		add(b.Name)
	}
	for _, a := range p.After.Actions {
		add(a.Owner)
	}
	for _, s := range p.Seats {
		if s.Holder != nil {
			add(s.Holder.Name + ", " + s.Title)
		}
	}
	return list
}

// A riskLine is a risk in a form.
type riskLine struct {
	report.Risk
	Slug string
}

// RisksSeen are devices in a state that a recovery does not want, as risks without
// an owner, unless the list has them.
func (p *page) RisksSeen() []riskLine {
	if p.Situation == nil {
		return nil
	}
	var list []riskLine
	for _, c := range p.Situation.States {
		if c.Good || c.Count == 0 {
			continue
		}
		what := report.Capital(c.Name)
		if c.Says != "" {
			what += ": " + c.Says
		}
		if slices.ContainsFunc(p.After.Risks, func(r report.Risk) bool { return r.What == what }) {
			continue
		}
		list = append(list, riskLine{report.Risk{What: what, Devices: c.Count}, "seen-" + slug(c.Name)})
	}
	return list
}

// RiskLines are the risks of the list, for their forms.
func (p *page) RiskLines() []riskLine {
	var list []riskLine
	for _, r := range p.After.Risks {
		list = append(list, riskLine{r, fmt.Sprint(r.Number)})
	}
	return list
}

// NewRisk is an empty form, or what was refused.
func (p *page) NewRisk() riskLine {
	return riskLine{report.Risk{What: p.Was("risk", "what"), Owner: p.Was("risk", "owner"), Likelihood: p.Was("risk", "likelihood")}, "new"}
}

// A readiness is a thing that should be there before the record is sealed.
type readiness struct {
	Says string
	Done bool
	Tab  string
}

// Readiness says what is there and what is missing; none of it is needed.
func (p *page) Readiness() []readiness {
	a := p.After
	rated := 0
	for _, o := range p.Rehearsed {
		if len(o.Ratings) > 0 {
			rated++
		}
	}
	here := p.HereNow()
	list := []readiness{
		{fmt.Sprintf("Survey: %d of %s here have answered", a.Answers, people(here)), a.Answers > 0 && a.Answers >= here-1, "wash"},
		{fmt.Sprintf("Objectives: %d of %d rated", rated, len(p.Rehearsed)), rated == len(p.Rehearsed), "wash"},
		{"Summary of the exercise", a.Remarks["summary"] != "", "wash"},
		{"Strengths and areas to improve", a.Remarks["strengths"] != "" && a.Remarks["improve"] != "", "wash"},
		{fmt.Sprintf("Improvement plan: %s, %d left open", report.Plural(len(a.Actions), "action"), len(p.Proposals())), len(a.Actions) > 0 && len(p.Proposals()) == 0, "plan"},
		{fmt.Sprintf("Risk list: %s", report.Plural(len(a.Risks), "risk")), len(a.Risks) > 0, "risks"},
		{"Text of the minutes", a.Remarks["minutes"] != "", "minutes"},
	}
	return list
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return report.Thousands(n) + " people"
}

// Clip is the beginning of a text, for a line of a list.
func (p *page) Clip(s string) string {
	s = cleanLine(s)
	if r := []rune(s); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return s
}
