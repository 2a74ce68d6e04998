package engine

import (
	"container/heap"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// run is a drill while it runs. One goroutine owns it.
type run struct {
	Config
	now     time.Duration // of the last thing that happened
	at      time.Duration // where the clock stands; never before now
	queue   queue
	order   int // of the next entry of the queue
	asked   map[string]*asked
	chosen  scenario.Chosen
	lines   []*line // of the timeline, in its order
	duties  map[string][]*duty
	out     journal.Outcome
	pending *Question       // put to somebody whom the clock waits for, and not yet answered
	talks   []*deliberation // put to people who talk while the clock goes on
	talking sync.WaitGroup
	woken   chan struct{} // something is there for take
	live    bool          // what the recording brings back is past
	arrived int           // answers and orders in the queue that came while the clock ran
	paused  bool          // and the record says so
	// pausedFor is why the recorded run was paused, where it was.
	pausedFor string
	pauseAt   time.Duration // of the last entry that says that the run is held or goes on

	recordErr error // the journal cannot be written: the run is void
}

// entry is something due at a scenario time.
type entry struct {
	at    time.Duration
	class class
	order int
	do    func(context.Context) error
	void  *bool // set: the entry means nothing any more
}

// class orders what is due at one time: what a facilitator wants comes first, an
// answer before what may have waited for it, and a limit after everything that
// could still meet it.
type class uint8

const (
	steers class = iota + 1
	answers
	happens
	limits
)

type queue []entry

func (q queue) Len() int { return len(q) }
func (q queue) Less(a, b int) bool {
	switch {
	case q[a].at != q[b].at:
		return q[a].at < q[b].at
	case q[a].class != q[b].class:
		return q[a].class < q[b].class
	}
	return q[a].order < q[b].order
}
func (q queue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q *queue) Push(x any)   { *q = append(*q, x.(entry)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// schedule puts something into the queue behind what is there for that time.
func (r *run) schedule(at time.Duration, c class, do func(context.Context) error) {
	r.order++
	r.scheduleAs(at, c, r.order, do)
}

func (r *run) scheduleAs(at time.Duration, c class, order int, do func(context.Context) error) (void *bool) {
	void = new(bool)
	heap.Push(&r.queue, entry{at: max(at, r.now), class: c, order: order, do: do, void: void})
	return void
}

// atRest is how long, in scenario time, a World may go on by itself in a scenario
// that does not say when it ends.
const atRest = 60 * 24 * time.Hour

// clock plays the timeline: the earliest thing next, the World's own events
// before what is written for the same time, conditions asked after each. What
// people say while it waits is put into the queue for the next whole second, after
// everything that was played: so it stands where a run that knows it beforehand
// finds it too.
func (r *run) clock(ctx context.Context) error {
	end := r.Scenario.Ends
	if end == 0 {
		end = atRest
	}
	for {
		if err := r.hold(ctx); err != nil {
			return err
		}
		if err := r.take(); err != nil {
			return err
		}
		for len(r.queue) > 0 && *r.queue[0].void {
			heap.Pop(&r.queue) // what came true in time keeps no drill going until its limit
		}
		next, world := r.World.Next()
		if len(r.queue) > 0 && (!world || r.queue[0].at < next) {
			next, world = r.queue[0].at, false
		} else if !world {
			return nil
		}
		next = max(next, r.now)
		ends := next >= end
		if ends && r.Scenario.Ends == 0 {
			return fmt.Errorf("the world did not come to rest within %s of scenario time: let the scenario say when it \"ends\"", scenario.FormatTime(end))
		}
		if there, err := r.pace(ctx, min(next, end)); err != nil {
			return err
		} else if !there {
			continue
		}
		if ends {
			return r.cut(ctx, end)
		}
		r.now = next
		if err := r.World.Advance(ctx, next); err != nil {
			return fmt.Errorf("at %s: %w", scenario.FormatTime(next), err)
		}
		if after, more := r.World.Next(); more && after <= next {
			return fmt.Errorf("at %s: engine: internal error: the world was advanced to this time and still has something due at %s",
				scenario.FormatTime(next), scenario.FormatTime(after))
		}
		if !world {
			e := heap.Pop(&r.queue).(entry)
			if err := e.do(ctx); err != nil {
				return err
			}
		}
		if err := r.conditions(ctx); err != nil {
			return err
		}
	}
}

// cut ends a drill whose time is up.
func (r *run) cut(ctx context.Context, end time.Duration) error {
	r.now = end
	if err := r.World.Advance(ctx, end); err != nil {
		return fmt.Errorf("at %s: %w", scenario.FormatTime(end), err)
	}
	return r.conditions(ctx)
}

// load puts the timeline into the queue, in the order of the scenario, and behind it
// what the facilitator of the recorded run did.
func (r *run) load() {
	for i := range r.Scenario.Timeline {
		item := &r.Scenario.Timeline[i]
		r.order++
		l := &line{item: item, order: r.order, state: StateWaiting}
		r.lines = append(r.lines, l)
		if item.When == nil {
			r.place(l, item.At)
			continue
		}
		l.void = r.scheduleAs(item.By, limits, l.order, func(ctx context.Context) error { return r.limit(ctx, l) })
	}
	for _, s := range r.Recording.steered() {
		r.schedule(s.at, steers, func(ctx context.Context) error { return r.steer(ctx, s.Steer) })
	}
}

// names are the values that conditions see.
func (r *run) names() map[string]any {
	names := r.World.Names()
	out := make(map[string]any, len(names)+3)
	for k, v := range names {
		out[k] = v
	}
	out["now"], out["elapsed"], out["chosen"] = r.Epoch.Add(r.now), r.now, r.chosen
	return out
}

// write puts an entry into the record. Once that fails nothing else may happen.
func (r *run) write(at time.Duration, kind journal.Kind, body any) (int64, error) {
	seq, _, err := r.Journal.Append(kind, at, body)
	if err != nil {
		r.recordErr = fmt.Errorf("the record cannot be written, so the drill is void: %w", err)
		return 0, r.recordErr
	}
	return seq, nil
}

// tell writes an entry and shows it.
func (r *run) tell(ctx context.Context, kind journal.Kind, body any) error {
	_, err := r.tellSeq(ctx, kind, body)
	return err
}

func (r *run) tellSeq(ctx context.Context, kind journal.Kind, body any) (int64, error) {
	return r.tellAt(ctx, r.now, kind, body)
}

func (r *run) tellAt(ctx context.Context, at time.Duration, kind journal.Kind, body any) (int64, error) {
	seq, err := r.write(at, kind, body)
	if err != nil {
		return 0, err
	}
	return seq, r.show(ctx, at, kind, seq, body)
}

func (r *run) show(ctx context.Context, at time.Duration, kind journal.Kind, seq int64, body any) error {
	if r.Presenter == nil {
		return nil
	}
	m := Moment{Kind: kind, At: at, Seq: seq, Body: body}
	switch kind {
	case journal.KindStart, journal.KindDecision, journal.KindOutcome:
		m.Words = r.Journal.Words()
	}
	if err := r.Presenter.Present(ctx, m); err != nil {
		return fmt.Errorf("showing %s: %w", kind, err)
	}
	return nil
}

func (r *run) skip(ctx context.Context, step, what, why string) error {
	r.out.Skipped++
	return r.tell(ctx, journal.KindSkip, journal.Skip{Step: step, What: what, Why: why})
}

// ruledOut tells of an entry that was for another course of events. It is no
// step that anybody left out, so it is not counted.
func (r *run) ruledOut(ctx context.Context, l *line, why string) error {
	l.state, *l.void = StateRuledOut, true
	return r.tell(ctx, journal.KindSkip, journal.Skip{Step: l.item.Step, What: l.item.String(), Why: why, RuledOut: true})
}

func (r *run) missed(ctx context.Context, m journal.Missed) error {
	r.out.Missed++
	return r.tell(ctx, journal.KindMissed, m)
}

// leftOver tells what never came up, in the order of the scenario: entries that
// waited for a decision which was not taken or were held, questions that were still
// open when the drill ended, and duties that nobody did.
func (r *run) leftOver(ctx context.Context) error {
	for _, l := range r.lines {
		why := ""
		switch l.state {
		case StateDeciding:
			why = "it waited for the decision " + strings.Join(r.unsettled(l.item), ", ") + ", which was not taken"
		case StateHeld:
			why = "it was held, and not released before the drill ended"
		default:
			continue
		}
		l.state = StateSkipped
		if err := r.skip(ctx, l.item.Step, l.item.String(), why); err != nil {
			return err
		}
	}
	for _, d := range r.Scenario.Decisions {
		if a := r.asked[d.Name]; a.times == 0 || a.settled {
			continue
		}
		if err := r.skip(ctx, d.Name, "decide "+d.Name, "the drill ended before there was a final answer"); err != nil {
			return err
		}
	}
	return r.untold(ctx)
}
