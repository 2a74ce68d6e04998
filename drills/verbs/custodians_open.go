package verbs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/hsm"
	"smki.example/hsm/custody"
)

// openGuard is the ceremony of the custodians: the authorisation is written from
// the decision and signed by the record key, the shares are put together, and the
// session stands until the authorisation ends. Where a share does not fit, the
// others are tried without it, and if those who are there are too few then, the
// next who comes is waited for.
func (w *World) openGuard(ctx context.Context, at time.Duration, c *custodians) error {
	decision := *c.summoned
	span := decision.For
	if span == 0 {
		span = openFor
	}
	// Three tries for each device, and not one signature more: asking a token that
	// does not answer counts too, because it may have signed.
	entry, signed, err := w.authorisation(at, c.pin, c.label, c.use, attempts*w.fleet.Len(), decision, span)
	if err != nil {
		return err
	}
	if trouble := w.tokens.refusesPIN(c.owner); trouble != nil && w.cfg.Envelope != nil {
		// Nobody is asked for a share that there is nothing to do with.
		entry.Shares = []ShareGiven{}
		return w.notOpened(at, c, entry, trouble)
	}
	defer c.putBack()
	if err := w.collect(ctx, at, c); err != nil {
		return err
	}
	var session *custody.Session
	session, err = tryShares(c.pin, c.called, entry, func(list []custody.Share) (*custody.Session, error) {
		if trouble := w.tokens.refusesPIN(c.owner); trouble != nil {
			return nil, trouble
		}
		return c.vault.Open(ctx, signed, list)
	})
	if err != nil {
		if err := w.recordUnused(at, c); err != nil {
			return err
		}
		return w.notOpened(at, c, entry, err)
	}
	if c.symmetric != nil {
		if err := w.openSymmetric(at, c, decision, span); err != nil {
			// Nothing was signed, and without the symmetric key nothing can be.
			return errors.Join(session.Close(), w.notOpened(at, c, entry, err))
		}
	}
	c.summoned, c.session, c.opened, entry.Opened = nil, session, entry, true
	if err := w.recordCustody(at, *entry); err != nil {
		return err
	}
	if k := c.symmetric; k != nil {
		k.opened.Opened = true
		if err := w.recordCustody(at, *k.opened); err != nil {
			return err
		}
	}
	w.pending = append(w.pending, pendingAct{at + span, func(ctx context.Context, at time.Duration) error {
		if c.opened != entry {
			return nil // closed since, and opened for another decision
		}
		return w.closeGuard(ctx, at, c)
	}})
	w.wakeCampaigns(at, c.key)
	return nil
}

// openSymmetric puts the symmetric key together for the same decision, under an
// authorisation of its own that lets it be given out once.
func (w *World) openSymmetric(at time.Duration, c *custodians, decision engine.Authorisation, span time.Duration) error {
	k := c.symmetric
	entry, signed, err := w.authorisation(at, k.shares, k.label, symmetricUse, 1, decision, span)
	if err != nil {
		return err
	}
	session, err := tryShares(k.shares, c.called, entry, func(list []custody.Share) (*custody.SecretSession, error) { return k.vault.Open(signed, list) })
	if err != nil {
		err = fmt.Errorf("the symmetric key: %w", err)
		entry.Refused = err.Error()
		if werr := w.recordCustody(at, *entry); werr != nil {
			return errors.Join(err, werr)
		}
		return err
	}
	k.session, k.opened = session, entry
	return nil
}

// authorisation makes a decision into a permission for one key, and the entry
// that tells of it.
func (w *World) authorisation(at time.Duration, s *shares, label hsm.KeyLabel, use string, count int, decision engine.Authorisation, span time.Duration) (*Custody, []byte, error) {
	w.dcc.given++
	a := custody.Authorisation{
		// The run stands in the name, so that no vault of another drill takes it.
		ID: fmt.Sprintf("%s.%d", w.cfg.Journal.RunID(), w.dcc.given), Key: label, Use: use,
		Count: count, NotBefore: w.clock.date(at), Expires: w.clock.date(at + span), Decision: decision.DecisionHash,
	}
	signed, err := a.Sign(w.cfg.Journal.Key().Signer())
	if err != nil {
		return nil, nil, err
	}
	return &Custody{
		Key: string(label), Authorisation: a.ID, Use: a.Use, Count: a.Count, NotBefore: a.NotBefore, Expires: a.Expires,
		Decision: decision.DecisionSeq, DecisionHash: decision.DecisionHash, Note: string(signed),
		Needed: s.needed, Of: len(s.held), Parties: s.parties, Sample: custodySample,
	}, signed, nil
}

