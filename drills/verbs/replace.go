package verbs

import (
	"context"
	"slices"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// ownModes are the modes in which a party replaces its own credentials, by role.
var ownModes = map[policy.RemotePartyRole]gbcs.ReplacementMode{
	policy.RoleSupplier:            gbcs.SupplierBySupplier,
	policy.RoleNetworkOperator:     gbcs.NetworkOperatorByNetworkOperator,
	policy.RoleAccessControlBroker: gbcs.AccessControlBrokerByACB,
	policy.RoleTransitionalCoS:     gbcs.TransCoSByTransCoS,
	policy.RoleWANProvider:         gbcs.WANProviderByWANProvider,
}

// replace begins the replacement of a party's keys on its devices by one of
// the three methods. New certificates come first, from the CA; if an earlier
// campaign of this drill made them, they are used again.
func (w *World) replace(ctx context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	q := order{party: p, to: p, method: a.Params[paramBy], among: a.Params[paramAmong], cancels: a.Flag(paramCancel)}
	if id := a.Params[paramTo]; id != "" {
		if q.to, err = w.party(id); err != nil {
			return err
		}
	}
	if a.Params[paramEffect] != "" {
		when := w.clock.date(a.Time(paramEffect))
		q.executeAt = &when
	}
	if err := w.allowed(at, q); err != nil {
		return err
	}
	if err := w.newKeys(ctx, q, a.Params[paramKeys]); err != nil {
		return err
	}
	w.subject(p)
	if q.to != p {
		p.successor = q.to
	}
	return w.carryOut(at, q)
}

// An order is what is asked of a replacement.
type order struct {
	party, to *party // whose cells, and whose certificates go in
	method    string
	among     string
	executeAt *time.Time
	cancels   bool
}

// allowed holds an order against the rules. Nothing has happened yet.
func (w *World) allowed(at time.Duration, q order) error {
	p := q.party
	mode, own := ownModes[p.role]
	switch {
	case p.role == policy.RoleRecovery:
		return refuse("the Recovery key is replaced by itself or by the contingency key: by: recovery key, or by: contingency key")
	case !own:
		return refuse("%s has no keys on devices that a method replaces", p.name)
	case q.to.role != p.role:
		return refuse("%s is a %s: its certificates do not belong into the cells of a %s", q.to.name, q.to.role, p.role)
	case q.method == method2 && p.role != policy.RoleSupplier && p.role != policy.RoleNetworkOperator:
		return refuse("method 2 puts the Access Control Broker's certificates in the place of a supplier's or network operator's: %s is a %s", p.name, p.role)
	case q.method == method2 && q.to != p:
		return refuse("method 2 puts the Access Control Broker's certificates in; whose follow is said at the handover")
	case q.method == "":
		return refuse("replacing the keys of %s needs a method: by: method 1, method 2 or method 3", p.name)
	case q.method != method1 && q.method != method2 && q.method != method3:
		return refuse("%q is no method for the keys of %s", q.method, p.name)
	case q.method != method1 && w.custody.session == nil && w.custody.summoned == nil:
		return refuse("%s needs the Recovery key, and no decision of the PMA has opened it", q.method)
	case q.executeAt != nil && !q.executeAt.After(w.clock.date(at)):
		return refuse("the time at which devices are to act has passed")
	case q.executeAt != nil && q.cancels:
		return refuse("a command that cancels has no time of its own")
	case q.method == method1 && mode == gbcs.AccessControlBrokerByACB && q.to != p:
		return refuse("there is one Access Control Broker")
	}
	return nil
}

// newKeys has the CA certify new keys for whom the order puts in, unless an
// earlier step did or the placeholder's go in. A party that takes another's place
// uses the certificates it has.
func (w *World) newKeys(ctx context.Context, q order, which string) error {
	if which == keysPresent {
		q.party.restored = true
	}
	switch {
	case q.method == method2 || q.cancels || which == keysPresent:
		return nil
	case which == keysFresh:
	case q.to != q.party || len(q.to.generations) > 1:
		return nil
	}
	return w.certify(ctx, q.to, "replacing the compromised keys of "+q.to.name)
}

// carryOut launches the campaign of an order. One that runs for the same party
// gives up the devices that this one takes over; what is on its way stays so.
func (w *World) carryOut(at time.Duration, q order) error {
	p, holder := q.party, q.to
	if q.method == method2 {
		holder = w.broker.party
	}
	in := w.among(p, q.among)
	set := fill(p.role, holder.current())
	c := &campaign{
		name: p.id + " by " + q.method, method: q.method, about: p, final: q.method != method2, rate: w.rate,
		put: func(int) filling { return set }, scope: func() []int { return w.remaining(p, set, in) }, executeAt: q.executeAt,
	}
	if q.to != p {
		c.name += " to " + q.to.id
	}
	if q.among != "" && q.among != amongAll {
		c.name += ", " + q.among
	}
	if q.cancels {
		never := gbcs.CancelTime()
		c.executeAt, c.name, c.final, c.cancels = &never, c.name+", cancelled", false, true
		kept := w.keptOn(p)
		c.scope = func() []int { return kept }
	}
	if q.method == method1 {
		w.byOwner(c, p, holder)
	} else {
		w.byRecovery(c, p, holder)
	}
	c.devices = c.scope()
	w.takeOver(c, q.among == "" || q.among == amongAll)
	w.launch(at, c)
	return nil
}

// byOwner is Method 1: the party signs with the key that a device knows, the
// stolen one, because the device knows no other yet.
func (w *World) byOwner(c *campaign, p, holder *party) {
	c.party, c.mode = p, ownModes[p.role]
	c.signer = func(device int) *credential { return w.ownKey(p, device) }
	c.floors = func(u *gbcs.UpdateSecurityCredentials) {
		switch {
		case c.mode == gbcs.TransCoSByTransCoS: // no public command of this mode has a floor
		case holder == p:
			u.NewFloor = &u.SeqNumber
		default:
			floor := holder.counter
			u.NewFloor = &floor
			if p.role == policy.RoleSupplier {
				u.SpecialistFloors = []gbcs.SpecialistFloor{{Floor: 0}}
			}
		}
	}
}

// ownKey is the signing credential of a party that a device is believed to know.
func (w *World) ownKey(p *party, device int) *credential {
	s := w.proven(p.role, device)
	if s.party != p {
		s.generation = 0
	}
	return p.generations[s.generation][purposeSigning]
}

// byRecovery is Method 2 or 3: the Recovery key puts the holder's certificates into
// the party's cells, and sets the role's floor to the last counter that the holder
// used, so that its next command is fresh and an old one is not. Counters that an
// intruder drove up fall back with it.
func (w *World) byRecovery(c *campaign, p, holder *party) {
	c.party, c.mode, c.guard = w.recoveryParty(), gbcs.AnyExceptAbnormalRootByRecovery, recoveryName
	c.waits = w.custody.session == nil
	c.floors = func(u *gbcs.UpdateSecurityCredentials) {
		u.NewFloor = &u.SeqNumber
		u.OtherChanges = []gbcs.SeqNumberChange{floorOf(p.role, holder)}
	}
}

// floorOf is the counter change for a role whose cells a holder is to have.
func floorOf(role policy.RemotePartyRole, holder *party) gbcs.SeqNumberChange {
	change := gbcs.SeqNumberChange{Role: role, Floor: holder.counter}
	if role == policy.RoleSupplier {
		change.Specialist = []gbcs.SpecialistFloor{{Floor: 0}}
	}
	return change
}

// takeOver has the campaigns that run for the same party give up the devices of a
// new one, or all of them.
func (w *World) takeOver(c *campaign, all bool) {
	for _, old := range w.campaigns {
		if old.attack || old.about != c.about || !old.running() {
			continue
		}
		if all {
			old.queue, old.waits = nil, false
			continue
		}
		taken := map[int]bool{}
		for _, device := range c.devices {
			taken[device] = true
		}
		old.queue = slices.DeleteFunc(old.queue, func(a attempt) bool { return taken[a.device] })
	}
}

// recoveryParty is the DCC in the part of the Recovery key.
func (w *World) recoveryParty() *party { return w.partyOf(policy.RoleRecovery) }

// handOver is the second half of Method 2: the broker, whose certificates stand in
// the party's cells, puts the party's new ones in (service request 6.21), and sets
// the floor to the last counter the party used.
func (w *World) handOver(ctx context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	if p.role != policy.RoleSupplier && p.role != policy.RoleNetworkOperator {
		return refuse("%s is a %s: a handover gives devices back to a supplier or a network operator", p.name, p.role)
	}
	devices := []int{}
	for _, r := range w.rows() {
		if w.homeOf(p, &r) && w.underBroker(p, &r) {
			devices = append(devices, r.Index)
		}
	}
	if len(devices) == 0 {
		return refuse("no device is under the broker: there is nothing to hand over")
	}
	if len(p.generations) == 1 && p.successor == nil {
		if err := w.certify(ctx, p, "handover to "+p.name); err != nil {
			return err
		}
	}
	to := p
	if p.successor != nil {
		to = p.successor
	}
	w.subject(p)
	set := fill(p.role, to.current())
	c := &campaign{
		name: p.id + " by handover", method: methodHandover, party: w.broker.party, about: p, mode: ownModes[p.role], final: true,
		put: func(int) filling { return set }, rate: w.rate, devices: devices,
		signer: func(device int) *credential { return w.brokerKeyOn(p, device) },
		floors: func(u *gbcs.UpdateSecurityCredentials) {
			floor := to.counter
			u.NewFloor = &floor
			if p.role == policy.RoleSupplier {
				u.SpecialistFloors = []gbcs.SpecialistFloor{{Floor: 0}}
			}
		},
	}
	w.launch(at, c)
	return nil
}

// underBroker reports whether the broker's key stands in a party's chief cell.
func (w *World) underBroker(p *party, r *fleet.Row) bool {
	if p == w.broker.party {
		return false
	}
	key := r.KeyID(chiefCell(p.role))
	return slices.ContainsFunc(w.broker.party.generations, func(set map[purpose]*credential) bool {
		return set[purposeSigning].keyID() == key
	})
}

// brokerKeyOn is the broker's signing credential that stands in a party's cell.
func (w *World) brokerKeyOn(p *party, device int) *credential {
	s := w.proven(p.role, device)
	if s.party != w.broker.party {
		s = standing{w.broker.party, len(w.broker.party.generations) - 1}
	}
	return s.party.generations[s.generation][purposeSigning]
}

// changeSupplier has the change of supplier party put another supplier's
// certificates on a supplier's devices (mode 7).
func (w *World) changeSupplier(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	to, err := w.party(a.Params[paramTo])
	if err != nil {
		return err
	}
	switch {
	case p.role != policy.RoleSupplier || to.role != policy.RoleSupplier:
		return refuse("a change of supplier is from one supplier to another: %s is a %s, %s a %s", p.name, p.role, to.name, to.role)
	case p == to:
		return refuse("%s is the supplier already", p.name)
	}
	w.subject(p)
	p.successor = to
	set, cos := fill(p.role, to.current()), w.partyOf(policy.RoleTransitionalCoS)
	in := w.among(p, a.Params[paramAmong])
	c := &campaign{
		name: p.id + " by change of supplier to " + to.id, method: methodChange, party: cos, about: p, mode: gbcs.SupplierByTransCoS, final: true,
		put: func(int) filling { return set }, scope: func() []int { return w.remaining(p, set, in) }, rate: w.rate,
		signer: func(device int) *credential { return w.ownKey(cos, device) },
		floors: func(u *gbcs.UpdateSecurityCredentials) {
			u.OtherChanges = []gbcs.SeqNumberChange{floorOf(policy.RoleSupplier, to)}
		},
	}
	c.devices = c.scope()
	w.takeOver(c, a.Params[paramAmong] == "" || a.Params[paramAmong] == amongAll)
	w.launch(at, c)
	return nil
}
