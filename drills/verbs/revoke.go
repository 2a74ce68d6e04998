package verbs

import (
	"context"
	"strings"
	"time"

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
	var set map[purpose]*credential
	var p *party
	by := "DCC service desk (exercise)"
	if a.Object == intruderCertificates {
		if w.attacker == nil {
			return refuse("nobody but their owners has certificates in this drill")
		}
		p, set = w.attacker.party, w.attacker.set
	} else {
		if p, err = w.replaceable(strings.TrimSuffix(a.Object, oldCertificates)); err != nil {
			return err
		}
		set, by = p.generations[0], p.name
	}
	var wanted []revocation.Revoke
	for _, use := range p.needs {
		wanted = append(wanted, revocation.Revoke{Serial: set[use].certificate.Serial, Reason: reason, By: by})
	}
	done, err := w.authority.register.RevokeAll(ctx, wanted)
	if err != nil {
		return err
	}
	for _, r := range done {
		_, err := w.record(journal.KindRevocation, at, Revoked{
			Serial: r.Serial.String(), Issuer: "issuing-oca", Party: p.name, Reason: r.Reason.String(), By: r.By, Note: r.Says(),
		})
		if err != nil {
			return err
		}
	}
	return w.publish(ctx, at, "issuing-oca")
}
