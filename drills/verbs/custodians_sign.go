package verbs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"smki.example/drills/fleet"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/custody"
)

// knownTo reports whether a device knows a generation of a guarded key: its
// recovery cell holds it, or its root certificate carries it.
func (c *custodians) knownTo(w *World, device int) bool {
	d := w.fleet.Device(device)
	if c.key == recoveryName {
		a, has := d.Cell(fleet.CellRecovery)
		return has && a.KeyID == c.certificate.SubjectKeyID
	}
	a, has := d.Cell(fleet.CellRoot)
	root := w.dcc.rootOf(c)
	return has && root != nil && a.Certificate != nil && bytes.Equal(a.Certificate.WrappedContingency, root.WrappedContingency)
}

// signGuarded signs a command through the custodians' session. The use is in the
// journal, with its decision, before the token is asked. A token that does not
// answer may have signed: the use stays told, the counter is never used again, and
// the command is put off.
func (w *World) signGuarded(ctx context.Context, x *exchange) error {
	c := w.guardOf(x.campaign.guard)
	// Everything that the session would refuse is looked at first: a use that is in
	// the journal and was refused would be told and never made.
	switch {
	case c.session == nil || !w.clock.Now().Before(c.opened.Expires):
		x.reason = "the " + keyWords[c.key] + " is closed: its authorisation has ended"
	case c.session.Left() == 0:
		x.reason = "every signature that the authorisation allows was made"
	}
	if x.reason != "" {
		x.outcome, x.because = outcomeUnsigned, x.reason
		return nil
	}
	if w.tokenOut(c.owner) || !w.tokens.allows(c.owner, windowEnd(w.clock.now())) {
		x.waitsForToken()
		return nil
	}
	if ready, err := w.readyForContingency(ctx, x, c); !ready || err != nil {
		return err
	}
	m := w.message(x)
	unsigned, err := m.ToBeSigned()
	if err != nil {
		return err
	}
	signer, err := c.session.Signer(ctx, c.label)
	if err != nil {
		return err
	}
	if err := w.tellUse(c.opened, string(c.label), sha256.Sum256(unsigned), len(c.session.Uses())+1, x.device); err != nil {
		return err
	}
	c.uses++
	switch err := m.SignWith(signer); {
	case errors.Is(err, hsm.ErrUnavailable):
		x.waitsForToken()
		return w.tokenFailed(c.owner)
	case err != nil:
		return err
	}
	if err := w.tokenAnswered(c.owner); err != nil {
		return err
	}
	if k := c.symmetric; k != nil {
		k.exposed = true
	}
	x.octets, err = m.Encode()
	return err
}

// tellUse enters a use of a guarded key in the journal, before it is made.
func (w *World) tellUse(opened *Custody, key string, digest [32]byte, number, device int) error {
	w.dcc.digests[opened.Authorisation] = append(w.dcc.digests[opened.Authorisation], hexOf(digest[:]))
	use := KeyUse{
		Key: key, Number: number, Digest: hexOf(digest[:]), Authorisation: opened.Authorisation,
		Decision: opened.Decision, DecisionHash: opened.DecisionHash, Use: opened.Use,
	}
	if device >= 0 {
		use.Device = w.fleet.Device(device).ID.String()
	}
	_, err := w.record(journal.KindKeyUse, w.clock.now(), use)
	if err == nil && number == 1 {
		w.tell(w.clock.now(), use)
	}
	return err
}

// giveOut takes the symmetric key out of the custodians' hands, once. The use is
// in the journal before.
func (w *World) giveOut(k *symmetric) ([]byte, error) {
	text, err := k.session.Digest()
	if err != nil {
		return nil, err
	}
	digest, err := hex.DecodeString(text)
	if err != nil || len(digest) != sha256.Size {
		return nil, fmt.Errorf("verbs: internal error: %q is no digest", text)
	}
	if err := w.tellUse(k.opened, string(k.label), [sha256.Size]byte(digest), 1, -1); err != nil {
		return nil, err
	}
	return k.session.Take()
}

// guardedUses compares three accounts of the keys that custodians guard: their
// ledger, the journal, and the decisions that the authorisations name.
func (w *World) guardedUses(context.Context) (bool, string, error) {
	spent, err := custody.ReadLedger(w.ledger())
	if err != nil {
		return false, "", err
	}
	verifier, err := w.decisionKey()
	if err != nil {
		return false, "", err
	}
	bad, inLedger, inJournal := 0, 0, 0
	for _, s := range spent {
		a, err := custody.ParseAuthorisation(s.Signed, verifier)
		if err != nil || a.Decision == "" {
			bad++
		}
		var digests []string
		for _, use := range s.Uses {
			digests = append(digests, use.Digest)
		}
		inLedger += len(digests)
		if !slices.Equal(digests, w.dcc.digests[s.Authorisation.ID]) {
			bad++
		}
	}
	for _, told := range w.dcc.digests {
		inJournal += len(told)
	}
	return bad == 0 && inLedger == inJournal,
		fmt.Sprintf("%d uses of the Recovery key, the Contingency key and the symmetric key in the custodians' ledger, %d in the journal, under %d authorisations", inLedger, inJournal, len(spent)), nil
}

// usesOf is how often a key signed, over all its generations.
func (w *World) usesOf(key string) int {
	n := 0
	for _, c := range w.dcc.guards[key] {
		n += c.uses
	}
	return n
}
