package verbs

import (
	"context"
	"crypto/sha256"

	"smki.example/drills/gbcs"
	"smki.example/drills/journal"
	"smki.example/drills/scenario"
	"smki.example/hsm"
)

// KindCopyUse is the kind of the journal entry that tells of a signature by an
// intruder's copy of a guarded key; its body is [CopyUse].
const KindCopyUse journal.Kind = "copyuse"

// CopyUse is one signature that an intruder made with a copy of a guarded key. No
// decision stands behind it, and the checker accepts it only in a drill whose
// timeline gave the copy away.
type CopyUse struct {
	Key      string `json:"key"`
	Digest   string `json:"digest"`
	Campaign string `json:"campaign"`
	Device   string `json:"device"`
}

// copyRecovery gives an intruder a copy of the Recovery key, in a drill whose
// scenario has one. The copy is played by the token itself, in a session of the
// intruder's that was opened before the PIN went to the custodians and that nobody
// else is given.
func (w *World) copyRecovery(ctx context.Context) error {
	if !attacks(w.cfg.Scenario, partyRecovery) {
		return nil
	}
	token, err := w.tokens.login(ctx, ownerRecovery)
	if err != nil {
		return err
	}
	key, err := token.Key(ctx, hsm.Label(recoveryName, 1))
	if err != nil {
		return err
	}
	w.copied = &credential{purpose: purposeSigning, certificate: w.authority.made[recoveryName], signer: key.Signer}
	return nil
}

// attacks reports whether a scenario has an intruder with a party's key, in its
// timeline or in what follows from an answer.
func attacks(s *scenario.Scenario, party string) bool {
	is := func(a *scenario.Action) bool { return a != nil && a.Verb == verbAttack && a.Object.Text == party }
	for _, item := range s.Timeline {
		if is(item.Do) {
			return true
		}
	}
	for _, d := range s.Decisions {
		for _, o := range d.Options {
			for _, then := range o.Then {
				if is(then.Do) {
					return true
				}
			}
		}
	}
	return false
}

// noteCopyUse puts a signature of the copy into the journal.
func (w *World) noteCopyUse(x *exchange) error {
	m, err := gbcs.Decode(x.octets)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(m.Signed)
	_, err = w.record(KindCopyUse, w.clock.now(), CopyUse{
		Key: string(hsm.Label(recoveryName, 1)), Digest: hexOf(digest[:]), Campaign: x.campaign.name, Device: w.fleet.Device(x.device).ID.String(),
	})
	return err
}
