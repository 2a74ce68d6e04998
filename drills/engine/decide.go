package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// asked is what became of a decision.
type asked struct {
	times   int  // it was asked
	again   int  // it came back
	settled bool // it is answered and will not come back
	waiting []waiter
}

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
	for _, s := range d.Shows {
		v, err := s.Value.Value(r.names())
		if err != nil {
			return fmt.Errorf("%s: %w", s.Value.Pos, err)
		}
		q.Shown = append(q.Shown, journal.Shown{Label: s.Label, Value: v})
	}
	seq, err := r.tellSeq(ctx, journal.KindQuestion, journal.Question{
		Step: step, Decision: d.Name, Body: d.Of, Asks: d.Asks, Briefing: d.Briefing, Shown: q.Shown, Options: optionsOf(d),
		Quorum: quorumWords(d, body), Factors: factorsOf(d), Deadline: scenario.FormatTime(q.Deadline), Asking: a.times,
	})
	if err != nil {
		return err
	}
	q.Seq, q.Words = seq, r.Journal.Words()
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
	for {
		a, err := r.Decider.Decide(ctx, q)
		if err != nil {
			return Answer{}, nil, fmt.Errorf("%s: asking for %s: %w", q.Decision.Pos, q.Decision.Name, err)
		}
		if a.Answered == "" {
			a.Answered = ByMembers
		}
		if a.Silent || a.After < 0 || q.Asked+a.After >= q.Deadline {
			return Answer{Silent: true}, refusals, nil
		}
		if q.Refused = refuse(q, a); q.Refused == "" {
			return a, refusals, nil
		}
		if refusals = append(refusals, q.Refused); len(refusals) == maxRefusals {
			return Answer{Silent: true}, refusals, nil
		}
	}
}

// refuse says why an answer cannot be taken, or nothing. A vote closes only when
// every "shall" factor is assessed and the quorum is there; the script and the
// command line assess as the scenario does and have no votes.
func refuse(q Question, a Answer) string {
	d := q.Decision
	if _, ok := d.Option(a.Option); !ok {
		return fmt.Sprintf("there is no option %q: %s", a.Option, strings.Join(d.OptionNames(), ", "))
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
	if a.Answered != ByMembers {
		return ""
	}
	return refuseVotes(q, a)
}

func refuseVotes(q Question, a Answer) string {
	counts := map[string]int{}
	var voted []string
	for _, v := range a.Votes {
		if slices.Contains(voted, v.Member) {
			return fmt.Sprintf("%q has two votes", v.Member)
		}
		voted = append(voted, v.Member)
		if _, ok := q.Decision.Option(v.Option); !ok {
			return fmt.Sprintf("%q votes for %q, which is no option", v.Member, v.Option)
		}
		if i := slices.IndexFunc(q.Body.Members, func(m scenario.Member) bool { return m.ID == v.Member }); len(q.Body.Members) > 0 && (i < 0 || !q.Body.Members[i].Vote) {
			return fmt.Sprintf("%q has no vote in %s", v.Member, q.Body.ID)
		}
		counts[v.Option]++
	}
	if len(a.Votes) < q.Decision.Quorum {
		return fmt.Sprintf("%d votes, and the quorum is %d", len(a.Votes), q.Decision.Quorum)
	}
	for _, o := range q.Decision.OptionNames() {
		if counts[o] > counts[a.Option] {
			return fmt.Sprintf("%q has %d votes and %q has %d", o, counts[o], a.Option, counts[a.Option])
		}
	}
	return ""
}

// decided records the answer and lets happen what follows from it. The record
// comes first: it is what opens the key.
func (r *run) decided(ctx context.Context, step string, q Question, answer Answer, refusals []string) error {
	d, a := q.Decision, r.asked[q.Decision.Name]
	body := journal.Decision{
		Step: step, Decision: d.Name, Body: d.Of, Asks: d.Asks, Question: q.Seq, Asking: q.Asking, Options: optionsOf(d),
		Chosen: answer.Option, Answered: string(answer.Answered), By: answer.By, Reason: answer.Reason, Votes: some(answer.Votes),
		Quorum: quorumWords(d, &q.Body), Factors: factorsOf(d), Assessed: some(answer.Assessed), Refusals: refusals,
		Asked: scenario.FormatTime(q.Asked),
	}
	if answer.Silent {
		body.Chosen, body.Answered = d.Silence, string(BySilence)
	}
	body.Note = note(Answered(body.Answered), len(answer.Votes))
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
	if err := r.show(ctx, journal.KindDecision, signed.Seq, body); err != nil {
		return err
	}
	if option.Opens != nil {
		if err := r.open(ctx, step, d, option, body, signed); err != nil {
			return err
		}
	}
	r.follow(step, option.Then)
	if option.Again != nil && a.again < option.Again.Times {
		a.again++
		r.schedule(r.now+option.Again.In, happens, func(ctx context.Context) error { return r.ask(ctx, step, d) })
		return nil
	}
	a.settled = true
	waiting := a.waiting
	a.waiting = nil
	for _, w := range waiting {
		r.scheduleAs(r.now, happens, w.order, func(ctx context.Context) error { return r.happen(ctx, w.item, w.order) })
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

// note says in a record who answered, in words that cannot be taken for a vote.
func note(a Answered, votes int) string {
	switch a {
	case ByScript:
		return "SCRIPTED ANSWER: no member voted"
	case ByCommandLine:
		return "CHOSEN ON THE COMMAND LINE: no member voted"
	case BySilence:
		return "SILENCE: nobody answered in time"
	}
	switch votes {
	case 0:
		return "answered without a count of votes"
	case 1:
		return "1 vote"
	}
	return fmt.Sprintf("%d votes", votes)
}

func optionsOf(d *scenario.Decision) []journal.Option {
	out := make([]journal.Option, len(d.Options))
	for i, o := range d.Options {
		out[i] = journal.Option{Name: o.Name, Says: o.Says}
		if o.Opens != nil {
			out[i].Opens = o.Opens.Key
		}
	}
	return out
}

func factorsOf(d *scenario.Decision) []journal.Factor {
	out := make([]journal.Factor, len(d.Factors))
	for i, f := range d.Factors {
		out[i] = journal.Factor{ID: f.ID, Text: f.Text, Force: f.Force}
	}
	return out
}

func quorumWords(d *scenario.Decision, b *scenario.Body) string {
	if d.Quorum == 0 {
		return ""
	}
	s := fmt.Sprintf("%d votes", d.Quorum)
	if !b.Verified {
		s += " (sample)"
	}
	return s
}
