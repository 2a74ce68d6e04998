package verbs

import (
	"fmt"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// watch looks at the counters of every device after each window: none may go
// back, but for a floor that an authorised command set in that window.
type watch struct {
	seen    []map[policy.RemotePartyRole]gbcs.OriginatorCounter
	lowered int      // by a floor
	wrong   []string // gone back without one
}

func watchCounters(f *fleet.Fleet) watch {
	var w watch
	for _, r := range f.Devices() {
		w.seen = append(w.seen, countersOf(&r))
	}
	return w
}

func countersOf(r *fleet.Row) map[policy.RemotePartyRole]gbcs.OriginatorCounter {
	m := make(map[policy.RemotePartyRole]gbcs.OriginatorCounter, len(r.Counters))
	for _, c := range r.Counters {
		m[c.Role] = c.Counter
	}
	return m
}

func (c *watch) see(w *World, happened []*exchange) {
	floored := map[int]bool{}
	for _, x := range happened {
		acted := x.check.Effect == fleet.Executed || x.check.Effect == fleet.PartlyExecuted
		if acted && !x.campaign.attack {
			floored[x.device] = true // every command of a campaign names a floor
		}
	}
	for _, r := range w.rows() {
		now := countersOf(&r)
		for role, before := range c.seen[r.Index] {
			if now[role] >= before {
				continue
			}
			if floored[r.Index] {
				c.lowered++
			} else {
				c.wrong = append(c.wrong, fmt.Sprintf("device %v, %v: %d after %d", r.ID, role, now[role], before))
			}
		}
		c.seen[r.Index] = now
	}
}