// tryShares opens a secret with those shares that were handed over, one set after
// the other until one fits. Who gave a share, and whose does not fit, is in the entry.
func tryShares[S any](s *shares, called time.Duration, entry *Custody, open func([]custody.Share) (S, error)) (S, error) {
	here := s.handedOver(called)
	var session S
	err := fmt.Errorf("%w: %d are here", custody.ErrTooFewShares, len(here))
	var used []*heldShare
	for _, set := range s.sets(here) {
		if session, err = open(bring(set)); err == nil {
			used = set
			break
		}
		if !errors.Is(err, custody.ErrUnfit) {
			break // it is not about a share
		}
	}
	entry.Shares = s.told(used)
	return session, err
}

// recordUnused tells what custodians did about their shares of the symmetric key
// where the key that it goes with is not open, if they were asked.
func (w *World) recordUnused(at time.Duration, c *custodians) error {
	if c.symmetric == nil || w.cfg.Envelope == nil {
		return nil
	}
	s := c.symmetric.shares
	return w.recordCustody(at, Custody{
		Key: string(s.label), Decision: c.summoned.DecisionSeq, DecisionHash: c.summoned.DecisionHash, Needed: s.needed, Of: len(s.held), Parties: s.parties,
		Shares: s.told(nil), Refused: "not tried, because " + c.words() + " is not open", Sample: custodySample,
	})
}

// notOpened tells why a key is not open, and arranges for the next try: when the
// next custodian comes, or, if it was the token, ten minutes later.
func (w *World) notOpened(at time.Duration, c *custodians, entry *Custody, err error) error {
	// What a token says in its trouble depends on the moment, and the record of a
	// drill must not.
	if entry.Refused = err.Error(); errors.Is(err, hsm.ErrUnavailable) {
		entry.Refused = "the token does not answer, or refuses the PIN"
	}
	if werr := w.recordCustody(at, *entry); werr != nil {
		return errors.Join(err, werr)
	}
	switch {
	case errors.Is(err, hsm.ErrUnavailable):
		w.expect(c, at+outagePause)
		return w.announce(at, c.key, fmt.Sprintf("%s is not open: its token does not answer, or refuses the PIN. The custodians wait, and it is tried again at %s", c.words(), journal.FormatAt(c.opens)))
	case errors.Is(err, custody.ErrUnfit) || errors.Is(err, custody.ErrTooFewShares):
		next, can := c.quorum(c.called, at)
		if again := c.askedAgain(at); again > 0 && (!can || again < next) {
			w.expect(c, again)
			return w.announce(at, c.key, fmt.Sprintf("%s is not open: a share was kept back. Those who are there are asked again at %s", c.words(), journal.FormatAt(again)))
		}
		if can {
			w.expect(c, next)
			why := "the shares do not fit together, so one of them is not what was given out"
			if c.keptBack() {
				why = "a share was kept back"
			}
			return w.announce(at, c.key, fmt.Sprintf("%s is not open: %s. The next custodian is expected at %s", c.words(), why, journal.FormatAt(next)))
		}
		c.opens = 0
		return w.announce(at, c.key, fmt.Sprintf("%s is not open, and nobody else is coming: %s", c.words(), c.short()))
	case errors.Is(err, custody.ErrRefused):
		c.summoned = nil
		return w.announce(at, c.key, fmt.Sprintf("%s is not open: %v", c.words(), err))
	}
	return err
}

// closeGuard ends the session, if there is one, and records how often the key was
// used.
func (w *World) closeGuard(_ context.Context, at time.Duration, c *custodians) error {
	if c.session == nil {
		return nil
	}
	uses := len(c.session.Uses())
	if err := c.session.Close(); err != nil {
		return err
	}
	c.session = nil
	if err := w.recordClosed(at, c.opened, uses); err != nil {
		return err
	}
	k := c.symmetric
	if k == nil || k.session == nil {
		return nil
	}
	uses = len(k.session.Uses())
	if err := k.session.Close(); err != nil {
		return err
	}
	k.session = nil
	return w.recordClosed(at, k.opened, uses)
}

func (w *World) recordClosed(at time.Duration, opened *Custody, uses int) error {
	entry := *opened
	entry.Opened, entry.Closed, entry.Uses, entry.Note, entry.Shares = false, true, uses, "", []ShareGiven{}
	return w.recordCustody(at, entry)
}

// closeGuards ends every session.
func (w *World) closeGuards(ctx context.Context, at time.Duration) error {
	for _, key := range keyNames {
		for _, c := range w.dcc.guards[key] {
			if err := w.closeGuard(ctx, at, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// closeKey ends the use of a key before its authorisation does.
func (w *World) closeKey(ctx context.Context, at time.Duration, a engine.Action) error {
	c := w.guardOf(a.Object)
	if c == nil || c.session == nil {
		return refuse("the %s key is not open", a.Object)
	}
	return w.closeGuard(ctx, at, c)
}
