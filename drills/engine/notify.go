package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"smki.example/drills/journal"
	"smki.example/drills/scenario"
)

// Teller is implemented by a Presenter where people do the telling themselves.
// Tell returns how long it took in scenario time, or false if nobody was told.
type Teller interface {
	Tell(ctx context.Context, n journal.Notify) (after time.Duration, told bool, err error)
}

// Duties is implemented by a Presenter where people tell in their own time, while
// the clock goes on. A duty for which Waits is true is done when [Control.Told] says
// so, and not before. It takes the place of a Teller.
type Duties interface {
	Waits(n journal.Notify) bool
}

// duty is somebody whom somebody must tell.
type duty struct {
	body  journal.Notify
	order int
	limit time.Duration // by when it must be done, if void is set
	void  *bool         // the limit means nothing any more; nil: it has none
	told  bool
}

// notify writes a duty down and schedules what comes of it: who was told, and that
// nobody was in time.
func (r *run) notify(ctx context.Context, step string, n *scenario.Notify) error {
	d := &duty{limit: r.now + n.Within, body: journal.Notify{Step: step, Whom: n.Whom, From: n.From, Procedure: n.Step, Phase: "due"}}
	if n.Within > 0 {
		d.body.Due = scenario.FormatTime(r.now + n.Within)
	}
	after, told, by, known := r.Recording.told(step, len(r.duties[step]))
	r.duties[step] = append(r.duties[step], d)
	d.told = told
	r.showSheet() // before anybody hears of it and does it
	if err := r.tell(ctx, journal.KindNotify, d.body); err != nil {
		return err
	}
	r.order += 2
	d.order = r.order - 1
	if n.Within > 0 {
		d.void = r.scheduleAs(d.limit, limits, r.order, func(ctx context.Context) error {
			return r.missed(ctx, journal.Missed{Step: step, What: "notify " + n.Whom, By: d.body.Due, Why: n.Whom + " was not told in time"})
		})
	}
	if !known {
		if w, can := r.Presenter.(Duties); can && w.Waits(d.body) {
			return nil
		}
		after, told = n.Takes, true
		if t, can := r.Presenter.(Teller); can {
			var err error
			if after, told, err = t.Tell(ctx, d.body); err != nil {
				return fmt.Errorf("telling %s: %w", n.Whom, err)
			}
		}
	}
	if told {
		r.tellDuty(d, r.now+after, by, func() {})
	}
	return nil
}

// tellDuty schedules that somebody is told.
func (r *run) tellDuty(d *duty, at time.Duration, by string, done func()) {
	d.told = true
	inTime := d.void == nil || at <= d.limit
	if inTime && d.void != nil {
		*d.void = true
	}
	r.scheduleAs(at, answers, d.order, func(ctx context.Context) error {
		d.body.Phase, d.body.Told, d.body.Met, d.body.By = "told", scenario.FormatTime(r.now), inTime, by
		done()
		return r.tell(ctx, journal.KindNotify, d.body)
	})
}

// toldBy hears that the oldest open duty of a step is done.
func (r *run) toldBy(o order, at time.Duration) {
	i := slices.IndexFunc(r.duties[o.step], func(d *duty) bool { return !d.told })
	if i < 0 {
		r.Control.carriedOut(r, o)
		return
	}
	r.arrived++
	r.tellDuty(r.duties[o.step][i], at, o.by, func() {
		r.arrived--
		r.Control.carriedOut(r, o)
	})
}

// untold tells of the duties that nobody did, in the order in which they fell due. Of
// one whose limit has passed the record has told that it was missed.
func (r *run) untold(ctx context.Context) error {
	type owed struct {
		step string
		*duty
	}
	var all []owed
	for step, list := range r.duties {
		for _, d := range list {
			if !d.told && (d.void == nil || d.limit > r.now) {
				all = append(all, owed{step, d})
			}
		}
	}
	slices.SortFunc(all, func(a, b owed) int { return a.order - b.order })
	for _, d := range all {
		if err := r.skip(ctx, d.step, "notify "+d.body.Whom, "nobody was told before the drill ended"); err != nil {
			return err
		}
	}
	return nil
}
