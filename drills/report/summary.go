package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"smki.example/drills/journal"
)

// A Line is one row of the closing summary.
type Line struct{ Label, Text string }

// Heading is the summary's first line: label, drill, outcome.
func (r *Report) Heading() string {
	s := fmt.Sprintf("EXERCISE - %s - %s %s - %s", r.Start.Label, r.Start.Scenario, r.Start.Title, r.Outcome.Outcome)
	if n := r.Outcome.Skipped; n > 0 {
		s += "; " + Plural(n, "step") + " skipped"
	}
	if n := r.Outcome.Refused; n > 0 {
		s += "; " + Plural(n, "step") + " refused"
	}
	return s
}

// Lines are the closing summary, in the order in which a committee asks.
func (r *Report) Lines() []Line {
	f := &r.Figures
	lines := []Line{{"Did the system hold?", r.held()}}
	if r.Outcome.Why != "" {
		lines = append(lines, Line{"Why it ended", r.Outcome.Why})
	}
	if f.Devices == 0 {
		return append(lines, r.decided()...)
	}
	lines = append(lines,
		Line{"What was compromised", f.Compromised},
		Line{"What it could touch", fmt.Sprintf("%s devices, %s premises, %s on prepayment; misuse seen: %s", Thousands(f.Devices), Thousands(f.Premises), Thousands(f.Prepayment), f.Misuse)},
	)
	lines = append(lines, r.decided()...)
	lines = append(lines, r.carriedOut()...)
	lines = append(lines,
		Line{"Devices", r.ends() + "   -> devices.csv"},
		Line{"How long", r.howLong()},
		Line{"Consumers", r.consumers()},
		Line{"Revocation and keys", r.keys()},
	)
	if opened := r.opened(); opened != "" {
		lines = append(lines, Line{"Key custodians", opened})
	}
	lines = append(lines,
		Line{"Who was told", r.told()},
		Line{"For the committee", r.forTheCommittee()},
		Line{"Not rehearsed", r.notRehearsed()},
	)
	return lines
}

// held answers the first question: how the drill ended, what was left, and what it
// looked like on the way, since an end that is well may have cost much.
func (r *Report) held() string { return strings.Join(r.Verdict(), "; ") }

// Verdict is whether the system held, then what did not hold or was missed, one
// each, and last the decisions before that which differ from the author's
// expectation.
func (r *Report) Verdict() []string {
	if r.Outcome.Finding != "held" && r.Outcome.Finding != "not held" {
		return []string{"NO FINDING: the drill did not run to its end (" + r.Outcome.Outcome + ")"}
	}
	f := &r.Figures
	word := "YES, at the end."
	if r.Outcome.Finding == "not held" {
		word = "NO."
	}
	text := fmt.Sprintf("%s Still trusting the %s key: %s of %s Relevant Devices", word, f.replacedKey(), Thousands(f.trusting()), Thousands(f.Devices))
	if n := f.Ends["unreachable"]; f.NoParty {
		text = word + " No party's key on devices was lost"
	} else if n > 0 {
		text += fmt.Sprintf(" (%s not reached)", Thousands(n))
	}
	if n := f.Ends["taken by the intruder"]; n > 0 {
		text += fmt.Sprintf("; trusting the intruder's: %s", Thousands(n))
	}
	if f.Taken > 0 && f.TakenMost > 0 {
		text += fmt.Sprintf(". On the way, out of their supplier's hands: %s at once (%s)", Plural(f.TakenMost, "device"), clockText(f.TakenMostAt))
	}
	parts := []string{text}
	for _, x := range r.Findings {
		if !x.Held {
			parts = append(parts, "not so: "+x.Says)
		}
	}
	for _, m := range r.Missed {
		parts = append(parts, "missed: "+m.Body.What)
	}
	if len(parts) > 1 {
		parts = append(parts, r.DifferBefore(r.ended()))
	}
	return parts
}

// decided is two lines for each decision: what, and why. Where nobody gave a
// reason, the second says what the author wrote of the answer, and calls it that.
func (r *Report) decided() []Line {
	var lines []Line
	for _, d := range r.Decisions {
		b := d.Body
		text := fmt.Sprintf("%s: %s. %s", b.Decision, strings.ToUpper(b.Chosen), b.Note)
		if len(b.Factors) > 0 {
			text += fmt.Sprintf(". Factors assessed %d of %d", len(b.Assessed), len(b.Factors))
		}
		if b.Expected != "" && !b.AsExpected && r.final(d) {
			text += fmt.Sprintf(". Differs from the author's expectation, which is: %s", b.Expected)
		}
		lines = append(lines, Line{fmt.Sprintf("%s decided, %s", short(b.Body), Clock(d.At)), text})
		label, why := "  Why", b.Reason
		if why == "" {
			label, why = "  What it means", optionSays(d)
		}
		if why == "" {
			continue
		}
		if len(b.Factors) > 0 {
			why += " (" + r.guidanceNote() + ")"
		}
		lines = append(lines, Line{label, why})
	}
	return lines
}

