package verbs

import (
	"context"
	"fmt"
	"time"

	"smki.example/drills/engine"
)

// custodianIs has something happen to a custodian.
func (w *World) custodianIs(_ context.Context, at time.Duration, a engine.Action) error {
	c := w.custodianAt(a.Object)
	if c == nil {
		return fmt.Errorf("there is no custodian %q", a.Object)
	}
	says := ""
	switch a.Params[paramIs] {
	case custodianAway:
		c.away, says = true, "cannot come"
	case custodianBack:
		if c.vacant {
			return refuse("%s has left: the seat is vacant until somebody takes it", c.name)
		}
		if c.away {
			c.away, c.since = false, at
		}
		says = "can come again"
	case custodianLeft:
		c.vacant, says = true, "has left, and the seat is vacant. The shares stay behind and count as lost"
	case custodianReplaced:
		c.person++
		c.vacant, c.away, c.since = false, false, at
		says = "is somebody new, who has no share until a key is renewed"
	}
	if err := w.announce(at, c.name, fmt.Sprintf("%s, of %s, %s", c.name, c.party, says)); err != nil {
		return err
	}
	return w.reconsider(at)
}

func (w *World) custodianAt(seat string) *custodian {
	for _, c := range w.dcc.people {
		if c.name == seat {
			return c
		}
	}
	return nil
}

// sharesOf are the shares of a secret in its newest generation that devices know,
// which is the one that matters.
func (w *World) sharesOf(secret string) *shares {
	if secret == secretSymmetric {
		return w.guardOf(contingencyName).symmetric.shares
	}
	return w.guardOf(secret).pin
}

// shareIs has something happen to a custodian's share. That one does not fit is
// noticed when it is used and not before, so nobody is told.
func (w *World) shareIs(_ context.Context, at time.Duration, a engine.Action) error {
	secret := a.Params[paramOf]
	for _, h := range w.sharesOf(secret).held {
		if h.by.name != a.Object {
			continue
		}
		says := ""
		switch a.Params[paramFault] {
		case shareMissing:
			h.missing, says = true, "is missing"
		case shareCorrupt:
			h.corrupt = true
		case shareSeen:
			h.seen, says = true, "may have been read by somebody else"
		case shareFound:
			h.missing, h.corrupt, h.seen, says = false, false, false, "is found, sealed and whole"
		}
		if says != "" {
			if err := w.announce(at, secret, fmt.Sprintf("the share of %s that %s holds %s", secretWords(secret), h.by.name, says)); err != nil {
				return err
			}
		}
		return w.reconsider(at)
	}
	return refuse("%s holds no share of %s", a.Object, secretWords(secret))
}
