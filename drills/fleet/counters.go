package fleet

import (
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// counters are the numbers against replay: one for each role that may
// authorise, and beside it one for prepayment top-ups, which a supplier may
// count apart. own is the device's counter for the alerts it originates.
//
// The owner is the Device, under its lock.
type counters struct {
	management map[policy.RemotePartyRole]gbcs.OriginatorCounter
	prepayment map[policy.RemotePartyRole]gbcs.OriginatorCounter
	own        gbcs.OriginatorCounter
}

func newCounters(initial map[policy.RemotePartyRole]gbcs.OriginatorCounter) counters {
	c := counters{
		management: make(map[policy.RemotePartyRole]gbcs.OriginatorCounter, len(initial)),
		prepayment: make(map[policy.RemotePartyRole]gbcs.OriginatorCounter),
	}
	for role, n := range initial {
		c.management[role] = n
	}
	return c
}

// fresh reports whether a command with this counter is newer than every one
// the device has acted on for the role.
func (c *counters) fresh(role policy.RemotePartyRole, n gbcs.OriginatorCounter) bool {
	return n > c.management[role]
}

// prepaymentUse is the use of the only specialist floor there is.
const prepaymentUse = 0

// setFloorsLocked sets the floors of a command and returns the changes as an
// answer reports them: first the authorising role, then the others in the order
// of the command. What is reported is what the counter then is, so that a floor
// that was not allowed to lower a counter shows. renewed says that the command
// changed the key of the role that signed it.
func (d *Device) setFloorsLocked(p *gbcs.UpdateSecurityCredentials, role policy.RemotePartyRole, renewed bool) []gbcs.SeqNumberChange {
	s := d.fleet.settings
	var changes []gbcs.SeqNumberChange
	if p.NewFloor != nil {
		changes = append(changes, gbcs.SeqNumberChange{Role: role, Floor: *p.NewFloor, Specialist: p.SpecialistFloors})
	}
	changes = append(changes, p.OtherChanges...)
	for i := range changes {
		c := &changes[i]
		lower := s.FloorsMayLower && (c.Role != role || renewed || !s.OwnFloorNeedsKey)
		c.Floor = setFloor(d.counters.management, c.Role, c.Floor, lower)
		specialist := make([]gbcs.SpecialistFloor, len(c.Specialist))
		for j, f := range c.Specialist {
			specialist[j] = f
			if f.Usage == prepaymentUse {
				specialist[j].Floor = setFloor(d.counters.prepayment, c.Role, f.Floor, lower)
			}
		}
		if c.Specialist != nil {
			c.Specialist = specialist
		}
	}
	return changes
}

// setFloor sets one counter to a floor, which lowers it only if it may, and
// returns what the counter then is.
func setFloor(m map[policy.RemotePartyRole]gbcs.OriginatorCounter, role policy.RemotePartyRole, floor gbcs.OriginatorCounter, lower bool) gbcs.OriginatorCounter {
	if floor > m[role] || lower {
		m[role] = floor
	}
	return m[role]
}

// Counter returns the highest counter the device has acted on for a role.
func (d *Device) Counter(role policy.RemotePartyRole) gbcs.OriginatorCounter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counters.management[role]
}

// PrepaymentCounter returns the counter of a role's prepayment top-ups.
func (d *Device) PrepaymentCounter(role policy.RemotePartyRole) gbcs.OriginatorCounter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counters.prepayment[role]
}

// SetCounter sets the counter of a role by hand, as an installer does.
func (d *Device) SetCounter(role policy.RemotePartyRole, n gbcs.OriginatorCounter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counters.management[role] = n
}
