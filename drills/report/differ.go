package report

import (
	"fmt"
	"strings"
	"time"
)

// Differing are the decisions up to a time whose answer, the last one where a
// question came back, differs from what the author of the scenario expected, in
// the order in which they were taken. That one stands before something that did
// not hold does not prove that it caused it: playing the drill again with the
// other answer does (drill branch).
func (r *Report) Differing(until time.Duration) []Decided {
	var out []Decided
	for _, d := range r.Decisions {
		if d.Body.Expected != "" && !d.Body.AsExpected && r.final(d) && d.At <= until {
			out = append(out, d)
		}
	}
	return out
}

// DifferBefore says which decisions before a time differ from their author's
// expectation, or that none does.
func (r *Report) DifferBefore(until time.Duration) string {
	list := r.Differing(until)
	if len(list) == 0 {
		return "no decision before it differs from the author's expectation"
	}
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = r.differs(d)
	}
	return "before it, " + strings.Join(out, "; and ")
}

// differs says of a decision how it differs.
func (r *Report) differs(d Decided) string {
	by := short(d.Body.Body)
	if d.Body.Answered == "silence" {
		by += ", by silence"
	}
	return fmt.Sprintf("%s at %s: %q answered %q, which differs from the author's expectation, %q", by, Clock(d.At), d.Body.Decision, d.Body.Chosen, d.Body.Expected)
}

// TryInstead is the command line that plays a run again with the answer that the
// author expected, for the first decision before a time that differs; empty if
// none does. PACK stands for the record's folder.
func (r *Report) TryInstead(until time.Duration) string {
	list := r.Differing(until)
	if len(list) == 0 {
		return ""
	}
	d, at := list[0].Body, list[0].Body.Decision
	if d.Asking > 1 {
		at = fmt.Sprintf("%s#%d", at, d.Asking)
	}
	return fmt.Sprintf("drill branch PACK --at %q --choose %q --out NEW", at, d.Expected)
}

// ended is the scenario time of the last thing that the record holds.
func (r *Report) ended() time.Duration {
	if n := len(r.Timeline); n > 0 {
		return r.Timeline[n-1].At
	}
	return 0
}

// NotHeld are the things that had to hold and did not.
func (r *Report) NotHeld() []Found {
	var out []Found
	for _, f := range r.Findings {
		if !f.Held {
			out = append(out, f)
		}
	}
	return out
}
