package verbs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	mathrand "math/rand/v2"

	"smki.example/ca/revocation"
	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// Act starts one verb of the scenario; see vocabulary.go for what each means.
func (w *World) Act(ctx context.Context, at time.Duration, a engine.Action) error {
	do := map[string]func(context.Context, time.Duration, engine.Action) error{
		verbReplace:  w.replace,
		verbHandOver: w.handOver,
		verbAttack:   w.attack,
		verbFreeze:   w.freeze,
		verbRelease:  w.release,
		verbRevoke:   w.revoke,
		verbPublish: func(ctx context.Context, at time.Duration, a engine.Action) error {
			return w.publish(ctx, at, a.Object)
		},
		verbReadBack: w.readBack,
		verbReport:   w.report,
		verbClose:    w.closeKey,
	}[a.Verb]
	if do == nil {
		return fmt.Errorf("verbs: internal error: verb %q is in the vocabulary and nobody does it", a.Verb)
	}
	err := do(ctx, at, a)
	w.changed()
	if err != nil {
		w.refusals = append(w.refusals, fmt.Sprintf("%s %s: %v", a.Verb, a.Object, err))
	}
	return err
}

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

// An attacker holds a copy of a supplier's signing key, and certificates in that
// supplier's name that a stolen officer's credential got him from the CA. In the
// drill the copy is played by the supplier's own token: the signatures of a key
// and of its copy cannot be told apart, which is the point.
type attacker struct {
	party *party
	set   map[purpose]*credential
}

// intruderJump is how far the intruder drives the counters of devices up, so that
// whatever the owner sends afterwards is old.
const intruderJump = 1 << 40

// attack lets the intruder begin. What he does is ground truth: the players see
// it only in what devices say.
func (w *World) attack(ctx context.Context, at time.Duration, a engine.Action) error {
	p, err := w.replaceable(a.Object)
	if err != nil {
		return err
	}
	if w.attacker != nil {
		return refuse("there is one intruder in a drill, and he is at work")
	}
	requester := "an officer's credential of " + p.name + " (stolen)"
	set := map[purpose]*credential{}
	for _, use := range p.needs {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return fmt.Errorf("making the intruder's key: %w", err)
		}
		request, err := organisationRequest(p.role, p.entity, use.usage(), key)
		if err != nil {
			return err
		}
		c := &credential{purpose: use, signer: func(context.Context) crypto.Signer { return key }}
		if c.certificate, err = w.authority.issue(ctx, request, requester); err != nil {
			return fmt.Errorf("certifying the intruder's %s key: %w", use, err)
		}
		if err := w.recordCertificate(p, c, 1, requester, "asked for in the name of "+p.name+" by somebody else"); err != nil {
			return err
		}
		set[use] = c
	}
	w.attacker = &attacker{party: p, set: set}
	stolen := p.generations[0][purposeSigning]
	devices := mathrand.New(mathrand.NewPCG(uint64(w.cfg.Seed), 0x696e747275646572)).Perm(w.fleet.Len())
	rate := w.rate * float64(a.Number(paramPerHour)) / float64(w.cfg.Scenario.Estate.Rate.PerHour)
	w.launch(at, &campaign{
		name: "intruder in the name of " + p.id, method: methodIntruder, party: p, mode: gbcs.SupplierBySupplier,
		set: set, cells: []gbcs.TrustAnchorCell{fleet.CellSupplierSigning}, certificate: stolen.certificate, signer: stolen.signer,
		rate: rate, devices: devices, attack: true, counter: intruderJump,
		floors: func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = &u.SeqNumber },
	})
	return nil
}

// freeze has the broker hold all traffic in a party's name, its own included. Held
// already, it stays held.
func (w *World) freeze(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.replaceable(a.Object)
	if err != nil {
		return err
	}
	p.frozen = true
	w.harm.frozen(p, at)
	return nil
}

// release ends a freeze, if there is one.
func (w *World) release(_ context.Context, _ time.Duration, a engine.Action) error {
	p, err := w.replaceable(a.Object)
	if err != nil {
		return err
	}
	p.frozen = false
	return nil
}

// revoke has the CA revoke certificates and publish a new list.
func (w *World) revoke(ctx context.Context, at time.Duration, a engine.Action) error {
	reason, err := policy.ParseReason(a.Params[paramReason])
	if err != nil {
		return err
	}
	var set map[purpose]*credential
	var p *party
	by := "DCC service desk (exercise)"
	if a.Object == intruderCertificates {
		if w.attacker == nil {
			return refuse("nobody but their owners has certificates in this drill")
		}
		p, set = w.attacker.party, w.attacker.set
	} else {
		if p, err = w.replaceable(strings.TrimSuffix(a.Object, oldCertificates)); err != nil {
			return err
		}
		set, by = p.generations[0], p.name
	}
	for _, use := range p.needs {
		c := set[use]
		done, err := w.authority.register.Revoke(ctx, revocation.Revoke{Serial: c.certificate.Serial, Reason: reason, By: by})
		if err != nil {
			return err
		}
		c.revoked = true
		_, err = w.record(journal.KindRevocation, at, Revoked{
			Serial: c.certificate.Serial.String(), Issuer: "issuing-oca", Party: p.name, Reason: reason.String(), By: by, Note: done.Says(),
		})
		if err != nil {
			return err
		}
	}
	return w.publish(ctx, at, "issuing-oca")
}

// closeKey ends the use of a key before its authorisation does.
func (w *World) closeKey(ctx context.Context, at time.Duration, a engine.Action) error {
	if a.Object != recoveryName || w.custody.session == nil {
		return refuse("the %s key is not open", a.Object)
	}
	return w.closeRecovery(ctx, at)
}
