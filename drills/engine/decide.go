package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// maxRefusals bounds how often an answer that cannot be taken is asked for
// again: people get it right long before, and a program that cannot must not
// hold the drill for ever.
const maxRefusals = 20

// ask puts a question to its body and schedules what comes of it. The question
// is in the record before anybody hears it.
func (r *run) ask(ctx context.Context, step string, d *scenario.Decision) error {
	a := r.asked[d.Name]
	a.times++
	a.settled = false
	body, _ := r.Scenario.Body(d.Of)
	q := Question{Decision: d, Body: *body, Scenario: r.Scenario, Asked: r.now, Deadline: r.now + d.Within, Asking: a.times, Shown: []journal.Shown{}}
	q.Options, q.Last = a.offered(d)
	var err error
	if !slices.Contains([]string{"", declaresAndVotes, declaresOnly, declaresAndLeaves}, body.Conflict) {
		return fmt.Errorf("asking %s for %q: there is no rule on interests %q", bodyName(*body), d.Name, body.Conflict)
	}
	if q.Voting, err = votingOf(d, body); err != nil {
		return err
	}
	for _, s := range d.Shows {
		v, err := s.Value.Value(r.names())
		if err != nil {
			return fmt.Errorf("%s: %w", s.Value.Pos, err)
		}
		q.Shown = append(q.Shown, journal.Shown{Label: s.Label, Value: v})
	}
	seq, err := r.tellSeq(ctx, journal.KindQuestion, journal.Question{
		Step: step, Decision: d.Name, Body: d.Of, Asks: d.Asks, Briefing: d.Briefing, Shown: q.Shown, Options: q.Options,
		Quorum: quorumWords(q), Voting: q.Voting, Factors: factorsOf(d), Deadline: scenario.FormatTime(q.Deadline), Asking: a.times, Last: q.Last,
	})
	if err != nil {
		return err
	}
	q.Seq, q.Words = seq, r.Journal.Words()
	if d, can := r.Decider.(Deliberator); can && d.Deliberates(q) {
		r.deliberate(ctx, step, q)
		return nil
	}
	answer, refusals, err := r.answer(ctx, q)
	if err != nil {
		return err
	}
	at := q.Deadline
	if !answer.Silent {
		at = r.now + answer.After
	}
	r.schedule(at, answers, func(ctx context.Context) error { return r.decided(ctx, step, q, answer, refusals) })
	return nil
}

// answer asks until an answer can be taken.
func (r *run) answer(ctx context.Context, q Question) (Answer, []string, error) {
	refusals := []string{}
	r.pending = &q
	for {
		a, err := r.Decider.Decide(ctx, q)
		if err != nil {
			return Answer{}, nil, fmt.Errorf("asking %s for %q: %w", bodyName(q.Body), q.Decision.Name, err)
		}
		if a.Answered == "" {
			a.Answered = ByMembers
		}
		refusals = append(refusals, a.Refused...)
		if a.Silent || a.After < 0 || q.Asked+a.After >= q.Deadline {
			r.pending = nil
			return a.silent(), refusals, nil
		}
		if q.Refused = refuse(q, a); q.Refused == "" {
			r.pending = nil
			return a, refusals, nil
		}
		if refusals = append(refusals, q.Refused); len(refusals) == maxRefusals {
			r.pending = nil
			return a.silent(), refusals, nil
		}
	}
}

// refuse says why an answer cannot be taken, or nothing. A vote closes only when
// every "shall" factor is assessed, the quorum is there and one option has the
// majority; the script and the command line assess as the scenario does and have
// no votes. Members whose votes decide nothing may leave the option empty.
func refuse(q Question, a Answer) string {
	d := q.Decision
	undecided := a.Option == "" && a.Answered == ByMembers && q.Voting != nil
	if _, ok := q.Option(a.Option); !ok && !undecided {
		return fmt.Sprintf("there is no option %q: %s", a.Option, strings.Join(q.OptionNames(), ", "))
	}
	known := map[string]bool{}
	for _, f := range d.Factors {
		known[f.ID] = false
	}
	for _, x := range a.Assessed {
		if _, ok := known[x.Factor]; !ok {
			return fmt.Sprintf("%q is not a factor of this decision", x.Factor)
		}
		known[x.Factor] = strings.TrimSpace(x.Finding) != ""
	}
	var open []string
	for _, f := range d.Factors {
		if f.Force == "shall" && !known[f.ID] {
			open = append(open, f.ID)
		}
	}
	if len(open) > 0 {
		return "not yet assessed: " + strings.Join(open, ", ")
	}
	switch a.Answered {
	case ByScript, ByCommandLine:
		return ""
	case ByMembers:
		return refuseVotes(q, a)
	case ByOne:
		return refuseOne(q, a)
	}
	return fmt.Sprintf("%q is nobody who may answer", a.Answered)
}

