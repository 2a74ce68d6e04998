package verbs

import (
	"context"
	"fmt"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// A deferral is the PMA's word that a party's old certificates are not to be revoked
// for a time, so that its customers on prepayment can be put in a safe mode first
// (MP134A).
type deferral struct {
	until  time.Duration
	reason string
}

// KindDeferral is the kind of a deferral's journal entry, whose body is [Deferred].
const KindDeferral journal.Kind = "deferral"

// Deferred tells that a revocation was put off, and that its time has come.
type Deferred struct {
	Party  string `json:"party"`
	Until  string `json:"until"`
	Reason string `json:"reason"`
	Ended  bool   `json:"ended,omitempty"`
}

// deferRevocation puts off the revocation of a party's old certificates. When the
// time is over they are revoked: a deferral has an end.
func (w *World) deferRevocation(_ context.Context, at time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	if d := w.deferrals[p]; d != nil {
		return refuse("the revocation of the certificates of %s is put off until %s already", p.name, journal.FormatAt(d.until))
	}
	for _, set := range w.oldSets(p) {
		for _, use := range p.needs {
			if w.authority.revoked(set[use].certificate.Serial) {
				return refuse("certificates of %s are revoked: what is on the list stays on it", p.name)
			}
		}
	}
	d := &deferral{until: at + a.Duration(paramFor), reason: a.Params[paramReason]}
	w.deferrals[p] = d
	w.subject(p)
	if err := w.noteDeferral(at, p, d, false); err != nil {
		return err
	}
	w.pending = append(w.pending, pendingAct{d.until, func(ctx context.Context, at time.Duration) error {
		delete(w.deferrals, p)
		if err := w.noteDeferral(at, p, d, true); err != nil {
			return err
		}
		by := fmt.Sprintf("SMKI PMA (exercise): put off until %s", journal.FormatAt(d.until))
		issuers, err := w.withdraw(ctx, at, p, w.oldSets(p), policy.ReasonKeyCompromise, by)
		if err != nil {
			return err
		}
		return w.publishRevoked(ctx, at, issuers)
	}})
	return nil
}

func (w *World) noteDeferral(at time.Duration, p *party, d *deferral, ended bool) error {
	body := Deferred{Party: p.name, Until: journal.FormatAt(d.until), Reason: d.reason, Ended: ended}
	_, err := w.record(KindDeferral, at, body)
	if err == nil {
		w.tell(at, body)
	}
	return err
}
