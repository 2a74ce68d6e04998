package report

import (
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/procedure"
)

// How a step of the procedure fared in a run.
type Fate string

// The fates of a step, best first. They stand in CSV and JSON and must not change.
const (
	ByMembers  Fate = "observed, members played" // done: members took the decision, or some decision of the run
	ByScript   Fate = "observed, scripted"       // done, and no member decided anything
	Skipped    Fate = "skipped"                  // the scenario names it, and nothing in the record shows it
	NotOfDrill Fate = "not in the scenario"
)

// Observed says whether something in the record shows that the step was done.
func (f Fate) Observed() bool { return f == ByMembers || f == ByScript }

// Fate is how a step fared in this run.
func (r *Report) Fate(step procedure.Step) Fate {
	seen, members := r.seen(step)
	switch {
	case seen && members:
		return ByMembers
	case seen:
		return ByScript
	case slices.Contains(r.Start.Rehearses, step.ID):
		return Skipped
	}
	return NotOfDrill
}

// seen says whether the record shows that a step was done, and whether members
// answered in the course of it: an act that was carried out or somebody told under
// the step's name, or what the pack says shows it.
func (r *Report) seen(step procedure.Step) (done, members bool) {
	decided := false
	for _, a := range r.Acts {
		if a.Body.Procedure != step.ID || a.Body.Result != "done" {
			continue
		}
		// That a campaign began is not yet that anything was sent.
		done = done || a.Body.Verb != "replace" || r.sentFor(a.Body)
	}
	for _, n := range r.Notifies {
		done = done || n.Procedure == step.ID && n.Told != ""
	}
	for _, mark := range step.Seen {
		body, ofBody := strings.CutPrefix(mark, procedure.SeenDecisionOf)
		name, ofName := strings.CutPrefix(mark, procedure.SeenDecision)
		method, sent := strings.CutSuffix(mark, procedure.SeenSent)
		act, ofAct := strings.CutPrefix(mark, procedure.SeenDid)
		for _, a := range r.Acts {
			done = done || ofAct && a.Body.Result == "done" && strings.HasPrefix(a.Body.Verb+" "+a.Body.Object+" ", act+" ")
		}
		for _, d := range r.Decisions {
			about := ofBody && d.Body.Body == body || !ofBody && ofName && strings.HasPrefix(d.Body.Decision, name)
			if about && d.Body.Answered != "silence" {
				done, decided = true, true
				members = members || d.Body.Answered == "members"
			}
		}
		if mark == procedure.SeenKeyOpened {
			for _, o := range r.Openings {
				done = done || o.Body.Opened
			}
		}
		done = done || sent && slices.Contains(r.Figures.Methods, method)
	}
	return done, done && (members || !decided && r.membersPlayed())
}

// sentFor says whether commands went to devices for an act that replaces keys.
func (r *Report) sentFor(a journal.Act) bool {
	name := a.Object + " by " + a.Params["by"]
	for campaign := range r.sent {
		if campaign == name || strings.HasPrefix(campaign, name+" ") {
			return true
		}
	}
	return false
}

// membersPlayed says whether members took any of the decisions: what followed is
// then what they saw.
func (r *Report) membersPlayed() bool {
	return slices.ContainsFunc(r.Decisions, func(d Decided) bool { return d.Body.Answered == "members" })
}

// rehearsed are the steps that the scenario names and for which the record shows
// that something was done.
func (r *Report) rehearsed() []string {
	var done []string
	for _, s := range r.Pack.Steps {
		if slices.Contains(r.Start.Rehearses, s.ID) && r.Fate(s).Observed() {
			done = append(done, s.ID)
		}
	}
	return done
}

// A Rehearsed is a step with how it fared.
type Rehearsed struct {
	Step procedure.Step
	Fate Fate
}

// Rehearsal is how each step of the procedure fared that the scenario names or the
// record shows, in the order of the pack.
func (r *Report) Rehearsal() []Rehearsed {
	var out []Rehearsed
	for _, s := range r.Pack.Steps {
		if fate := r.Fate(s); fate != NotOfDrill {
			out = append(out, Rehearsed{s, fate})
		}
	}
	return out
}
