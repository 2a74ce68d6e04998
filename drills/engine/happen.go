package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// line is an entry of the timeline and what became of it.
type line struct {
	item  *scenario.Item
	order int
	state State
	void  *bool // takes it out of the queue, where it is there
}

// place puts a line that has a time into the queue.
func (r *run) place(l *line, at time.Duration) {
	l.state = StateWaiting
	l.void = r.scheduleAs(at, happens, l.order, func(ctx context.Context) error { return r.happen(ctx, l) })
}

// happen carries out an entry whose time has come: at once, or when the
// decisions that it looks at are taken.
func (r *run) happen(ctx context.Context, l *line) error {
	if open := r.unsettled(l.item); len(open) > 0 {
		l.state = StateDeciding
		a := r.asked[open[0]]
		a.waiting = append(a.waiting, l)
		return nil
	}
	if l.item.If != nil {
		held, found, err := l.item.If.Holds(r.names())
		if err != nil {
			return fmt.Errorf("%s: %w", l.item.If.Pos, err)
		}
		if !held {
			return r.ruledOut(ctx, l, fmt.Sprintf("only if %s: %s", l.item.If.Source, found))
		}
	}
	l.state = StateDone
	r.showSheet()
	return r.event(ctx, l.item.Step, l.item.Event)
}

// unsettled are the decisions that an entry looks at and that are not yet taken.
func (r *run) unsettled(item *scenario.Item) []string {
	var out []string
	for _, n := range item.Needs {
		if !r.asked[n].settled {
			out = append(out, n)
		}
	}
	return out
}

// conditions asks every `when`, again after each that came true, because what it
// did may be what another waits for. Each happens once, so this ends.
func (r *run) conditions(ctx context.Context) error {
	for again := true; again; {
		again = false
		for _, l := range r.lines {
			if l.item.When == nil || l.state != StateWaiting || len(r.unsettled(l.item)) > 0 {
				continue
			}
			happened, err := r.condition(ctx, l)
			if err != nil {
				return err
			}
			again = again || happened
		}
	}
	return nil
}

// condition lets an entry happen if its condition is true now. One that the
// decisions have ruled out for good is skipped at once.
func (r *run) condition(ctx context.Context, l *line) (happened bool, err error) {
	if q := l.item.If; q != nil {
		held, found, err := q.Holds(r.names())
		if err != nil {
			return false, fmt.Errorf("%s: %w", q.Pos, err)
		}
		if !held && q.Final() {
			return false, r.ruledOut(ctx, l, fmt.Sprintf("only if %s: %s", q.Source, found))
		}
		if !held {
			return false, nil
		}
	}
	held, _, err := l.item.When.Holds(r.names())
	if err != nil {
		return false, fmt.Errorf("%s: %w", l.item.When.Pos, err)
	}
	if !held {
		return false, nil
	}
	l.state, *l.void = StateDone, true
	return true, r.event(ctx, l.item.Step, l.item.Event)
}

// limit is the `by` of a `when`. What an `if` rules out is skipped; what should
// have come true and did not is a finding, never silence.
func (r *run) limit(ctx context.Context, l *line) error {
	if err := r.conditions(ctx); err != nil || l.state != StateWaiting {
		return err
	}
	l.state = StateMissed
	m := journal.Missed{Step: l.item.Step, What: l.item.String(), By: scenario.FormatTime(l.item.By)}
	if open := r.unsettled(l.item); len(open) > 0 {
		m.Why = fmt.Sprintf("the decision %s was not taken in time", open[0])
		return r.missed(ctx, m)
	}
	if l.item.If != nil {
		held, found, err := l.item.If.Holds(r.names())
		if err != nil {
			return fmt.Errorf("%s: %w", l.item.If.Pos, err)
		}
		if !held {
			return r.ruledOut(ctx, l, fmt.Sprintf("only if %s: %s", l.item.If.Source, found))
		}
	}
	_, found, err := l.item.When.Holds(r.names())
	if err != nil {
		return fmt.Errorf("%s: %w", l.item.When.Pos, err)
	}
	m.Why = fmt.Sprintf("%s never came true: %s", l.item.When.Source, found)
	return r.missed(ctx, m)
}

// event carries out one thing.
func (r *run) event(ctx context.Context, step string, e scenario.Event) error {
	switch {
	case e.Inject != nil:
		return r.tell(ctx, journal.KindInject, journal.Inject{Step: step, As: e.Inject.As, From: e.Inject.From, To: e.Inject.To, Text: e.Inject.Text})
	case e.Decide != "":
		d, _ := r.Scenario.Decision(e.Decide)
		return r.ask(ctx, step, d)
	case e.Notify != nil:
		return r.notify(ctx, step, e.Notify)
	default:
		return r.act(ctx, step, e.Do)
	}
}

// follow schedules the consequences of an option.
func (r *run) follow(step string, list []scenario.Consequence) {
	for i := range list {
		q := &list[i]
		place := step + "." + strconv.Itoa(i+1)
		r.schedule(r.now+q.After, happens, func(ctx context.Context) error { return r.event(ctx, place, q.Event) })
	}
}

// act carries out a verb: in the record as begun, then done, then in the record
// with its result.
func (r *run) act(ctx context.Context, step string, a *scenario.Action) error {
	do := Action{Step: step, Pos: a.Pos, Verb: a.Verb, Params: map[string]string{}}
	fill := func(v scenario.Value) (string, bool) {
		if v.Chosen == "" {
			return v.Text, true
		}
		d, _ := r.Scenario.Decision(v.Chosen)
		return r.chosen[d.Ident], r.chosen[d.Ident] != ""
	}
	var ok bool
	if do.Object, ok = fill(a.Object); !ok {
		return r.skip(ctx, step, a.Verb, "the decision "+a.Object.Chosen+" was not taken")
	}
	for _, p := range a.Params {
		if do.Params[p.Name], ok = fill(p.Value); !ok {
			return r.skip(ctx, step, a.Verb+" "+do.Object, "the decision "+p.Value.Chosen+" was not taken")
		}
	}
	body := journal.Act{Step: step, Verb: do.Verb, Object: do.Object, Params: do.Params, Procedure: a.Step, Phase: "begin"}
	begin, err := r.tellSeq(ctx, journal.KindAct, body)
	if err != nil {
		return err
	}
	do.Begin = begin
	body.Phase, body.Begin = "end", begin
	return r.outcome(ctx, a.Pos, body, r.World.Act(ctx, r.now, do))
}

// outcome records what came of an act. A refusal is an answer of the rules and
// the drill goes on; anything else that went wrong ends it.
func (r *run) outcome(ctx context.Context, pos scenario.Pos, body journal.Act, err error) error {
	switch {
	case err == nil:
		body.Result = "done"
	case errors.Is(err, ErrUncertain):
		body.Result, body.Error = "uncertain", err.Error()
	case errors.Is(err, ErrRefused):
		body.Result, body.Error = "refused", err.Error()
		r.out.Refused++
	default:
		body.Result, body.Error = "failed", err.Error()
	}
	if werr := r.tell(ctx, journal.KindAct, body); werr != nil {
		return errors.Join(err, werr)
	}
	if slices.Contains([]string{"done", "refused"}, body.Result) {
		return nil
	}
	return fmt.Errorf("%s: %s %s: %w", pos, body.Verb, body.Object, err)
}
