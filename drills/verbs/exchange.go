package verbs

import (
	"cmp"
	"context"
	"slices"
	"time"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
)

// What can become of a command. The words stand in records: never change one.
const (
	outcomeDone     = "executed"            // the device's signed answer proves every cell
	outcomePartly   = "partly executed"     // it proves some of them
	outcomeRefused  = "refused by device"   // the device said no; the reason is its own
	outcomeBroker   = "refused by broker"   // no MAC, so it was never sent
	outcomeUnsigned = "not signed"          // the key may not or can no longer be used
	outcomeLost     = "not reached"         // nobody is there to answer
	outcomeOnItsWay = "on its way"          // the device is late
	outcomeUnheard  = "no answer"           // it reached the device, and no answer came
	outcomeUnproven = "answer not believed" // signature or content of the answer is wrong
	outcomeKept     = "kept for later"      // the device carries it out at its time
	outcomeCancels  = "cancelled"           // the device dropped what it kept
	outcomeHeld     = "in quarantine"       // above the party's threshold; the broker has it
	outcomeDeleted  = "deleted in quarantine"
)

// An exchange is one command and what came of it.
type exchange struct {
	attempt
	campaign *campaign
	plan     *plan
	slot     time.Duration // when it is sent
	counter  gbcs.OriginatorCounter
	octets   []byte // nil if it was never sent
	answer   []byte
	alert    bool // the answer is the alert of a command that was kept
	check    fleet.Check
	ref      string

	outcome, reason string
	because         string // the reason without what differs from device to device
	happened        time.Duration
	booked          bool // its octets are in a shard's root
	cells           map[gbcs.TrustAnchorCell]gbcs.StatusCode
	err             error
}

// window carries out all that is due up to a time, and journals one shard for
// each campaign to which something happened. The order of commands is that of
// slots, then campaigns, then devices; the work itself is done on all cores.
func (w *World) window(ctx context.Context, to time.Duration) error {
	if err := w.certifyKept(ctx); err != nil { // of a read-back
		return err
	}
	w.clock.set(max(to, w.clock.now()))
	var all []*exchange
	for _, c := range w.campaigns {
		for _, a := range c.due(to) {
			slot := min((a.at+slotSize-1)/slotSize*slotSize, to)
			all = append(all, &exchange{attempt: a, campaign: c, slot: slot})
		}
	}
	// Campaigns are in order already; the sort keeps it within a slot.
	slices.SortStableFunc(all, func(a, b *exchange) int { return cmp.Compare(a.slot, b.slot) })
	if len(all) == 0 && !w.fleetDue(to) {
		w.harm.until(w, to)
		return nil
	}
	if err := w.prepare(ctx, all); err != nil {
		return err
	}
	happened, err := w.deliver(ctx, all, to)
	if err != nil {
		return err
	}
	w.changed()
	w.believe(happened)
	if err := w.account(to, all, happened); err != nil {
		return err
	}
	if err := w.certifyKept(ctx); err != nil {
		return err
	}
	w.counters.see(w, happened)
	w.harm.until(w, to)
	return nil
}
