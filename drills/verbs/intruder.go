package verbs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	mathrand "math/rand/v2"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// An attacker holds a copy of a party's signing key, and certificates in somebody's
// name: a stolen officer's credential got him those from the CA, or he made them with
// a copy of the CA's key. In the drill the
// copy is played by the party's own token: the signatures of a key and of its copy
// cannot be told apart, which is the point.
type attacker struct {
	stolen *party // whose key he has
	victim *party // in whose name he has certificates, and whose cells he takes
	set    map[purpose]*credential
	work   *campaign
	// returns is how long after a device was taken from him he comes back for it; 0:
	// never.
	returns time.Duration
	stopped bool
	minted  bool         // his certificates are of a copied authority: the CA knows nothing of them
	got     map[int]bool // devices that were his at some time
}

// intruderJump is how far the intruder drives the counters of devices up, so that
// whatever the owner sends afterwards is old.
const intruderJump = 1 << 40

// attackModes are what a stolen key is good for, by the role of whom it was stolen
// from.
var attackModes = map[policy.RemotePartyRole]gbcs.ReplacementMode{
	policy.RoleSupplier:            gbcs.SupplierBySupplier,
	policy.RoleNetworkOperator:     gbcs.NetworkOperatorByNetworkOperator,
	policy.RoleAccessControlBroker: gbcs.AccessControlBrokerByACB,
	policy.RoleWANProvider:         gbcs.WANProviderByWANProvider,
	policy.RoleTransitionalCoS:     gbcs.SupplierByTransCoS,
	policy.RoleRecovery:            gbcs.AnyExceptAbnormalRootByRecovery,
}

// attack lets an intruder begin. What he does is ground truth: the players see it
// only in what devices say.
func (w *World) attack(ctx context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	mode, useful := attackModes[p.role]
	if !useful {
		return refuse("the key of %s commands no device", p.name)
	}
	if w.attackerOn(p) != nil {
		return refuse("there is one intruder with the key of %s in a drill, and he is at work", p.name)
	}
	victim := p
	if p.role == policy.RoleTransitionalCoS || p.role == policy.RoleRecovery {
		// These keys change other parties' cells: he is after supply.
		victim = w.partyOf(policy.RoleSupplier)
	}
	get := w.intruderKeys
	if a.Flag(paramMinted) {
		get = w.mintedKeys
	}
	set, err := get(ctx, at, victim)
	if err != nil {
		return err
	}
	thief := &attacker{stolen: p, victim: victim, set: set, minted: a.Flag(paramMinted), returns: a.Duration(paramReturns), got: map[int]bool{}}
	c := &campaign{
		name: "intruder in the name of " + p.id, method: methodIntruder, party: p, about: victim, mode: mode, attack: true, counter: intruderJump,
		rate:   w.rate * float64(a.Number(paramPerHour)) / float64(w.cfg.Scenario.Estate.Rate.PerHour),
		floors: func(u *gbcs.UpdateSecurityCredentials) { u.NewFloor = &u.SeqNumber },
	}
	takes := filling{chiefCell(victim.role): credentialFor(set, chiefCell(victim.role))}
	c.put = func(int) filling { return takes }
	if err := w.arm(c, p, victim); err != nil {
		return err
	}
	c.devices = w.prey(p, victim)
	thief.work = c
	w.attackers = append(w.attackers, thief)
	w.subject(p)
	w.subject(victim)
	w.launch(at, c)
	return nil
}

// arm gives the intruder's campaign the key that he has, and the counters that his
// mode can drive up.
func (w *World) arm(c *campaign, p, victim *party) error {
	switch p.role {
	case policy.RoleRecovery:
		if w.copied == nil {
			return refuse("an intruder with the Recovery key is made with the drill: its timeline has to say so")
		}
		c.signer = func(int) *credential { return w.copied }
		fallthrough
	case policy.RoleTransitionalCoS:
		if c.signer == nil {
			stolen := p.generations[0][purposeSigning]
			c.signer = func(int) *credential { return stolen }
		}
		c.floors = func(u *gbcs.UpdateSecurityCredentials) {
			change := floorOf(victim.role, victim)
			change.Floor = intruderJump
			u.OtherChanges = []gbcs.SeqNumberChange{change}
		}
	default:
		stolen := p.generations[0]
		c.signer = func(int) *credential { return stolen[purposeSigning] }
		if p.role == policy.RoleAccessControlBroker {
			c.seal = stolen[purposeAgreement]
		}
	}
	return nil
}

