package room

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/engine"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
)

func hexOctets(s string) ([]byte, error) { return hex.DecodeString(s) }

// ballot is an open question for this person. Of another body's it is only told
// that they are at it; the room's screen has the question and who has voted.
func (x *sight) ballot(q *question) Ballot {
	b := x.st.ballots[q.on]
	if b == nil {
		b = &ballot{blind: x.st.arranged.Blind}
	}
	out := Ballot{
		Decision: q.Decision, Asking: q.Asking, Body: q.Body, BodyName: x.st.house.nameOf(q.Body), Asked: q.asked, Deadline: q.deadline,
		ByScript: !x.st.deliberates(q.Body), Seq: q.seq,
	}
	if x.script != nil {
		out.ByScript = x.script(q.on)
	}
	out.Involved = slices.ContainsFunc(x.seats, func(s SeatID) bool { return within(s, q.Body+"/") })
	if !out.Involved && !x.all() && x.me.role != Screen {
		return out
	}
	out.Stage, out.Blind = b.stage(), b.blind
	out.Last, out.Asks, out.Options, out.Silence = q.Last, q.Asks, q.Options, silenceOf(q)
	out.OpensKey = slices.ContainsFunc(q.Options, func(o option) bool { return o.Opens != "" })
	x.members(q, b, &out)
	if x.me.role == Screen {
		return out
	}
	out.Briefing, out.Shown, out.Refused = q.Briefing, q.Shown, b.refused
	if q.Voting != nil {
		out.Rule, out.Needed = report.Capital(q.Voting.Says)+".", q.Voting.Needed
	}
	if body, is := x.st.house.body(q.Body); is && body.Conflict != "" {
		out.Conflicts = "A member with an interest " + body.Conflict + noted(body.Basis) + "."
	}
	out.Factors, out.Unmet = x.factors(q, b)
	if !x.live || x.busy {
		return out
	}
	out.MayCall = x.st.mayCall(x.me, x.seats, q.Body)
	if out.Stage == Voting || out.Stage == Revealed || out.Stage == Discussing && x.st.oneSeat(q.Body) {
		out.WhyNot = x.st.whyNot(q, b)
		out.CanClose = out.WhyNot == ""
	}
	if x.me.role == Facilitator {
		out.Leads = leads(x.st.house, q)
		out.Script = q.expecting.ScriptedFor(q.Asking)
	}
	return out
}

func silenceOf(q *question) string {
	if q.expecting == nil {
		return ""
	}
	return q.expecting.Silence
}

// stage is how far a vote has got.
func (b *ballot) stage() BallotStage {
	switch {
	case b.closed:
		return Counting
	case b.revealed:
		return Revealed
	case b.called:
		return Voting
	}
	return Discussing
}

// members are the seats of the body in the vote, with what this person may see of
// each: in an open ballot the body sees votes as they are cast, in a blind one and
// outside the body nobody does before they are revealed.
func (x *sight) members(q *question, b *ballot, out *Ballot) {
	left := false // this person's own interest has sent them out of the room
	for _, s := range x.seats {
		if _, is := b.interests[s]; is && within(s, q.Body+"/") {
			rule, _ := x.st.house.body(q.Body)
			left = left || rule.Conflict == declaresAndLeaves
		}
	}
	shows := b.revealed || !b.blind && (x.all() || out.Involved && !left)
	if b.closed && x.me.role != Screen && (out.Involved && !left || x.all()) {
		shows = true
	}
	for _, s := range x.st.house.seats {
		if s.Body != q.Body {
			continue
		}
		m := MemberState{Seat: s.ID, Title: s.Title, Vote: s.Vote}
		if sits, is := x.st.sitting[s.ID]; is {
			m.Name = x.st.name(sits.person)
			m.Present = x.here(sits.person)
		}
		_, declared := b.interests[s.ID]
		m.Barred = declared && x.st.barred(q.Body, b, s.ID)
		if x.me.role != Screen {
			m.Interest = b.interests[s.ID]
		}
		c, voted := b.casts[s.ID]
		voted = voted && s.Vote && !m.Barred
		m.Voted = voted
		if voted && c.option != "" {
			out.Cast++
		}
		own := m
		if voted && (shows || slices.Contains(x.seats, s.ID)) {
			own.Option, own.Reason, own.Abstained = c.option, c.reason, c.option == ""
		}
		if shows {
			m = own
		}
		out.Members = append(out.Members, m)
		if slices.Contains(x.seats, s.ID) && s.Vote {
			out.MyVotes = append(out.MyVotes, own)
		}
	}
	if shows && q.Voting != nil && out.Cast > 0 {
		votes, _ := x.st.votes(q.Body, b)
		t := q.asEngine.Count(votes)
		out.Tally = report.Capital(t.Split)
		if t.Why != "" {
			out.Tally = report.Capital(t.Why)
		}
	}
}

// factors are those of the guidance, with what was found; unmet are those that
// must be assessed before the vote closes.
func (x *sight) factors(q *question, b *ballot) (all []FactorState, unmet []string) {
	for _, f := range q.Factors {
		s := FactorState{ID: f.ID, Text: f.Text, Force: f.Force, Sample: true}
		for _, p := range x.st.pack.Factors {
			if p.ID == f.ID {
				s.Sample = !p.Verified
			}
		}
		found := b.factors[f.ID]
		s.Finding, s.Evidence, s.Assessor = found.Finding, found.Evidence, found.Assessor
		all = append(all, s)
		if f.Force == "shall" && strings.TrimSpace(s.Finding) == "" {
			unmet = append(unmet, f.Text)
		}
	}
	return all, unmet
}

