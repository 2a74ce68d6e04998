package verbs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"smki.example/drills/gbcs"
)

const (
	// attempts is how often a command is tried on one device before a person has
	// to think about it.
	attempts = 3
	// AgainAfter is how long a sender waits before it tries a device once more.
	AgainAfter = 30 * time.Minute
	// windowSize is the stretch of scenario time that one shard tells of.
	windowSize = 10 * time.Minute
	// slotSize is how finely commands are spread over time: those of one slot reach
	// the devices at its end.
	slotSize = time.Minute
)

// A campaign sends one command to each of many devices, at the estate's rate, and
// keeps account of every answer. It is the way in which all methods, a handover, a
// change of supplier and an attack reach the estate; they differ in who signs, in
// which mode, and in what is put into which cells.
type campaign struct {
	name   string
	method string // as the scenario calls it
	party  *party // originator: its identifier and counter
	about  *party // whose keys it replaces
	mode   gbcs.ReplacementMode
	// put is what a device is to hold afterwards; the cells that it has not are left
	// out. Devices with the same filling must get the same map's contents.
	put func(device int) filling
	// path replaces the certificates that lead to the root; nil: those of the issuers.
	path [][]byte
	// signer is the credential whose key signs for a device; nil where the command
	// has a MAC only or the key is guarded.
	signer func(device int) *credential
	// seal is the key of the MAC if it is not the broker's: an intruder's copy.
	seal *credential
	// guard is the key that only a decision opens and that signs; empty: another.
	guard string
	// floors fills what the command says about counters.
	floors func(u *gbcs.UpdateSecurityCredentials)
	// executeAt makes devices keep the command until then; nil: now.
	executeAt *time.Time
	// scope is asked for the devices anew when a campaign that waited begins.
	scope func() []int
	// symmetricKey goes with a contingency command: the campaign's alone.
	symmetricKey []byte
	final        bool // the party's own keys go in, and not a placeholder's
	// cancels marks a campaign that has devices drop what they keep.
	cancels bool
	rate    float64
	// An intruder signs in the party's name and counts for himself.
	attack  bool
	counter gbcs.OriginatorCounter
	plans   map[planKey]*plan

	waits       bool // for the Recovery key
	devices     []int
	queue       []attempt // by time, then device
	outstanding int       // on their way to late devices
	began       time.Duration
	ended       time.Duration
	shards      int
	sent        int
	totals      map[string]int  // outcomes; each device once, by its last exchange
	last        outcomes        // by device
	recoveredAt []time.Duration // when the answer proved it, in order
}

// An attempt is a command that is due.
type attempt struct {
	at     time.Duration
	device int
	try    int // 1 for the first
	// released is set on a command that comes out of quarantine; it has its counter.
	released bool
	waited   int // how often its token did not answer
	counter  gbcs.OriginatorCounter
}

// An outcome is what became of the last command to a device. They are words of
// the record: see exchange.go.
type outcome struct {
	word, reason string
	because      string // the reason without what differs from device to device
	at           time.Duration
	tries        int
	code         string // the last response code: of the cells, or of an alert
}

// begin spreads the campaign's first attempts over time.
func (c *campaign) begin(at time.Duration) {
	c.waits, c.began = false, at
	step := float64(time.Hour) / c.rate
	for k, device := range c.devices {
		c.queue = append(c.queue, attempt{at: at + time.Duration(float64(k+1)*step), device: device, try: 1})
	}
}

// due takes the attempts that are due up to a time.
func (c *campaign) due(to time.Duration) []attempt {
	if c.waits {
		return nil
	}
	n, _ := slices.BinarySearchFunc(c.queue, to, func(a attempt, to time.Duration) int {
		if a.at <= to {
			return -1
		}
		return 1
	})
	taken := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	return taken
}

// again puts a device back into the queue, if it has a try left.
func (c *campaign) again(a attempt) bool {
	if a.try >= attempts {
		return false
	}
	next := attempt{at: a.at + AgainAfter, device: a.device, try: a.try + 1}
	c.insert(next)
	return true
}