// intruderKeys are keys of the intruder's own, which the CA certified in a party's
// name because a stolen officer's credential asked.
func (w *World) intruderKeys(ctx context.Context, _ time.Duration, victim *party) (map[purpose]*credential, error) {
	requester := "an officer's credential of " + victim.name + " (stolen)"
	set := map[purpose]*credential{}
	for _, use := range victim.needs {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making the intruder's key: %w", err)
		}
		request, err := organisationRequest(victim.role, victim.entity, use.usage(), key)
		if err != nil {
			return nil, err
		}
		c := &credential{purpose: use, signer: func(context.Context) crypto.Signer { return key }}
		if c.certificate, err = w.authority.issue(ctx, request, requester); err != nil {
			return nil, fmt.Errorf("certifying the intruder's %s key: %w", use, err)
		}
		if err := w.recordCertificate(victim, c, 1+len(w.attackers), requester, "asked for in the name of "+victim.name+" by somebody else"); err != nil {
			return nil, err
		}
		set[use] = c
	}
	return set, nil
}

// mintedKeys are keys of the intruder's own, certified with a copy of the Issuing
// OCA's key. Devices cannot tell; the CA's log has none of them.
func (w *World) mintedKeys(ctx context.Context, at time.Duration, victim *party) (map[purpose]*credential, error) {
	copied, err := w.copiedAuthority(ctx, thingIssuingOCA)
	if err != nil {
		return nil, err
	}
	set := map[purpose]*credential{}
	for _, use := range victim.needs {
		certificate, key, err := w.mint(ctx, victim, use.usage(), w.authority.made[thingIssuingOCA], copied)
		if err != nil {
			return nil, fmt.Errorf("making the intruder's %s certificate: %w", use, err)
		}
		c := &credential{purpose: use, signer: func(context.Context) crypto.Signer { return key }, certificate: certificate}
		body := CertificateFound{
			File: fmt.Sprintf("certs/%s-%s-%s-minted-%d.pem", victim.entity.Hex(), victim.role, use, 1+len(w.attackers)),
			Note: "the intruder's, made for what he puts on devices; nobody has come upon it yet",
		}
		if err := w.keepFound(ctx, at, thingIssuingOCA, certificate, &body); err != nil {
			return nil, err
		}
		c.file = body.File
		set[use] = c
	}
	return set, nil
}

// prey are the devices that a stolen key commands, in the order in which the
// intruder takes them.
func (w *World) prey(p, victim *party) []int {
	var devices []int
	for _, r := range w.rows() {
		has := r.KeyID(chiefCell(victim.role)) != (policy.KeyID{}) && r.KeyID(chiefCell(p.role)) != (policy.KeyID{})
		if has && (p != victim || w.homeOf(p, &r)) {
			devices = append(devices, r.Index)
		}
	}
	draw := mathrand.New(mathrand.NewPCG(uint64(w.cfg.Seed), 0x696e747275646572+uint64(len(w.attackers))))
	order := make([]int, len(devices))
	for i, k := range draw.Perm(len(devices)) {
		order[i] = devices[k]
	}
	return order
}

// stopAttack has the intruder with a party's key send nothing more.
func (w *World) stopAttack(_ context.Context, _ time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	thief := w.attackerOn(p)
	if thief == nil {
		return refuse("nobody with the key of %s is at work", p.name)
	}
	thief.work.queue, thief.stopped = nil, true
	return nil
}

// provoke lets those at work notice that a device changed hands: an intruder keeps
// count of what he has, and comes back for what was taken from him.
func (w *World) provoke(x *exchange) {
	for _, thief := range w.attackers {
		if x.campaign == thief.work {
			thief.got[x.device] = true
			continue
		}
		_, lost := x.plan.put[chiefCell(thief.victim.role)]
		if lost && thief.got[x.device] && thief.returns > 0 && !thief.stopped && !x.campaign.attack {
			thief.work.insert(attempt{at: x.happened + thief.returns, device: x.device, try: 1})
		}
	}
}

// attackerOn is the intruder with a party's key, or nil.
func (w *World) attackerOn(p *party) *attacker {
	for _, thief := range w.attackers {
		if thief.stolen == p {
			return thief
		}
	}
	return nil
}

// intruders reports whether a key in a role's chief cell is an intruder's.
func (w *World) intruders(cell gbcs.TrustAnchorCell, key policy.KeyID) bool {
	return slices.ContainsFunc(w.attackers, func(thief *attacker) bool {
		c := credentialFor(thief.set, cell)
		return c != nil && c.keyID() == key
	})
}

// taken reports whether an intruder's key stands in a party's chief cell.
func (w *World) taken(p *party, r *fleet.Row) bool {
	return w.intruders(chiefCell(p.role), r.KeyID(chiefCell(p.role)))
}
