package verbs

import (
	"fmt"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
)

// watch looks at the counters of every device after each window: none may go
// back, but for a floor that an authorised command set in that window.
type watch struct {
	seen    []counterRow // by device
	lowered int          // by a floor
	wrong   []string     // gone back without one
}

// counterRow are a device's counters in the order of [fleet.Roles].
type counterRow [fleet.RoleCount]gbcs.OriginatorCounter

func watchCounters(f *fleet.Fleet) watch {
	w := watch{seen: make([]counterRow, f.Len())}
	for i, r := range f.Devices() {
		w.seen[i] = countersOf(&r)
	}
	return w
}

func countersOf(r *fleet.Row) (row counterRow) {
	for i, role := range counterRoles {
		row[i] = r.Counter(role)
	}
	return row
}

var counterRoles = fleet.Roles()

func (c *watch) see(w *World, happened []*exchange) {
	floored := map[int]bool{}
	for _, x := range happened {
		acted := x.check.Effect == fleet.Executed || x.check.Effect == fleet.PartlyExecuted
		if acted && !x.campaign.attack {
			floored[x.device] = true // every command of a campaign names a floor
		}
	}
	rows := w.rows()
	for n := range rows {
		r := &rows[n]
		now := countersOf(r)
		for i, before := range c.seen[r.Index] {
			if now[i] >= before {
				continue
			}
			role := counterRoles[i]
			if floored[r.Index] {
				c.lowered++
			} else {
				c.wrong = append(c.wrong, fmt.Sprintf("device %v, %v: %d after %d", r.ID, role, now[i], before))
			}
		}
		c.seen[r.Index] = now
	}
}
