package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// deliberation is a question that people talk over while the clock goes on.
type deliberation struct {
	step     string
	q        Question
	order    int
	ask      func(Question) (Answer, error) // until cancel
	cancel   context.CancelCauseFunc
	void     *bool // the deadline means nothing any more
	refusals []string
	result   chan verdict // one, of the Decide that runs
	said     bool         // nothing is asked of them any more
	silence  Answer       // what is known of who was there, if they say nothing
}

type verdict struct {
	answer Answer
	err    error
}

// maxTalk is maxRefusals for people whose time to answer passes anyway.
const maxTalk = 200

// errOver is why people are not asked any more when a drill has ended.
var errOver = errors.New("the drill is over")

// deliberate puts a question to people and goes on.
func (r *run) deliberate(ctx context.Context, step string, q Question) {
	r.order++
	d := &deliberation{step: step, q: q, order: r.order, refusals: []string{}, result: make(chan verdict, 1), silence: Answer{Silent: true}}
	asking, cancel := context.WithCancelCause(ctx)
	d.ask, d.cancel = func(q Question) (Answer, error) { return r.Decider.Decide(asking, q) }, cancel
	d.void = r.scheduleAs(q.Deadline, answers, d.order, func(ctx context.Context) error { return r.deadline(ctx, d) })
	r.talks = append(r.talks, d)
	r.put(d)
}

// put asks, once; dismiss or deadline wait for the answer.
func (r *run) put(d *deliberation) {
	q := d.q
	r.talking.Go(func() {
		a, err := d.ask(q)
		d.result <- verdict{a, err}
		r.poke()
	})
}

// poke ends the wait of the clock.
func (r *run) poke() {
	select {
	case r.woken <- struct{}{}:
	default: // it is woken already
	}
}

// take hears what people said and what the facilitator wants. What a recording
// brings back hears nobody: it was all said then.
func (r *run) take() error {
	if !r.live {
		return nil
	}
	for _, d := range slices.Clone(r.talks) {
		select {
		case v := <-d.result:
			if err := r.heard(d, v); err != nil {
				return err
			}
		default:
		}
	}
	for _, o := range r.Control.fresh() {
		r.obey(o)
	}
	return nil
}

// soon is the scenario time at which something that came just now takes effect.
func (r *run) soon() time.Duration {
	after := r.now.Truncate(time.Second) + time.Second
	clock := r.at.Truncate(time.Second)
	if clock < r.at {
		clock += time.Second
	}
	return max(after, clock)
}

// heard takes an answer, or puts the question again.
func (r *run) heard(d *deliberation, v verdict) error {
	if v.err != nil {
		return fmt.Errorf("asking %s for %q: %w", bodyName(d.q.Body), d.q.Decision.Name, v.err)
	}
	a, at := v.answer, r.soon()
	if a.Answered == "" {
		a.Answered = ByMembers
	}
	d.refusals = append(d.refusals, a.Refused...)
	if a.Silent || at >= d.q.Deadline {
		d.said, d.silence = true, a.silent()
		return nil
	}
	if d.q.Refused = refuse(d.q, a); d.q.Refused != "" {
		if d.refusals = append(d.refusals, d.q.Refused); len(d.refusals) >= maxTalk {
			d.said, d.silence = true, a.silent()
			return nil
		}
		r.put(d)
		return nil
	}
	d.said, *d.void = true, true
	r.arrived++
	r.scheduleAs(at, answers, d.order, func(ctx context.Context) error {
		r.arrived--
		return r.settle(ctx, d, a)
	})
	return nil
}

// deadline ends the talk of those who did not answer.
func (r *run) deadline(ctx context.Context, d *deliberation) error {
	d.cancel(ErrDeadline)
	if !d.said {
		r.clockStands()
		if v := <-d.result; v.err == nil {
			d.silence = v.answer.silent()
		}
	}
	return r.settle(ctx, d, d.silence)
}

func (r *run) settle(ctx context.Context, d *deliberation, a Answer) error {
	d.said = true
	d.cancel(nil)
	r.talks = slices.DeleteFunc(r.talks, func(o *deliberation) bool { return o == d })
	return r.decided(ctx, d.step, d.q, a, d.refusals)
}

// dismiss sends everybody home who is still asked, and waits until they have gone.
func (r *run) dismiss(cause error) {
	for _, d := range r.talks {
		d.cancel(errors.Join(errOver, cause))
	}
	r.talking.Wait()
}

// deliberating says whether the clock has somebody to wait for.
func (r *run) deliberating() bool {
	return slices.ContainsFunc(r.talks, func(d *deliberation) bool { return !d.said })
}
