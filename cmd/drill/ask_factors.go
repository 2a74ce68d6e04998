package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// Who a finding on a factor comes from, as the record says.
const (
	byMembers   = "members"
	byAccepting = "members, who took the author's text over"
	byNobody    = "author's text, not discussed"
)

// assess asks for a finding on every factor. One that shall be weighed is typed, or
// the scenario author's is taken over, each by itself; taking all that are left at
// once is possible, and the record then says that nobody discussed them. One that
// may be weighed is skipped by Enter. A question that is put again keeps its
// findings: it is the vote that failed.
func (a *asker) assess(ctx context.Context, q engine.Question) (silent bool, err error) {
	if q.Refused != "" && a.asked == q.Seq {
		return false, nil
	}
	a.asked, a.assessed, a.declared, a.standIn = q.Seq, nil, nil, nil
	if len(q.Decision.Factors) == 0 {
		return false, nil
	}
	a.screen.say(2, "Factors of the guidance"+sampleNote(q.Decision.Factors)+". A \"shall\" factor needs a finding before the vote: type it, or \"accept\" the prepared one. "+
		"A \"may\" factor is skipped with Enter. \"all\" takes every prepared finding that is left, and the record says that they were not discussed.")
	prepared := map[string]string{}
	for _, x := range q.Decision.Assessed {
		prepared[x.Factor] = x.Finding
	}
	for i := 0; i < len(q.Decision.Factors); {
		f := q.Decision.Factors[i]
		text, err := a.keys.ask(ctx, a.factor(f, prepared[f.ID]))
		if err != nil {
			return false, err
		}
		finding, assessor := text, byMembers
		switch {
		case strings.EqualFold(text, nothing):
			return true, nil
		case strings.EqualFold(text, "all"):
			a.takeAll(q.Decision.Factors[i:], prepared)
			return false, nil
		case strings.EqualFold(text, "accept") && prepared[f.ID] == "":
			a.screen.say(4, "There is no prepared finding: type one.")
			continue
		case strings.EqualFold(text, "accept"):
			finding, assessor = prepared[f.ID], byAccepting
		case text == "" && f.Force == "shall":
			a.screen.say(4, "This factor shall be weighed: type a finding, or \"accept\" the prepared one.")
			continue
		}
		if finding != "" {
			a.assessed = append(a.assessed, journal.Assessment{Factor: f.ID, Finding: finding, Assessor: assessor})
		}
		i++
	}
	return false, nil
}

// factor is the prompt for one factor.
func (a *asker) factor(f scenario.Factor, prepared string) string {
	force := f.Force
	if f.Force != "shall" {
		force += "; Enter skips it"
	}
	s := a.screen.marked("  ", fmt.Sprintf("%s (%s): %s", f.ID, force, f.Text)) + "\n"
	if prepared != "" {
		s += a.screen.marked("    ", "prepared by the author: "+prepared) + "\n"
	}
	return s + "  > "
}

// takeAll takes what the author prepared for the factors that are left.
func (a *asker) takeAll(factors []scenario.Factor, prepared map[string]string) {
	for _, f := range factors {
		if text := prepared[f.ID]; text != "" {
			a.assessed = append(a.assessed, journal.Assessment{Factor: f.ID, Finding: text, Assessor: byNobody})
		}
	}
}

// sampleNote says of guidance that nobody held against the SEC's text what it is.
func sampleNote(factors []scenario.Factor) string {
	if slices.ContainsFunc(factors, func(f scenario.Factor) bool { return !f.Verified }) {
		return " (sample, not the SEC's text)"
	}
	return ""
}
