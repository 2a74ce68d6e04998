package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	void  *bool // its limit means nothing any more; nil: it has none
	told  bool
}

// notify writes a duty down and schedules what comes of it: who was told, and that
// nobody was in time.
func (r *run) notify(ctx context.Context, step string, n *scenario.Notify) error {
	d := &duty{body: journal.Notify{Step: step, Whom: n.Whom, From: n.From, Procedure: n.Step, Phase: "due"}}
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
		d.void = r.scheduleAs(r.now+n.Within, limits, r.order, func(ctx context.Context) error {
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
		r.tellDuty(d, n.Within, r.now, r.now+after, by, func() {})
	}
	return nil
}

// tellDuty schedules that somebody is told.
func (r *run) tellDuty(d *duty, within, asked, at time.Duration, by string, done func()) {
	d.told = true
	inTime := within == 0 || at-asked <= within
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
	d := r.duties[o.step][i]
	within := time.Duration(0)
	if d.body.Due != "" {
		due, _ := scenario.ParseTime(d.body.Due)
		within = max(due, time.Nanosecond)
	}
	r.arrived++
	r.tellDuty(d, within, 0, at, o.by, func() {
		r.arrived--
		r.Control.carriedOut(r, o)
	})
}

// untold tells of the duties without a limit that nobody did, in the order of their
// steps. Those with one are told when it passes.
func (r *run) untold(ctx context.Context) error {
	steps := make([]string, 0, len(r.duties))
	for step := range r.duties {
		steps = append(steps, step)
	}
	slices.SortFunc(steps, strings.Compare)
	for _, step := range steps {
		for _, d := range r.duties[step] {
			if d.told || d.void != nil {
				continue
			}
			if err := r.skip(ctx, step, "notify "+d.body.Whom, "nobody was told"); err != nil {
				return err
			}
		}
	}
	return nil
}