// final reports whether a decision was not put again after this answer.
func (r *Report) final(d Decided) bool {
	for _, other := range r.Decisions {
		if other.Body.Decision == d.Body.Decision && other.Body.Asking > d.Body.Asking {
			return false
		}
	}
	return true
}

func optionSays(d Decided) string {
	for _, o := range d.Body.Options {
		if o.Name == d.Body.Chosen {
			return o.Says
		}
	}
	return ""
}

func (r *Report) guidanceNote() string {
	if r.Pack.Verified {
		return "guidance: " + r.Pack.Title
	}
	return "sample guidance, not the SEC's text"
}

func (r *Report) carriedOut() []Line {
	f := &r.Figures
	var lines []Line
	label := "Carried out"
	for _, w := range f.Work {
		text := fmt.Sprintf("%s: %s commands", w.Name, Thousands(w.Sent))
		if w.Began != "" {
			text += fmt.Sprintf(", %s to %s", clockText(w.Began), clockText(w.Ended))
		}
		if w.Note != "" {
			text += "; " + w.Note
		}
		text += "; " + countsText(w.Outcomes, nil)
		if len(w.Reasons) > 0 {
			text += "; why not: " + countsText(w.Reasons, nil)
		}
		lines = append(lines, Line{label, text})
		label = ""
	}
	if len(lines) == 0 {
		lines = append(lines, Line{label, "nothing was sent to any device"})
	}
	return append(lines, Line{"", fmt.Sprintf("%s issued to organisations by the CA during the drill", Plural(f.CertificatesIssued, "certificate"))})
}

// ends counts the devices; the ends that every drill has are shown at zero too.
func (r *Report) ends() string {
	if r.Figures.NoParty {
		return fmt.Sprintf("no party's keys were replaced on them; unreachable %d", r.Figures.Ends["unreachable"])
	}
	shown := slices.DeleteFunc(slices.Clone(ends), func(name string) bool {
		return r.Figures.Ends[name] == 0 && !slices.Contains([]string{"recovered", "partly recovered", "unreachable", "excluded"}, name)
	})
	return countsText(r.Figures.Ends, shown)
}

func (r *Report) howLong() string {
	t := r.Figures.Recovery
	if r.Figures.NoParty {
		return "no device had a party's key to recover"
	}
	if t.Devices == 0 {
		return "no device was recovered"
	}
	return fmt.Sprintf("50 %% %s, 95 %% %s, last %s (of the %s recovered, begun %s), scenario time at %s; not a forecast",
		clockText(t.Half), clockText(t.Most), clockText(t.Last), Thousands(t.Devices), clockText(t.Began), r.Figures.Rate)
}

func (r *Report) consumers() string {
	f := &r.Figures
	s := fmt.Sprintf("off supply %s; top-ups refused %s; site visits up to %s; devices out of their supplier's hands for %s device-hours",
		Thousands(f.OffSupply), Thousands(f.TopUps), Thousands(f.SiteVisits), strconv.FormatFloat(f.DeviceHours, 'f', -1, 64))
	if f.TakenMost > 0 {
		s += fmt.Sprintf(", at most %s at once (%s)", Thousands(f.TakenMost), clockText(f.TakenMostAt))
	}
	if f.HeldHours > 0 {
		s += fmt.Sprintf("; all traffic held for %s, %s device-hours in which their supplier could command nothing",
			clockText(f.HeldFor), strconv.FormatFloat(f.HeldHours, 'f', -1, 64))
	}
	return s + ". Sample habits"
}

func (r *Report) keys() string {
	f := &r.Figures
	s := "no Organisation Certificate revoked"
	if f.Revoked > 0 {
		s = fmt.Sprintf("%d revoked %s", f.Revoked, clockText(f.RevokedAt))
	}
	if f.CompromisedCerts > 0 {
		s += fmt.Sprintf(" (of the %s of the compromised keys, %d)", Plural(f.CompromisedCerts, "certificate"), f.CompromisedRevoked)
	}
	return fmt.Sprintf("%s, CRL %d. Recovery key %s, Contingency key %s. CA signatures unaccounted for %d",
		s, f.CRLNumber, Plural(f.RecoveryUses, "use"), Plural(f.ContingencyUses, "use"), f.Unaccounted)
}

// opened tells what the custodians did: called, opened, closed.
func (r *Report) opened() string {
	var out []string
	for _, o := range r.Openings {
		out = append(out, Clock(o.At)+" "+o.Body.text())
	}
	return strings.Join(out, "; ")
}

func (r *Report) told() string {
	var out []string
	for _, n := range r.Notifies {
		switch {
		case n.Told == "":
			out = append(out, n.Whom+" NOT told")
		case n.Due == "":
			out = append(out, fmt.Sprintf("%s %s", n.Whom, clockText(n.Told)))
		default:
			word := "met"
			if !n.Met {
				word = "NOT met"
			}
			out = append(out, fmt.Sprintf("%s %s (limit %s, sample) %s", n.Whom, clockText(n.Told), clockText(n.Due), word))
		}
	}
	for _, whom := range []string{"pma chair", "panel"} {
		if !slices.ContainsFunc(r.Notifies, func(n journal.Notify) bool { return n.Whom == whom }) {
			out = append(out, whom+" NOT told (no step of this drill)")
		}
	}
	return strings.Join(out, "; ")
}

