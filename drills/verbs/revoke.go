package verbs

import (
	"context"
	"slices"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/policy"
)

// revoke has the CA revoke a set of certificates, all or none, and publish a new
// list.
func (w *World) revoke(ctx context.Context, at time.Duration, a engine.Action) error {
	reason, err := policy.ParseReason(a.Params[paramReason])
	if err != nil {
		return err
	}
	if a.Object == intruderCertificates {
		if len(w.attackers) == 0 {
			return refuse("nobody but their owners has certificates in this drill")
		}
		if !slices.ContainsFunc(w.attackers, func(thief *attacker) bool { return !thief.minted }) {
			return refuse("the CA's log has none of the intruder's certificates, so it cannot revoke them: they end with the authority whose key was copied")
		}
		var issuers []string
		for _, thief := range w.attackers {
			if thief.minted {
				continue
			}
			by, err := w.withdraw(ctx, at, thief.victim, []map[purpose]*credential{thief.set}, reason, "DCC service desk (exercise)")
			if err != nil {
				return err
			}
			issuers = append(issuers, by...)
		}
		return w.publishRevoked(ctx, at, issuers)
	}
	p, err := w.party(strings.TrimSuffix(a.Object, oldCertificates))
	if err != nil {
		return err
	}
	if d := w.deferrals[p]; d != nil {
		return refuse("the PMA has put off the revocation of the certificates of %s until %s: %s", p.name, journal.FormatAt(d.until), d.reason)
	}
	w.subject(p)
	issuers, err := w.withdraw(ctx, at, p, w.oldSets(p), reason, p.name)
	if err != nil {
		return err
	}
	return w.publishRevoked(ctx, at, issuers)
}

// publishRevoked has the Issuing OCA publish its list, and each one before it that
// issued some of what was revoked, by its identity: a revocation stands on the list
// of the key that signed the certificate, and on no other.
func (w *World) publishRevoked(ctx context.Context, at time.Duration, issuers []string) error {
	slices.Sort(issuers)
	for _, id := range slices.Compact(issuers) {
		if _, generation := ca.SplitID(id); generation == w.authority.generation(thingIssuingOCA) {
			continue
		}
		if err := w.publish(ctx, at, id); err != nil {
			return err
		}
	}
	return w.publish(ctx, at, thingIssuingOCA)
}

// oldSets are the certificates of a party that others took the place of, or its
// first if nothing did yet.
func (w *World) oldSets(p *party) []map[purpose]*credential {
	return p.generations[:max(1, len(p.generations)-1)]
}

// withdraw has the CA revoke sets of certificates of a party, all or none of them.
// Those that are on the list already stay there. It returns who issued them, whose
// lists are then to be published.
func (w *World) withdraw(ctx context.Context, at time.Duration, p *party, sets []map[purpose]*credential, reason policy.Reason, by string) ([]string, error) {
	var wanted []revocation.Revoke
	for _, set := range sets {
		for _, use := range p.needs {
			if c := set[use].certificate; len(sets) == 1 || !w.authority.revoked(c.Serial) {
				wanted = append(wanted, revocation.Revoke{Serial: c.Serial, Reason: reason, By: by})
			}
		}
	}
	done, err := w.authority.register.RevokeAll(ctx, wanted)
	if err != nil {
		return nil, err
	}
	var issuers []string
	for _, r := range done {
		if r.New {
			w.revokedAt = at
		}
		issuers = append(issuers, r.Issuer)
		body := Revoked{Serial: r.Serial.String(), Issuer: "issuing-oca", Party: p.name, Reason: r.Reason.String(), By: r.By, Note: r.Says()}
		if _, err := w.record(journal.KindRevocation, at, body); err != nil {
			return nil, err
		}
		w.tell(at, body)
	}
	return issuers, nil
}
