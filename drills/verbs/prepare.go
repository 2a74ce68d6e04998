package verbs

import (
	"context"
	"fmt"

	"smki.example/drills/gbcs"
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
			if err := w.signGuarded(ctx, x); err != nil {
				return err
			}
			continue
		}
		sealed = append(sealed, x)
	}
	sealed = w.tokensFirst(sealed)
	inParallel(len(sealed), func(i int) { sealed[i].err = w.protect(ctx, sealed[i]) })
	for _, x := range sealed {
		if err := w.tokenTook(x); err != nil {
			return err
		}
		if x.err != nil {
			return fmt.Errorf("making a command for device %v: %w", w.fleet.Device(x.device).ID, x.err)
		}
		if w.copied != nil && x.plan.signer == w.copied && x.octets != nil {
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
	u.SymmetricKey = x.campaign.symmetricKey
	return gbcs.NewCommand(gbcs.GroupingHeader{
		Counter: x.counter, Originator: x.campaign.party.entity, Recipient: w.fleet.Device(x.device).ID,
	}, &u)
}
