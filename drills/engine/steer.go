package engine

import (
	"context"
	"slices"
	"time"

	"smki.example/drills/journal"
)

// obey puts what the facilitator wants into the queue.
func (r *run) obey(o order) {
	at := r.soon()
	if o.told {
		r.toldBy(o, at)
		return
	}
	r.arrived++
	r.schedule(at, steers, func(ctx context.Context) error {
		r.arrived--
		err := r.steer(ctx, journal.Steer{By: o.by, Step: o.step, Did: string(o.did), Why: o.why})
		r.Control.carriedOut(r, o)
		return err
	})
}

// steer writes down what the facilitator did with an entry of the timeline, and does
// it. What came too late is written down as well.
func (r *run) steer(ctx context.Context, s journal.Steer) error {
	i := slices.IndexFunc(r.lines, func(l *line) bool { return l.item.Step == s.Step })
	if i < 0 {
		return nil // of another scenario than this one, by a recording that is not its
	}
	l := r.lines[i]
	s.Refused = ""
	if d := l.due(); !slices.Contains(d.May, Steering(s.Did)) {
		s.Refused = cannot(Steering(s.Did), d).Error()
	}
	if err := r.tell(ctx, journal.KindSteer, s); err != nil || s.Refused != "" {
		return err
	}
	r.takeOut(l)
	switch Steering(s.Did) {
	case SteerHold:
		l.state = StateHeld
	case SteerSkip:
		l.state = StateSkipped
		why := "taken out by " + s.By
		if s.Why != "" {
			why += ": " + s.Why
		}
		return r.skip(ctx, s.Step, l.item.String(), why)
	case SteerRelease:
		if l.item.At > r.now {
			r.place(l, l.item.At)
			return nil
		}
		return r.happen(ctx, l)
	case SteerEarly:
		return r.happen(ctx, l)
	}
	return nil
}

// takeOut takes a line out of the queue, and from behind the decision that it waits
// for.
func (r *run) takeOut(l *line) {
	*l.void = true
	for _, a := range r.asked {
		a.waiting = slices.DeleteFunc(a.waiting, func(w *line) bool { return w == l })
	}
}

// due is the line as the run sheet has it.
func (l *line) due() Due {
	i := l.item
	d := Due{Step: i.Step, At: i.At, What: i.String(), Item: i, Kind: i.Word(), State: l.state}
	if i.When != nil {
		d.At, d.When = i.By, i.When.Source
	}
	if d.Kind != "inject" || d.When != "" {
		return d
	}
	switch l.state {
	case StateWaiting:
		d.May = []Steering{SteerHold, SteerSkip, SteerEarly}
	case StateDeciding:
		d.May = []Steering{SteerHold, SteerSkip}
	case StateHeld:
		d.May = []Steering{SteerRelease, SteerSkip, SteerEarly}
	}
	return d
}

// sheet is the run sheet as it stands, with the duties that are open.
func (r *run) sheet() (lines []Due, duties map[string]int) {
	for _, l := range r.lines {
		lines = append(lines, l.due())
	}
	duties = map[string]int{}
	for step, list := range r.duties {
		for _, d := range list {
			if !d.told {
				duties[step]++
			}
		}
	}
	return lines, duties
}

// begin ties a Control to its run.
func (c *Control) begin(r *run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.playing, c.over, c.orders, c.next = true, false, nil, false
	c.now, c.wake = r.Now, r.poke
	c.reading = Reading{Speed: r.Speed, Wall: r.Now()}
	c.sheet, c.duties = r.sheet()
}

// end says that nothing can be done with the run any more.
func (c *Control) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over, c.wake = true, nil
	c.reading.Runs = false
}

// paused returns a channel that closes on Resume, or nil.
func (c *Control) paused() (<-chan struct{}, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resumed, c.why
}

func (c *Control) resumedBy() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.by
}

// fresh returns the orders that the run has not heard of.
func (c *Control) fresh() []order {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []order
	for i := range c.orders {
		if !c.orders[i].heard {
			c.orders[i].heard = true
			out = append(out, c.orders[i])
		}
	}
	return out
}

// carriedOut forgets an order, whose traces are in what the run says of itself.
func (c *Control) carriedOut(r *run, o order) {
	lines, duties := r.sheet()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = slices.DeleteFunc(c.orders, func(x order) bool { return x.number == o.number })
	c.sheet, c.duties = lines, duties
}

// showSheet lets people see what has become of the timeline.
func (r *run) showSheet() {
	lines, duties := r.sheet()
	r.Control.mu.Lock()
	defer r.Control.mu.Unlock()
	r.Control.sheet, r.Control.duties = lines, duties
}

// pace returns the speed, and whether the run goes to what is due next at once.
func (c *Control) pace(speed *float64) (now float64, jump bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.speed != nil {
		*speed, c.speed = *c.speed, nil
	}
	return *speed, c.next
}

// jumped says that the run has come to what was due next.
func (c *Control) jumped() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = false
}

// say tells where the clock is. It returns whether that is news to somebody who
// counts by itself since the last reading.
func (c *Control) say(r Reading, busy bool, limit time.Duration) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	news = r.Runs != c.runsLocked() || r.Speed != c.reading.Speed
	r.Wall = c.now()
	c.reading, c.busy, c.limit = r, busy, limit
	return news
}
