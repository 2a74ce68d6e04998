package verbs

import (
	"context"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// replace begins the replacement of a party's keys on its devices by one of the
// three methods. New certificates come first, from the CA; if an earlier campaign
// of this drill made them, they are used again.
func (w *World) replace(ctx context.Context, at time.Duration, a engine.Action) error {
	p, err := w.replaceable(a.Object)
	if err != nil {
		return err
	}
	method := a.Params[paramBy]
	if method != method1 && w.custody.session == nil && w.custody.summoned == nil {
		return refuse("%s needs the Recovery key, and no decision of the PMA has opened it", method)
	}
	for _, c := range w.campaigns {
		if !c.attack && c.running() {
			c.queue, c.waits = nil, false // the new campaign takes over; what is on its way stays on its way
		}
	}
	if len(p.generations) == 1 && method != method2 {
		if err := w.certify(ctx, p, "replacing the compromised keys of "+p.name); err != nil {
			return err
		}
	}
	switch method {
	case method1:
		return w.replaceByOwner(at, p)
	case method2:
		return w.replaceByRecovery(at, p, method, w.broker.party)
	default:
		return w.replaceByRecovery(at, p, method, p)
	}
}

// replaceByOwner is Method 1: the party signs with the key that was stolen from it,
// because its devices know no other yet.
func (w *World) replaceByOwner(at time.Duration, p *party) error {
	old := p.generations[0][purposeSigning]
	w.launch(at, &campaign{
		name: p.id + " by method 1", method: method1, party: p, mode: gbcs.SupplierBySupplier, set: p.current(), cells: supplierCells,
		certificate: old.certificate, signer: old.signer, rate: w.rate, devices: w.unrecovered(p, p.current()),
		floors: func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = &u.SeqNumber },
	})
	return nil
}

// replaceByRecovery is Method 2 or 3: the Recovery key puts the holder's
// certificates into the party's cells, and sets the party's floor to the last
// counter that the holder used, so that its next command is fresh and an old one
// is not. Counters that an intruder drove up fall back with it.
func (w *World) replaceByRecovery(at time.Duration, p *party, method string, holder *party) error {
	recovery := w.recoveryParty()
	c := &campaign{
		name: p.id + " by " + method, method: method, party: recovery, mode: gbcs.AnyExceptAbnormalRootByRecovery,
		set: holder.current(), cells: supplierCells, rate: w.rate, devices: w.unrecovered(p, holder.current()), waits: w.custody.session == nil,
		floors: func(u *gbcs.UpdateSecurityCredentials) {
			u.NewFloor = &u.SeqNumber
			u.OtherChanges = []gbcs.SeqNumberChange{{
				Role: policy.RoleSupplier, Floor: holder.counter, Specialist: []gbcs.SpecialistFloor{{Floor: 0}},
			}}
		},
	}
	w.launch(at, c)
	return nil
}

// recoveryParty is the DCC in the part of the Recovery key, made when it is first
// needed.
func (w *World) recoveryParty() *party {
	if p := w.partyOf(policy.RoleRecovery); p != nil {
		return p
	}
	certificate := w.authority.made[recoveryName]
	entity, _ := certificate.EntityID()
	p := &party{
		id: "recovery", name: "DCC with the Recovery key", entity: entity, role: policy.RoleRecovery,
		generations: []map[purpose]*credential{{purposeSigning: {purpose: purposeSigning, certificate: certificate, file: "certs/" + recoveryName + ".pem"}}},
	}
	w.parties = append(w.parties, p)
	return p
}

// handOver is the second half of Method 2: the broker, whose certificates stand in
// the party's cells, puts the party's new ones in (service request 6.21), and sets
// the floor to the last counter the party used.
func (w *World) handOver(ctx context.Context, at time.Duration, a engine.Action) error {
	p, err := w.replaceable(a.Object)
	if err != nil {
		return err
	}
	broker := w.broker.party
	held := target(broker.current())
	var devices []int
	for _, r := range w.rows() {
		if r.KeyID(fleet.CellSupplierSigning) == held[fleet.CellSupplierSigning] {
			devices = append(devices, r.Index)
		}
	}
	if len(devices) == 0 {
		return refuse("no device is under the broker: there is nothing to hand over")
	}
	if len(p.generations) == 1 {
		if err := w.certify(ctx, p, "handover to "+p.name); err != nil {
			return err
		}
	}
	signing := broker.current()[purposeSigning]
	w.launch(at, &campaign{
		name: p.id + " by handover", method: methodHandover, party: broker, mode: gbcs.SupplierBySupplier, set: p.current(), cells: supplierCells,
		certificate: signing.certificate, signer: signing.signer, rate: w.rate, devices: devices,
		floors: func(u *gbcs.UpdateSecurityCredentials) {
			floor := p.counter
			u.NewFloor, u.SpecialistFloors = &floor, []gbcs.SpecialistFloor{{Floor: 0}}
		},
	})
	return nil
}
