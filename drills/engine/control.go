package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"smki.example/drills/scenario"
)

// Control steers one run from outside, as a facilitator does. The zero value is
// ready. Methods may be called concurrently, at any time, also from a Presenter;
// none waits for the run. A method that returns an error did nothing, and its text
// is for the person who asked.
type Control struct {
	mu      sync.Mutex
	resumed chan struct{} // nil: the run goes on; else closed by Resume
	why     string        // it is paused
	by      string        // it was resumed
	speed   *float64      // set by SetSpeed and not yet heard of by the run
	next    bool          // Next was called
	orders  []order       // not yet carried out, oldest first
	number  int           // of the last order
	wake    func()        // ends the run's wait

	// What the run last said of itself.
	reading Reading
	busy    bool          // since reading.Wall it carries something out
	limit   time.Duration // the clock does not pass this before the run says more
	now     func() time.Time
	sheet   []Due
	duties  map[string]int // by step: told by nobody yet
	playing bool
	over    bool
}

// A Reading is the scenario clock at one moment. While Runs, scenario time is At
// plus Speed times the wall time since Wall.
type Reading struct {
	At     time.Duration
	Speed  float64 // scenario time over wall time; 0: as fast as it goes
	Paused bool
	Why    string // it is paused
	Wall   time.Time
	Runs   bool // scenario time passes: it does not while people are waited for, or something takes long to carry out
}

// Steering is what can be done with something that players are to be told. The
// values stand in records.
type Steering string

// The ways of steering.
const (
	SteerHold    Steering = "hold"    // it waits until it is released
	SteerRelease Steering = "release" // it is told when its time comes, or at once if that has passed
	SteerSkip    Steering = "skip"    // it is never told
	SteerEarly   Steering = "early"   // it is told now
)

// A State is what became of an entry of the timeline.
type State string

// The states of an entry.
const (
	StateWaiting  State = "waiting"      // for its time or its condition
	StateDeciding State = "for decision" // its time has come, and it looks at a decision that is not taken
	StateHeld     State = "held"
	StateDone     State = "done"
	StateSkipped  State = "skipped"   // by the facilitator, or it never came up
	StateRuledOut State = "ruled out" // it was for another course of events
	StateMissed   State = "missed"
)

// Due is a line of the run sheet: an entry of the timeline and what became of it.
type Due struct {
	Step  string
	At    time.Duration // when it is due; of one with a condition the limit
	When  string        // its condition; empty: At holds
	Kind  string        // inject, decide, notify or do
	What  string
	Item  *scenario.Item // read only
	State State
	May   []Steering // what can be done with it now
}

// Pause stops the clock and holds the run before its next step. The record says
// when and why; a second Pause changes nothing.
func (c *Control) Pause(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed != nil {
		return
	}
	c.resumed, c.why = make(chan struct{}), why
	c.wakeLocked()
}

// Resume lets a run go on that was paused; else it does nothing.
func (c *Control) Resume(why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumed != nil {
		c.by = why
		close(c.resumed)
		c.resumed = nil
	}
}

// SetSpeed says how fast scenario time passes from now on: x of it in the same
// wall time. It takes the place of Config.Speed.
func (c *Control) SetSpeed(x float64) error {
	if err := checkSpeed(x); err != nil || x == 0 {
		return errors.Join(err, fmt.Errorf("the speed %g is no pace: give a number above 0, such as 1 for real time or 60 for an hour a minute", x))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.speed = &x
	c.wakeLocked()
	return nil
}

// Next goes to the next thing that is due without waiting for its time: to the
// deadline of an open question, if nothing else is due before. A run that is paused
// must be resumed first.
func (c *Control) Next() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.playing || c.over:
		return c.notPlayingLocked()
	case c.resumed != nil:
		return errors.New("the drill is paused: resume it first")
	}
	c.next = true
	c.wakeLocked()
	return nil
}

// Hold keeps something that players are to be told until it is released. Only an
// inject with a time can be steered; Due.May says which and how. What was steered
// stands in the record with the scenario time at which it took effect, which is the
// next whole second; something that was told meanwhile stays told, and the record
// says that too. Why may be empty.
func (c *Control) Hold(step, by, why string) error { return c.steer(SteerHold, step, by, why) }

// Release lets something be told that was held.
func (c *Control) Release(step, by, why string) error { return c.steer(SteerRelease, step, by, why) }

// Skip takes something out that players were to be told.
func (c *Control) Skip(step, by, why string) error { return c.steer(SteerSkip, step, by, why) }

// Early lets players be told now what they were to be told later.
func (c *Control) Early(step, by, why string) error { return c.steer(SteerEarly, step, by, why) }

