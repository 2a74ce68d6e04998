package verbs

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"time"

	mathrand "math/rand/v2"

	"smki.example/drills/engine"
	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
)

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