// forTheCommittee lists what the drill leaves open, numbered.
func (r *Report) forTheCommittee() string {
	open := r.Open()
	if len(open) == 0 {
		return "nothing was left open"
	}
	for i := range open {
		open[i] = fmt.Sprintf("%d %s", i+1, open[i])
	}
	return strings.Join(open, "  ")
}

// Open is what the drill leaves open, as questions to the committee: the issues of
// an improvement plan.
func (r *Report) Open() []string {
	f := &r.Figures
	var open []string
	switch n := f.trusting(); {
	case n > 0 && f.CompromisedRevoked > 0:
		open = append(open, fmt.Sprintf("the stolen key's certificates are revoked, and %s it still: the Recovery key or a visit. Who decides?", counted(n, "device", "trusts", "trust")))
	case n > 0:
		open = append(open, fmt.Sprintf("%s the %s key still. Who owns %s?", counted(n, "device", "trusts", "trust"), f.replacedKey(), choose(n == 1, "it", "them")))
	}
	if f.CompromisedCerts > f.CompromisedRevoked {
		open = append(open, fmt.Sprintf("%s of the compromised keys NOT revoked. Until when?", Plural(f.CompromisedCerts-f.CompromisedRevoked, "certificate")))
	}
	if n := f.Ends["under the broker"]; n > 0 {
		open = append(open, fmt.Sprintf("%s under the Access Control Broker. Handed back when?", Plural(n, "device")))
	}
	if n := f.Ends["taken by the intruder"]; n > 0 {
		open = append(open, fmt.Sprintf("%s the intruder. What takes %s back?", counted(n, "device", "trusts", "trust"), choose(n == 1, "it", "them")))
	}
	for _, o := range r.Openings {
		if o.Body.Closed && o.Body.Uses == 0 {
			open = append(open, fmt.Sprintf("the key %s was opened and never used. Why was it?", o.Body.Key))
		}
	}
	for _, d := range r.Decisions {
		if d.Body.Expected != "" && !d.Body.AsExpected && r.final(d) {
			open = append(open, fmt.Sprintf("%q, %s, went another way than its author expected (%s): what do members say?", d.Body.Decision, Clock(d.At), d.Body.Basis))
		}
	}
	for _, n := range r.Notifies {
		if n.Told == "" || (n.Due != "" && !n.Met) {
			open = append(open, "who tells "+n.Whom+", and by when?")
		}
	}
	for _, s := range f.RefusedSteps {
		open = append(open, "the rules refused a step: "+s)
	}
	return open
}

// notRehearsed says how much of the procedure the drill does not touch, and which
// steps it meant to and did not come to in this course of events. The report's
// table and drill coverage have them all.
func (r *Report) notRehearsed() string {
	done := r.rehearsed()
	var missed []string
	for _, s := range r.Pack.Steps {
		if slices.Contains(r.Start.Rehearses, s.ID) && !slices.Contains(done, s.ID) {
			missed = append(missed, s.ID)
		}
	}
	text := fmt.Sprintf("%d of the %d steps of the procedure", len(r.Pack.Steps)-len(done), len(r.Pack.Steps))
	if len(missed) > 0 {
		text += "; planned but not reached: " + strings.Join(missed, ", ")
	}
	text += fmt.Sprintf("; %d of the %d steps rehearsed rest on text we have not seen", r.Pack.Unverified(done), len(done))
	if other := r.OtherPack(); other != "" {
		text += "; " + other
	}
	return text
}

// labelWidth is the column in which the text of a summary begins.
const labelWidth = 23

// Text writes the closing summary for a terminal or a file, wrapped at width.
// last are lines that stand after it, such as the words of the record.
func (r *Report) Text(w io.Writer, width int, last ...Line) error {
	var b strings.Builder
	for _, line := range wrap(r.Heading(), width) {
		b.WriteString(line + "\n")
	}
	for _, l := range append(r.Lines(), last...) {
		label := fmt.Sprintf("%-*s", labelWidth, l.Label)
		for _, part := range wrap(l.Text, width-labelWidth) {
			b.WriteString(strings.TrimRight(label+part, " ") + "\n")
			label = strings.Repeat(" ", labelWidth)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks text at spaces; a word that is longer than a line stands alone.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= max(width, 20):
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// countsText writes counts in the order given, or by name.
func countsText(counts map[string]int, order []string) string {
	if order == nil {
		order = slices.Sorted(maps.Keys(counts))
	}
	var out []string
	for _, name := range order {
		out = append(out, fmt.Sprintf("%s %s", name, Thousands(counts[name])))
	}
	return strings.Join(out, " | ")
}
