package fleet

import (
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// counterRoles are the roles that can authorise a command to some device, in
// report order; a role's place is its index in counters.
var counterRoles = [...]policy.RemotePartyRole{
	policy.RoleRoot, policy.RoleRecovery, policy.RoleSupplier,
	policy.RoleNetworkOperator, policy.RoleAccessControlBroker, policy.RoleTransitionalCoS,
	policy.RoleWANProvider, policy.RoleLoadController,
}

// RoleCount is how many roles have counters; see [Roles].
const RoleCount = len(counterRoles)

const counterCount = RoleCount

func counterIndex(role policy.RemotePartyRole) (int, bool) {
	for i := range counterRoles {
		if counterRoles[i] == role {
			return i, true
		}
	}
	return 0, false
}

// roleMasks are the cells of each of counterRoles.
var roleMasks = func() (m [counterCount]cellMask) {
	for i := range allCells {
		if c, ok := counterIndex(allCells[i].Role); ok {
			m[c] |= 1 << i
		}
	}
	return m
}()

// counters are the numbers against replay: one for each role that may
// authorise, and beside it one for prepayment top-ups, which a supplier may
// count apart. own is the device's counter for the alerts it originates.
//
// The owner is the Device, under its lock.
type counters struct {
	management [counterCount]gbcs.OriginatorCounter
	prepayment gbcs.OriginatorCounter
	own        gbcs.OriginatorCounter
}

func newCounters(initial map[policy.RemotePartyRole]gbcs.OriginatorCounter) (c counters) {
	for role, n := range initial {
		c.set(role, n)
	}
	return c
}

func (c *counters) of(role policy.RemotePartyRole) gbcs.OriginatorCounter {
	if i, ok := counterIndex(role); ok {
		return c.management[i]
	}
	return 0
}

func (c *counters) set(role policy.RemotePartyRole, n gbcs.OriginatorCounter) {
	if i, ok := counterIndex(role); ok {
		c.management[i] = n
	}
}

// fresh reports whether a command with this counter is newer than every one
// the device has acted on for the role.
func (c *counters) fresh(role policy.RemotePartyRole, n gbcs.OriginatorCounter) bool {
	return n > c.of(role)
}

// prepaymentUse is the use of the only specialist floor there is.
const prepaymentUse = 0

// setFloorsLocked sets the floors of a command and returns the changes as an
// answer reports them: first the authorising role, then the others in the order
// of the command. What is reported is what the counter then is, so that a floor
// that was not allowed to lower a counter shows. A floor of a role that the
// device has no cell of is left out: there is no counter to set (our inference).
// renewed says that the command changed the key of the role that signed it.
func (d *Device) setFloorsLocked(p *gbcs.UpdateSecurityCredentials, role policy.RemotePartyRole, renewed bool) []gbcs.SeqNumberChange {
	s := &d.fleet.settings
	var changes []gbcs.SeqNumberChange
	set := func(c gbcs.SeqNumberChange) {
		i, ok := counterIndex(c.Role)
		if !ok || d.cells.has&roleMasks[i] == 0 {
			return
		}
		lower := s.FloorsMayLower && (c.Role != role || renewed || !s.OwnFloorNeedsKey)
		c.Floor = setFloor(&d.counters.management[i], c.Floor, lower)
		if c.Specialist != nil {
			specialist := make([]gbcs.SpecialistFloor, len(c.Specialist))
			for j, f := range c.Specialist {
				if f.Usage == prepaymentUse && c.Role == policy.RoleSupplier {
					f.Floor = setFloor(&d.counters.prepayment, f.Floor, lower)
				}
				specialist[j] = f
			}
			c.Specialist = specialist
		}
		changes = append(changes, c)
	}
	if p.NewFloor != nil {
		set(gbcs.SeqNumberChange{Role: role, Floor: *p.NewFloor, Specialist: p.SpecialistFloors})
	}
	for _, c := range p.OtherChanges {
		set(c)
	}
	return changes
}

// setFloor sets one counter to a floor, which lowers it only if it may, and
// returns what the counter then is.
func setFloor(counter *gbcs.OriginatorCounter, floor gbcs.OriginatorCounter, lower bool) gbcs.OriginatorCounter {
	if floor > *counter || lower {
		*counter = floor
	}
	return *counter
}

// Counter returns the highest counter the device has acted on for a role.
func (d *Device) Counter(role policy.RemotePartyRole) gbcs.OriginatorCounter {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counters.of(role)
}

// PrepaymentCounter returns the counter of a role's prepayment top-ups, which
// only a supplier has.
func (d *Device) PrepaymentCounter(role policy.RemotePartyRole) gbcs.OriginatorCounter {
	if role != policy.RoleSupplier {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counters.prepayment
}

// SetCounter sets the counter of a role by hand, as an installer does.
func (d *Device) SetCounter(role policy.RemotePartyRole, n gbcs.OriginatorCounter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counters.set(role, n)
}