// insert puts an attempt into the queue at its place.
func (c *campaign) insert(next attempt) {
	i, _ := slices.BinarySearchFunc(c.queue, next, func(have, want attempt) int {
		if have.at < want.at || have.at == want.at && have.device < want.device {
			return -1
		}
		return 1
	})
	c.queue = slices.Insert(c.queue, i, next)
}

// take takes the next counter for a command.
func (c *campaign) take() gbcs.OriginatorCounter {
	if c.attack {
		c.counter++
		return c.counter
	}
	return c.party.next()
}

// running reports whether anything is still to come.
func (c *campaign) running() bool { return c.waits || len(c.queue) > 0 || c.outstanding > 0 }

// next is when the campaign has something to do.
func (c *campaign) next() (time.Duration, bool) {
	if c.waits || len(c.queue) == 0 {
		return 0, false
	}
	return c.queue[0].at, true
}

// note keeps what became of a device's command and moves the totals.
func (c *campaign) note(x *exchange, at time.Duration) {
	if before, seen := c.last.get(x.device); seen {
		c.totals[before.word]--
		if c.totals[before.word] == 0 {
			delete(c.totals, before.word)
		}
	}
	c.last.set(x.device, outcome{x.outcome, x.reason, x.because, at, x.try, x.code()})
	c.totals[x.outcome]++
	c.ended = at
}

// launch adds a campaign to the world and, unless it has to wait, begins it.
func (w *World) launch(at time.Duration, c *campaign) {
	c.totals = map[string]int{}
	if c.devices == nil && c.scope != nil {
		c.devices = c.scope()
	}
	c.name = fmt.Sprintf("%d %s", len(w.campaigns)+1, c.name)
	w.campaigns = append(w.campaigns, c)
	if !c.waits {
		c.begin(at)
	}
}

// wakeCampaigns begins those that waited for a guarded key.
func (w *World) wakeCampaigns(at time.Duration, guard string) {
	for _, c := range w.campaigns {
		if c.waits && c.guard == guard {
			c.devices = c.scope()
			c.begin(at)
		}
	}
}

// Next is when the world does something by itself: at the end of the window in
// which a command is due or reaches a late device, or when somebody arrives.
func (w *World) Next() (time.Duration, bool) {
	var earliest time.Duration
	found := false
	consider := func(at time.Duration) {
		if !found || at < earliest {
			earliest, found = at, true
		}
	}
	for _, c := range w.campaigns {
		if at, ok := c.next(); ok {
			consider(windowEnd(at))
		}
	}
	if at, ok := w.fleet.Next(); ok {
		consider(windowEnd(at.Sub(w.clock.epoch)))
	}
	for _, p := range w.pending {
		consider(p.at)
	}
	return earliest, found
}

// windowEnd is the end of the window that a time is in.
func windowEnd(at time.Duration) time.Duration {
	return (at + windowSize - 1) / windowSize * windowSize
}

// Advance carries out everything up to a time, window by window.
func (w *World) Advance(ctx context.Context, to time.Duration) error {
	if err := w.begin(); err != nil {
		return err
	}
	for {
		at, ok := w.Next()
		if !ok || at > to {
			break
		}
		if err := w.window(ctx, at); err != nil {
			return err
		}
		if err := w.actPending(ctx, at); err != nil {
			return err
		}
	}
	return w.window(ctx, to)
}

// actPending does what the world has to do by itself at a time, in the order in
// which it was arranged.
func (w *World) actPending(ctx context.Context, at time.Duration) error {
	for {
		i := slices.IndexFunc(w.pending, func(p pendingAct) bool { return p.at <= at })
		if i < 0 {
			return nil
		}
		p := w.pending[i]
		w.pending = slices.Delete(w.pending, i, i+1)
		if err := p.do(ctx, at); err != nil {
			return err
		}
	}
}
