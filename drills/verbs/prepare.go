package verbs

import (
	"context"
	"crypto/sha256"
	"fmt"

	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
)

// prepare makes the octets of each command: asks the broker, takes a counter,
// signs, adds the MAC.
func (w *World) prepare(ctx context.Context, all []*exchange) error {
	for _, x := range all {
		c := x.campaign
		x.plan = w.planFor(c, x.device)
		if !withoutMAC(c.mode) {
			if why := w.broker.refuses(w.authority, c.party, x.plan.signedUnder()); why != "" {
				x.outcome, x.reason, x.because = outcomeBroker, why, why
				continue
			}
		}
		if x.counter = x.attempt.counter; !x.released {
			x.counter = c.take()
		}
		x.ref = fmt.Sprintf("%s/%d/%d", c.name, x.device, x.counter)
		if !withoutMAC(c.mode) && w.keepBack(x) {
			continue
		}
	}
	var sealed []*exchange
	for _, x := range all {
		if x.outcome != "" {
			continue
		}
		if x.campaign.guard != "" {
			// One by one: each use is in the journal before the token is asked.
			if err := w.signWithRecovery(ctx, x); err != nil {
				return err
			}
			continue
		}
		sealed = append(sealed, x)
	}
	inParallel(len(sealed), func(i int) { sealed[i].err = w.protect(ctx, sealed[i]) })
	for _, x := range sealed {
		if x.err != nil {
			return fmt.Errorf("making a command for device %v: %w", w.fleet.Device(x.device).ID, x.err)
		}
		if w.copied != nil && x.plan.signer == w.copied {
			if err := w.noteCopyUse(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// protect signs a command and adds its MAC, as its plan says.
func (w *World) protect(ctx context.Context, x *exchange) error {
	m := w.message(x)
	if x.plan.signer != nil {
		if err := m.SignWith(x.plan.signer.signer(ctx)); err != nil {
			return err
		}
	}
	if x.plan.seal != nil {
		z, err := w.broker.secretWith(w, x.plan.seal, x.device)
		if err != nil {
			return err
		}
		if err := m.AddMAC(z); err != nil {
			return err
		}
	}
	var err error
	x.octets, err = m.Encode()
	return err
}

// message is an exchange's command without protection.
func (w *World) message(x *exchange) *gbcs.Message {
	u := x.plan.update
	u.SeqNumber = x.counter
	x.campaign.floors(&u)
	return gbcs.NewCommand(gbcs.GroupingHeader{
		Counter: x.counter, Originator: x.campaign.party.entity, Recipient: w.fleet.Device(x.device).ID,
	}, &u)
}

// signWithRecovery signs a command through the custodians' session. The use is
// in the journal, with its decision, before the token is asked.
func (w *World) signWithRecovery(ctx context.Context, x *exchange) error {
	cu := w.custody
	// Everything that the session would refuse is looked at first: a use that is in
	// the journal and was refused would be told and never made.
	switch {
	case cu.session == nil || !w.clock.Now().Before(cu.opened.Expires):
		x.reason = "the Recovery key is closed: its authorisation has ended"
	case cu.session.Left() == 0:
		x.reason = "every signature that the authorisation allows was made"
	}
	if x.reason != "" {
		x.outcome, x.because = outcomeUnsigned, x.reason
		return nil
	}
	m := w.message(x)
	unsigned, err := m.ToBeSigned()
	if err != nil {
		return err
	}
	signer, err := cu.session.Signer(ctx, cu.label)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(unsigned)
	cu.uses++
	cu.digests = append(cu.digests, hexOf(digest[:]))
	_, err = w.record(journal.KindKeyUse, w.clock.now(), KeyUse{
		Key: string(cu.label), Number: len(cu.session.Uses()) + 1, Digest: hexOf(digest[:]), Authorisation: cu.opened.Authorisation,
		Decision: cu.opened.Decision, DecisionHash: cu.opened.DecisionHash, Use: recoveryUse, Device: w.fleet.Device(x.device).ID.String(),
	})
	if err != nil {
		return err
	}
	if err := m.SignWith(signer); err != nil {
		return err
	}
	x.octets, err = m.Encode()
	return err
}
