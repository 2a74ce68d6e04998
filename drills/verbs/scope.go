package verbs

import (
	"slices"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A scope says whose the devices are. A party's Relevant Devices are those whose
// cells hold its certificates: that is found by reading cells and not in a
// register, because about one electricity meter in ten is said to hold a wrong
// network operator's (SECMP0063).
type scope struct {
	// homes is, by role and device, the party whose certificates the cells held at
	// the start, or that they were handed to since; nil: the device has no such cells,
	// or somebody's who is no party of the drill.
	homes map[policy.RemotePartyRole][]*party
	// origins are the homes as they were at the start.
	origins map[policy.RemotePartyRole][]*party
	// registered is the party that should be there.
	registered map[policy.RemotePartyRole][]*party
	// shown is the newest set that a signed answer proved.
	shown map[policy.RemotePartyRole]map[int]standing
}

// A standing is a party's set of credentials in the cells of a device.
type standing struct {
	party      *party
	generation int // index into its generations
}

// assign says to which party of a role each device is registered, as the estate
// was shared out.
func (w *World) assign(role policy.RemotePartyRole) []*party {
	parties := w.partiesOf(role)
	if len(parties) == 0 {
		return nil
	}
	out := make([]*party, w.fleet.Len())
	for i := range out {
		out[i] = parties[w.fleet.Device(i).Registered(role)]
	}
	return out
}

// settle reads all cells for whose they are, once the devices are made.
func (w *World) settle() {
	w.scope = scope{
		homes: map[policy.RemotePartyRole][]*party{}, origins: map[policy.RemotePartyRole][]*party{}, registered: map[policy.RemotePartyRole][]*party{},
		shown: map[policy.RemotePartyRole]map[int]standing{},
	}
	for _, role := range deviceRoles {
		w.scope.registered[role] = w.assign(role)
	}
	w.readHomes()
}

// deviceRoles are the roles that have cells on devices.
var deviceRoles = []policy.RemotePartyRole{
	policy.RoleRecovery, policy.RoleSupplier, policy.RoleNetworkOperator, policy.RoleAccessControlBroker, policy.RoleTransitionalCoS, policy.RoleWANProvider,
	policy.RoleLoadController,
}

func (w *World) readHomes() {
	owners := map[policy.KeyID]*party{}
	for _, p := range w.parties {
		for _, key := range fill(p.role, p.generations[0]).keyIDs() {
			owners[key] = p
		}
	}
	rows := w.rows()
	for _, role := range deviceRoles {
		homes, chief := make([]*party, len(rows)), chiefCell(role)
		for i := range rows {
			if p := owners[rows[i].KeyID(chief)]; p != nil && p.role == role {
				homes[i] = p
			}
		}
		w.scope.origins[role] = slices.Clone(homes)
		w.scope.homes[role], w.scope.shown[role] = homes, map[int]standing{}
	}
}

// homeOf reports whether a device is one of a party's: a Relevant Device, if the
// party's keys are lost.
func (w *World) homeOf(p *party, r *fleet.Row) bool { return w.scope.homes[p.role][r.Index] == p }

// relevant are the Relevant Devices of a party: those that were its own at the
// start.
func (w *World) relevant(p *party) fleet.Snapshot {
	return w.rows().Where(func(r *fleet.Row) bool { return w.wasHomeOf(p, r) })
}

func (w *World) wasHomeOf(p *party, r *fleet.Row) bool { return w.scope.origins[p.role][r.Index] == p }

// wrongHolders are the devices that a party should be on and is not: their cells
// hold somebody else's certificates.
func (w *World) wrongHolders(p *party) fleet.Snapshot {
	return w.rows().Where(func(r *fleet.Row) bool { return w.isWrongHolder(p, r) })
}

func (w *World) isWrongHolder(p *party, r *fleet.Row) bool {
	registered := w.scope.registered[p.role]
	return registered != nil && registered[r.Index] == p && !w.wasHomeOf(p, r) && r.KeyID(chiefCell(p.role)) != (policy.KeyID{})
}

// subject remembers that the drill is about a party's keys.
func (w *World) subject(p *party) {
	if !slices.Contains(w.subjects, p) {
		w.subjects = append(w.subjects, p)
	}
}

// proven is the set that a device's cells of a role hold by its own last word.
func (w *World) proven(role policy.RemotePartyRole, device int) standing {
	if s, known := w.scope.shown[role][device]; known {
		return s
	}
	if p := w.scope.homes[role][device]; p != nil {
		return standing{p, 0}
	}
	return standing{w.partyOf(role), 0}
}

// learn keeps what an answer proved. A device that was handed to another party of
// the same role is that party's from then on.
func (w *World) learn(x *exchange) {
	for cell := range x.cells {
		c := x.plan.put[cell]
		if c == nil || c.owner == nil || cell != chiefCell(cell.Role) || x.cells[cell] != gbcs.StatusSuccess {
			continue
		}
		w.scope.shown[cell.Role][x.device] = standing{c.owner, c.generation}
		if c.owner.role == cell.Role {
			w.scope.homes[cell.Role][x.device] = c.owner
		}
	}
}

// learnRead keeps what a device said when it was asked: a command whose answer was
// lost may have put another set there than was thought.
func (w *World) learnRead(device int, role policy.RemotePartyRole, key policy.KeyID) {
	for _, p := range w.parties {
		for i, set := range p.generations {
			if c := credentialFor(set, chiefCell(role)); c != nil && c.keyID() == key {
				w.scope.shown[role][device] = standing{p, i}
			}
		}
	}
}

// among narrows devices to the part that a scenario names.
func (w *World) among(p *party, word string) func(r *fleet.Row) bool {
	switch word {
	case "", amongAll:
		return func(*fleet.Row) bool { return true }
	case amongTaken:
		return func(r *fleet.Row) bool { return w.inStrangersHands(p, r) }
	}
	return func(r *fleet.Row) bool { return r.Region.String() == word }
}

// inStrangersHands reports whether the chief cell of a party's device holds a key
// that is neither the party's, nor its successor's, nor the broker's.
func (w *World) inStrangersHands(p *party, r *fleet.Row) bool {
	key := r.KeyID(chiefCell(p.role))
	for _, known := range []*party{p, p.successor, w.broker.party} {
		if known == nil {
			continue
		}
		for _, set := range known.generations {
			if c := credentialFor(set, chiefCell(p.role)); c != nil && c.keyID() == key {
				return false
			}
		}
	}
	return true
}

// remaining are the devices of a party, in a part of the estate, that do not hold
// all of a filling: those that a recovery still has to reach.
func (w *World) remaining(p *party, want filling, in func(r *fleet.Row) bool) []int {
	devices := []int{}
	rows := w.rows()
	for i := range rows {
		r := &rows[i]
		if !w.homeOf(p, r) || !in(r) {
			continue
		}
		if progress := want.progress(r); progress != fleet.ProgressRecovered && progress != fleet.ProgressExcluded {
			devices = append(devices, r.Index)
		}
	}
	return devices
}
