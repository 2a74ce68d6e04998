package verbs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/custody"
)

// custodySample says in the record what of the custody is invented.
const custodySample = "sample: custodians, their Parties, k of n and travel times; no public text gives them"

// openFor is how long a key stays open if the decision does not say.
const openFor = 24 * time.Hour

// recoveryUse is what the Recovery key is authorised for.
const recoveryUse = "cs02b-mode-8"

// A custodian holds one share, on paper of his own. In a drill the share is kept
// in memory, apart from every token.
type custodian struct {
	name   string
	party  string
	travel time.Duration
	share  custody.Share
}

// custodians guard the Recovery key. The vault knows no PIN: the shares are it.
type custodians struct {
	people   []custodian
	needed   int // shares that open the key
	parties  int // from at least so many Parties
	vault    *custody.Vault
	label    hsm.KeyLabel
	summoned *engine.Authorisation // the decision on which they travel, or nil
	opens    time.Duration         // when the key will be open
	session  *custody.Session      // nil: closed
	opened   *Custody              // how it was opened
	count    int                   // authorisations given so far
	uses     int                   // signatures over all sessions
	digests  []string              // of what was signed, in order, as the journal has them
}

// makeCustodians splits the Recovery token's PIN. When it returns no file holds
// the PIN, and the token can be opened by shares and a decision only.
func (w *World) makeCustodians() (*custodians, error) {
	made := w.tokens.made[ownerRecovery]
	seats, threshold := w.cfg.Procedure.Custodians, w.cfg.Procedure.Threshold
	shares, err := custody.Seal(made.PINFile, threshold.Shares, len(seats), nil)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(w.cfg.Journal.Key().Verifier())
	if err != nil {
		return nil, fmt.Errorf("reading the record key: %w", err)
	}
	config := hsm.FromSoftHSM(made)
	config.PINFile = ""
	config.RequireLabelPrefix = exerciseLabel
	c := &custodians{
		needed: threshold.Shares, parties: threshold.Parties, label: hsm.Label(recoveryName, 1),
		vault: &custody.Vault{Token: config, DecisionKey: verifier, Ledger: filepath.Join(w.cfg.Scratch, "custody"), Clock: w.clock.Now},
	}
	for i, seat := range seats {
		c.people = append(c.people, custodian{name: seat.Seat, party: seat.Party, travel: seat.Travel, share: shares[i]})
	}
	return c, nil
}

// Authorise sends for the custodians of a key, in the name of a decision that is
// in the journal. The key is open when enough of them have arrived; a campaign
// that waits for it begins then.
func (w *World) Authorise(_ context.Context, at time.Duration, a engine.Authorisation) error {
	c := w.custody
	refuse := func(format string, args ...any) error {
		err := refuse(format, args...)
		w.refusals = append(w.refusals, fmt.Sprintf("open %s: %v", a.Key, err))
		return err
	}
	switch {
	case a.Key != recoveryName:
		return refuse("no drill of this library opens the %s key: the procedure has no step for it here", a.Key)
	case c.session != nil || c.summoned != nil:
		return refuse("the Recovery key is open, or its custodians are on their way, under an earlier decision")
	}
	c.summoned, c.opens = &a, at+c.quorum()
	w.pending = append(w.pending, pendingAct{c.opens, w.openRecovery})
	_, err := w.record(journal.KindCustody, at, Custody{
		Key: string(c.label), Decision: a.DecisionSeq, DecisionHash: a.DecisionHash, Needed: c.needed, Of: len(c.people), Shares: []ShareGiven{},
		Expected: journal.FormatAt(c.opens), Sample: custodySample,
	})
	return err
}

// arrivals are the custodians in the order in which they reach the ceremony.
func (c *custodians) arrivals() []custodian {
	return slices.SortedStableFunc(slices.Values(c.people), func(a, b custodian) int { return cmp.Compare(a.travel, b.travel) })
}

// quorum is how long it takes until enough custodians of enough Parties are there.
func (c *custodians) quorum() time.Duration {
	parties := map[string]bool{}
	for i, person := range c.arrivals() {
		if parties[person.party] = true; i+1 >= c.needed && len(parties) >= c.parties {
			return person.travel
		}
	}
	panic("verbs: internal error: the procedure pack has a threshold that its custodians cannot meet")
}

// openRecovery is the ceremony of the custodians: the authorisation is written
// from the decision and signed by the record key, the shares are put together,
// and the session stands until the authorisation ends.
func (w *World) openRecovery(ctx context.Context, at time.Duration) error {
	c := w.custody
	decision := *c.summoned
	c.summoned = nil
	c.count++
	span := decision.For
	if span == 0 {
		span = openFor
	}
	a := custody.Authorisation{
		// The run stands in the name, so that no vault of another drill takes it.
		ID: fmt.Sprintf("%s.%d", w.cfg.Journal.RunID(), c.count), Key: c.label, Use: recoveryUse,
		// Three tries for each device, and not one signature more.
		Count: attempts * w.fleet.Len(), NotBefore: w.clock.date(at), Expires: w.clock.date(at + span), Decision: decision.DecisionHash,
	}
	signed, err := a.Sign(w.cfg.Journal.Key().Signer())
	if err != nil {
		return err
	}
	entry := Custody{
		Key: string(c.label), Authorisation: a.ID, Use: a.Use, Count: a.Count, NotBefore: a.NotBefore, Expires: a.Expires,
		Decision: decision.DecisionSeq, DecisionHash: decision.DecisionHash, Note: string(signed),
		Needed: c.needed, Of: len(c.people), Sample: custodySample,
	}
	var shares []custody.Share
	for _, person := range c.arrivals() {
		given := person.travel <= c.quorum()
		entry.Shares = append(entry.Shares, ShareGiven{Custodian: person.name, Party: person.party, Share: person.share.Index(), Given: given})
		if given {
			shares = append(shares, person.share)
		}
	}
	// That they were called, and for which decision, is in the journal already; that
	// the key is open is there before it signs anything.
	session, err := c.vault.Open(ctx, signed, shares)
	if err != nil {
		entry.Refused = err.Error()
		_, werr := w.record(journal.KindCustody, at, entry)
		return errors.Join(err, werr)
	}
	c.session, c.opened, entry.Opened = session, &entry, true
	if _, err := w.record(journal.KindCustody, at, entry); err != nil {
		return err
	}
	w.pending = append(w.pending, pendingAct{at + span, w.closeRecovery})
	w.wakeCampaigns(at, recoveryName)
	return nil
}

// closeRecovery ends the session, if it is open, and records how often the key
// was used.
func (w *World) closeRecovery(_ context.Context, at time.Duration) error {
	c := w.custody
	if c.session == nil {
		return nil
	}
	uses := len(c.session.Uses())
	if err := c.session.Close(); err != nil {
		return err
	}
	c.session = nil
	entry := *c.opened
	entry.Opened, entry.Closed, entry.Uses, entry.Note, entry.Shares = false, true, uses, "", []ShareGiven{}
	_, err := w.record(journal.KindCustody, at, entry)
	return err
}

func (c *custodians) close() error {
	if c.session == nil {
		return nil
	}
	err := c.session.Close()
	c.session = nil
	if err != nil && !errors.Is(err, custody.ErrRefused) {
		return err
	}
	return nil
}

// keyNames are the keys that a scenario may speak of.
var keyNames = []string{recoveryName, "contingency"}