// decided records the answer and lets happen what follows from it. The record
// comes first: it is what opens the key.
func (r *run) decided(ctx context.Context, step string, q Question, answer Answer, refusals []string) error {
	d, a := q.Decision, r.asked[q.Decision.Name]
	body := journal.Decision{
		Step: step, Decision: d.Name, Body: d.Of, Asks: d.Asks, Question: q.Seq, Asking: q.Asking, Options: q.Options,
		Chosen: answer.Option, Answered: string(answer.Answered), By: answer.By, Reason: answer.Reason, Votes: []journal.Vote{},
		Quorum: quorumWords(q), Factors: factorsOf(d), Assessed: some(answer.Assessed), Refusals: refusals,
		Asked: scenario.FormatTime(q.Asked),
	}
	if answer.Silent {
		body.Chosen, body.Answered = d.Silence, string(BySilence)
	}
	if m, why := meets(q, answer); why == "" {
		m.write(q, answer, &body)
	}
	body.Note = note(q, answer, Answered(body.Answered), len(refusals))
	option, _ := d.Option(body.Chosen)
	if option.Opens != nil {
		if answer.Silent {
			panic("engine: internal error: silence would open a key")
		}
		body.Opens = option.Opens.Key
	}
	for _, o := range d.Options {
		if o.Expected {
			body.Expected, body.Basis = o.Name, o.Basis
		}
	}
	body.AsExpected = body.Expected != "" && body.Expected == body.Chosen
	signed, err := r.Journal.AppendSigned(journal.KindDecision, r.now, body)
	if err != nil {
		r.recordErr = fmt.Errorf("the record cannot be written, so the drill is void: %w", err)
		return r.recordErr
	}
	r.chosen[d.Ident] = body.Chosen
	if err := r.show(ctx, r.now, journal.KindDecision, signed.Seq, body); err != nil {
		return err
	}
	if option.Opens != nil {
		if err := r.open(ctx, step, d, option, body, signed); err != nil {
			return err
		}
	}
	r.follow(step, option.Then)
	if offer, _ := q.Option(body.Chosen); offer.Again > 0 {
		a.again[option.Name]++
		r.schedule(r.now+option.Again.In, happens, func(ctx context.Context) error { return r.ask(ctx, step, d) })
		return nil
	}
	a.settled = true
	waiting := a.waiting
	a.waiting = nil
	for _, l := range waiting {
		r.place(l, r.now)
	}
	return nil
}

// open asks the World to open a key, as an act in the record.
func (r *run) open(ctx context.Context, step string, d *scenario.Decision, o *scenario.Option, body journal.Decision, s journal.Signed) error {
	act := journal.Act{Step: step, Verb: "open", Object: o.Opens.Key, Params: map[string]string{"decision": d.Name}, Phase: "begin"}
	begin, err := r.tellSeq(ctx, journal.KindAct, act)
	if err != nil {
		return err
	}
	act.Phase, act.Begin = "end", begin
	return r.outcome(ctx, o.Pos, act, r.World.Authorise(ctx, r.now, Authorisation{
		Key: o.Opens.Key, For: o.Opens.For, Decision: d.Name, Body: d.Of, Chosen: body.Chosen, Answered: body.Answered,
		DecisionSeq: s.Seq, DecisionHash: s.Hash, Record: s.Line, Signed: s.Note,
	}))
}

// note says in a record who answered, in words that cannot be taken for a vote;
// of members who voted it says how.
func note(q Question, a Answer, by Answered, refusals int) string {
	switch {
	case by == ByScript:
		return "SCRIPTED ANSWER: no member voted"
	case by == ByOne:
		return "ONE PERSON REHEARSED: no committee voted"
	case by == ByCommandLine:
		return "CHOSEN ON THE COMMAND LINE: no member voted"
	case by == BySilence && refusals > 0:
		return "SILENCE: no answer that could be taken was given in time"
	case by == BySilence:
		return "SILENCE: nobody answered in time"
	case q.Voting == nil:
		return "answered without a count of votes"
	}
	return q.Count(a.Votes).Split
}

func factorsOf(d *scenario.Decision) []journal.Factor {
	out := make([]journal.Factor, len(d.Factors))
	for i, f := range d.Factors {
		out[i] = journal.Factor{ID: f.ID, Text: f.Text, Force: f.Force}
	}
	return out
}

func quorumWords(q Question) string {
	if q.Voting == nil {
		return ""
	}
	s := votes(q.Voting.Needed)
	if !q.Body.Verified {
		s += " (sample)"
	}
	return s
}