// oneSeat says whether a body has one vote: then whoever has it needs no vote to be
// called.
func (s *state) oneSeat(body string) bool { return len(s.house.voters(body)) == 1 }

// mayCall says whether a person may call, reveal and close the vote of a body: the
// chair and the facilitator, in a body of one vote who has it, and in a rehearsal
// alone whoever sits in the body.
func (s *state) mayCall(me *person, seats []SeatID, body string) bool {
	if me.role == Facilitator {
		return true
	}
	return slices.ContainsFunc(seats, func(id SeatID) bool { return s.seatMayCall(id, body) })
}

func (s *state) seatMayCall(id SeatID, body string) bool {
	seat, is := s.house.seat(id)
	if !is || seat.Body != body {
		return false
	}
	return seat.Chair || seat.Vote && (s.oneSeat(body) || s.arranged.Solo)
}

// deliberates says whether people answer a body's questions: somebody sits there
// with a vote.
func (s *state) deliberates(body string) bool { return s.held(body) }

// solo says how one person's answer counts in a rehearsal alone: as the whole body,
// or, where the body cannot decide by the vote of those who are there, not at all,
// and the script answers.
func (s *state) solo(q *question) engine.Answered {
	if !s.arranged.Solo {
		return engine.ByMembers
	}
	sitting := 0
	for _, v := range s.house.voters(q.Body) {
		if s.sitting[v.ID].person != "" {
			sitting++
		}
	}
	switch {
	case q.Voting == nil || sitting >= q.Voting.Needed:
		return engine.ByMembers
	case s.arranged.SoloDecides:
		return engine.ByOne
	}
	return engine.ByScript
}

// whyNot says why a vote cannot be closed, or nothing. That votes decide nothing is
// no such reason: a tie is counted, and stands in the record.
func (s *state) whyNot(q *question, b *ballot) string {
	var unmet []string
	for _, f := range q.Factors {
		if f.Force == "shall" && strings.TrimSpace(b.factors[f.ID].Finding) == "" {
			unmet = append(unmet, f.ID)
		}
	}
	by := s.solo(q)
	votes, abstained := s.votes(q.Body, b)
	switch {
	case by == engine.ByScript:
		if len(votes)+len(abstained) == 0 {
			return "Nobody has voted yet. Say how you would vote; then the script answers for the committee."
		}
		return ""
	case len(unmet) > 0:
		return fmt.Sprintf("%s not yet assessed: %s.", plural(len(unmet), "factor")+map[bool]string{true: " is", false: " are"}[len(unmet) == 1], strings.Join(unmet, ", "))
	case len(votes) == 0 && by == engine.ByOne:
		return "Choose an answer first."
	case len(votes) == 0:
		return "Nobody has voted for an answer yet."
	case by == engine.ByMembers && q.Voting != nil && len(votes) < q.Voting.Needed:
		n := q.Voting.Needed - len(votes)
		text := fmt.Sprintf("There is no quorum: %s cast, %d needed, %d missing.", plural(len(votes), "vote"), q.Voting.Needed, n)
		if len(abstained) > 0 {
			text += fmt.Sprintf(" %s does not count.", plural(len(abstained), "abstention"))
		}
		return text
	}
	return ""
}

// leads are where the options lead, as the scenario has it.
func leads(h *house, q *question) []Lead {
	if q.expecting == nil {
		return nil
	}
	var out []Lead
	for _, offered := range q.Options {
		o, is := q.expecting.Option(offered.Name)
		if !is {
			continue
		}
		l := Lead{Option: o.Name, Says: o.Says, Expected: o.Expected, Basis: o.Basis}
		if o.Opens != nil {
			l.Opens = keyWords(o.Opens.Key)
			l.Then = append(l.Then, "The custodians of the "+l.Opens+" are called.")
		}
		if o.Again != nil {
			l.Again = fmt.Sprintf("The question comes back after %s; it can do so %s more.", spell(o.Again.In), plural(offered.Again, "time"))
			if offered.Again == 0 {
				l.Again = "Final this time: the question does not come back."
			}
		}
		for _, t := range o.Then {
			when := "At once: "
			if t.After > 0 {
				when = "After " + spell(t.After) + ": "
			}
			l.Then = append(l.Then, when+happens(h, t.Event))
		}
		for _, i := range h.scenario.Timeline {
			if i.If != nil && strings.Contains(i.If.Source, fmt.Sprintf("chosen.%s == %q", q.expecting.Ident, o.Name)) {
				l.Then = append(l.Then, fmt.Sprintf("%s, if %s: %s", due(i), i.If.Source, happens(h, i.Event)))
			}
		}
		out = append(out, l)
	}
	return out
}

func due(i scenario.Item) string {
	if i.When != nil {
		return "When " + i.When.Source
	}
	return "At " + clock(i.At)
}

// happens is an event in one sentence, for the facilitator.
func happens(h *house, e scenario.Event) string {
	switch {
	case e.Inject != nil:
		return fmt.Sprintf("%s from %s to %s", e.Inject.As, e.Inject.From, strings.Join(e.Inject.To, ", "))
	case e.Decide != "":
		if d, is := h.scenario.Decision(e.Decide); is {
			return fmt.Sprintf("%s is asked: %s", h.nameOf(d.Of), d.Asks)
		}
		return "question " + e.Decide
	case e.Notify != nil:
		return e.Notify.Whom + " must be told"
	case e.Do != nil:
		text := e.Do.Verb + " " + e.Do.Object.String()
		for _, a := range e.Do.Params {
			text += fmt.Sprintf(", %s %s", a.Name, a.Value)
		}
		return text
	}
	return ""
}
