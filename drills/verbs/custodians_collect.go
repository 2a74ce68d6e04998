package verbs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"smki.example/hsm/custody"
)

// collect asks the custodians who have come for their shares of all that an opening
// needs. Where nobody is asked, who came gives. It returns when every secret has
// enough, or when everybody has answered; the shares are out of their envelopes until
// putBack.
func (w *World) collect(ctx context.Context, at time.Duration, c *custodians) error {
	var calls []*call
	for _, s := range c.secrets() {
		s.asked++
		for _, h := range s.coming(c.called) {
			switch {
			case h.arrival(c.called) > at:
			case h.envelope != nil:
				calls = append(calls, &call{of: s, held: h})
			default:
				h.handed = h.paper
			}
		}
	}
	if len(calls) == 0 {
		return nil
	}
	ctx, enough := context.WithCancelCause(ctx)
	defer enough(nil)
	answered := make(chan *call)
	for _, x := range calls {
		x.ask = ShareCall{
			At: at, Key: string(x.of.label), Words: KeyWords(string(x.of.label)), Seat: x.held.by.name, Party: x.held.by.party,
			Decision: c.summoned.DecisionSeq, Hash: c.summoned.DecisionHash, Needed: x.of.needed, Of: len(x.of.held), Opening: x.of.asked,
		}
		go func() {
			x.put(ctx, w.cfg.Share)
			answered <- x
		}()
	}
	// Everybody is waited for, so that no call outlives the opening; but who answers
	// after there is enough is not listened to, or the next run would differ.
	var failed error
	over := false
	for range calls {
		x := <-answered
		h := x.held
		switch {
		case over:
			continue
		case errors.Is(x.err, ErrNotAnswered):
		case x.err != nil:
			over, failed = true, fmt.Errorf("asking %s for a share of %s: %w", h.by.name, x.ask.Words, x.err)
			enough(x.err)
			continue
		default:
			h.handed, h.withheld, h.mistyped = x.share, x.share == nil, x.mistyped
		}
		if c.handedEnough() {
			over = true
			enough(ErrNotAnswered)
		}
	}
	return failed
}

// A call is one custodian being asked for one share.
type call struct {
	of       *shares
	held     *heldShare
	ask      ShareCall
	share    *custody.Share // nil: withheld
	mistyped int
	err      error
}

// mostMistyped is how often a code is asked for. Somebody who has it gets it right
// long before.
const mostMistyped = 20

// put asks until an envelope is open, or its custodian keeps the share back.
func (x *call) put(ctx context.Context, ask ShareFunc) {
	for x.ask.Call = 1; ; x.ask.Call++ {
		code, given := "", false
		if code, given, x.err = ask(ctx, x.ask); x.err != nil || ctx.Err() != nil {
			if x.err == nil {
				x.err = context.Cause(ctx)
			}
			return
		}
		if !given {
			return
		}
		if share, err := openEnvelope(x.held.envelope, code); err == nil {
			x.share = &share
			return
		}
		if x.mistyped++; x.mistyped == mostMistyped {
			return
		}
		x.ask.Mistyped = true
	}
}

// handedOver are the shares that were, in the order in which their custodians came.
func (s *shares) handedOver(called time.Duration) []*heldShare {
	var here []*heldShare
	for _, h := range s.coming(called) {
		if h.handed != nil {
			here = append(here, h)
		}
	}
	return here
}

// handedEnough reports whether every secret that an opening needs has enough.
func (c *custodians) handedEnough() bool {
	for _, s := range c.secrets() {
		if !s.open(s.handedOver(c.called)) {
			return false
		}
	}
	return true
}

// askedAgain is when custodians are asked once more who kept a share back without
// which there is not enough; 0 if that would not help, or they were asked often
// enough.
func (c *custodians) askedAgain(at time.Duration) time.Duration {
	for _, s := range c.secrets() {
		var some []*heldShare
		for _, h := range s.coming(c.called) {
			if h.handed != nil || h.withheld {
				some = append(some, h)
			}
		}
		if !s.open(some) {
			return 0
		}
	}
	if !c.keptBack() || c.patience == attempts-1 {
		return 0
	}
	c.patience++
	return at + AgainAfter
}

// keptBack reports whether a custodian who was there did not give a share.
func (c *custodians) keptBack() bool {
	return slices.ContainsFunc(c.secrets(), func(s *shares) bool {
		return slices.ContainsFunc(s.held, func(h *heldShare) bool { return h.withheld })
	})
}

// told is what each custodian did about a share, for the record.
func (s *shares) told(used []*heldShare) []ShareGiven {
	all := []ShareGiven{}
	for _, h := range s.held {
		g := ShareGiven{Custodian: h.by.name, Party: h.by.party, Share: h.number, Given: slices.Contains(used, h)}
		if h.envelope != nil {
			g.Handed, g.Withheld, g.Mistyped = h.handed != nil, h.withheld, h.mistyped
		}
		all = append(all, g)
	}
	return all
}

// putBack ends what an opening had on the table: the plain shares of envelopes are
// gone.
func (c *custodians) putBack() {
	for _, s := range c.secrets() {
		for _, h := range s.held {
			h.handed, h.withheld, h.mistyped = nil, false, 0
		}
	}
}
