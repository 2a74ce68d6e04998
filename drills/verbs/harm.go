package verbs

import (
	"time"

	"smki.example/drills/fleet"
	"smki.example/policy"
)

// topUpEvery is how often a customer who pays in advance tops up; sample data.
const topUpEvery = 96 * time.Hour

// harm adds up what the course of a drill costs customers: for how long devices
// were out of their supplier's hands, and what prepayment customers could not do
// meanwhile. It counts in the devices' own state, not in what anybody knew.
type harm struct {
	since    time.Duration
	out      time.Duration // device time out of the supplier's hands
	prepaid  time.Duration // the same for devices on prepayment
	held     time.Duration // time for which the supplier's traffic was held
	heldAll  time.Duration // the same, times the devices that only the hold kept from the supplier
	heldWith time.Duration // the same for devices on prepayment
	peak     int           // most devices out of the supplier's hands at once
	peakAt   time.Duration
}

// until books what has passed since the last call, with the estate as it is now.
func (h *harm) until(w *World, to time.Duration) {
	span := to - h.since
	if span <= 0 {
		return
	}
	h.since = to
	out, prepaid, kept, keptPrepaid := 0, 0, 0, 0
	homes := w.scope.homes[policy.RoleSupplier]
	rows := w.rows()
	for i := range rows {
		r, p := &rows[i], homes[i]
		switch {
		case p == nil:
		case !w.inHands(p, r):
			out++
			if r.Prepayment {
				prepaid++
			}
		case p.frozen:
			kept++
			if r.Prepayment {
				keptPrepaid++
			}
		}
	}
	if out > h.peak {
		h.peak, h.peakAt = out, to
	}
	h.out += span * time.Duration(out)
	h.prepaid += span * time.Duration(prepaid)
	for _, p := range w.partiesOf(policy.RoleSupplier) {
		if p.frozen {
			h.held += span
			break
		}
	}
	h.heldAll += span * time.Duration(kept)
	h.heldWith += span * time.Duration(keptPrepaid)
}

// topUps is how many top-ups were refused, at the sample's habit.
func (h *harm) topUps() int { return int((h.prepaid + h.heldWith) / topUpEvery) }

// deviceHours is how long devices were out of the supplier's hands together.
func (h *harm) deviceHours() float64 { return h.out.Hours() }

// inHands reports whether a party can command a device: its chief cell holds one of
// the party's keys, and the device would take its next counter.
func (w *World) inHands(p *party, r *fleet.Row) bool {
	cell := chiefCell(p.role)
	key := r.KeyID(cell)
	for _, set := range p.generations {
		if c := credentialFor(set, cell); c != nil && c.keyID() == key {
			return r.Counter(p.role) <= p.counter
		}
	}
	return false
}