// Told says that a duty to tell somebody is done, where a [Duties] leaves the
// telling to people. Step is that of its notify entry.
func (c *Control) Told(step, by string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.duties[step]
	for _, o := range c.orders {
		if o.told && o.step == step {
			open--
		}
	}
	switch {
	case !c.playing || c.over:
		return c.notPlayingLocked()
	case open <= 0:
		return fmt.Errorf("nobody is waiting to be told under step %q: it is done, or not yet due", step)
	}
	c.orderLocked(order{told: true, step: step, by: by})
	return nil
}

// Clock reads the scenario clock. Before a run begins it stands at zero.
func (c *Control) Clock() Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.reading
	if c.now != nil {
		wall := c.now()
		if r.Runs = c.runsLocked(); r.Runs && !c.busy {
			r.At = min(r.At+scaled(wall.Sub(r.Wall), r.Speed), c.limit)
		}
		r.Wall = wall
	}
	if c.resumed != nil {
		r.Paused, r.Why, r.Runs = true, c.why, false
	}
	return r
}

// briefly is how long something may take to carry out before the clock is said to
// stand: a page that counts by itself need not stop for each inject.
const briefly = 2 * time.Second

func (c *Control) runsLocked() bool {
	return c.reading.Runs && (!c.busy || c.now().Sub(c.reading.Wall) < briefly)
}

// Ahead is the run sheet: every entry of the timeline, in its order, what became of
// it and what can be done with it. Steering that is not yet carried out counts as
// done. It is empty before a run begins, and a copy.
func (c *Control) Ahead() []Due {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aheadLocked()
}

func (c *Control) aheadLocked() []Due {
	out := slices.Clone(c.sheet)
	for i := range out {
		d := &out[i]
		for _, o := range c.orders {
			if !o.told && o.step == d.Step && slices.Contains(d.May, o.did) {
				d.State, d.May = after(o.did, d.May)
			}
		}
		if c.over {
			d.May = nil
		}
	}
	return out
}

// after is what becomes of something that is steered, and what can be done then.
func after(did Steering, may []Steering) (State, []Steering) {
	switch did {
	case SteerHold:
		return StateHeld, []Steering{SteerRelease, SteerSkip, SteerEarly}
	case SteerRelease:
		return StateWaiting, []Steering{SteerHold, SteerSkip, SteerEarly}
	case SteerSkip:
		return StateSkipped, nil
	default:
		return StateDone, nil
	}
}

func (c *Control) steer(did Steering, step, by, why string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.playing || c.over {
		return c.notPlayingLocked()
	}
	ahead := c.aheadLocked()
	i := slices.IndexFunc(ahead, func(d Due) bool { return d.Step == step })
	if i < 0 {
		return fmt.Errorf("there is no step %q on the run sheet", step)
	}
	if !slices.Contains(ahead[i].May, did) {
		return cannot(did, ahead[i])
	}
	c.orderLocked(order{did: did, step: step, by: by, why: why})
	return nil
}

// cannot says why something cannot be steered in that way, in words for whoever
// asked and for the record.
func cannot(did Steering, d Due) error {
	switch {
	case d.Kind != "inject":
		return fmt.Errorf("step %s is no inject: only what players are told can be steered", d.Step)
	case d.When != "":
		return fmt.Errorf("step %s waits for a condition, not for a time, and cannot be steered", d.Step)
	case d.State == StateHeld:
		return fmt.Errorf("step %s is held already", d.Step)
	case d.State == StateWaiting, d.State == StateDeciding:
		return fmt.Errorf("step %s cannot be steered with %q: it is %s", d.Step, did, map[State]string{StateWaiting: "not held", StateDeciding: "due, and waits for a decision"}[d.State])
	}
	return fmt.Errorf("step %s cannot be steered with %q: it is %s", d.Step, did, d.State)
}

// An order is something that a person wants of the run, until it is carried out.
type order struct {
	number        int
	heard         bool // it is in the run's queue
	told          bool // a duty is done; else did says what is steered
	did           Steering
	step, by, why string
}

func (c *Control) orderLocked(o order) {
	c.number++
	o.number = c.number
	c.orders = append(c.orders, o)
	c.wakeLocked()
}

func (c *Control) notPlayingLocked() error {
	if c.over {
		return errors.New("the drill is over")
	}
	return errors.New("the drill has not begun")
}

func (c *Control) wakeLocked() {
	if c.wake != nil {
		c.wake()
	}
}

func scaled(d time.Duration, by float64) time.Duration { return time.Duration(float64(d) * by) }

func checkSpeed(x float64) error {
	if x >= 0 && x <= 1e9 {
		return nil
	}
	return fmt.Errorf("the speed is %g: use 0 for as fast as it goes, or more", x)
}
