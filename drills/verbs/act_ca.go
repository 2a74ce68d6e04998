package verbs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/drills/engine"
)

// aboutAuthorities reports whether an action is about the keys of authorities,
// custodians or tokens.
func (w *World) aboutAuthorities(a engine.Action) bool {
	switch a.Verb {
	case verbRenew, verbReissue, verbRenewDevices, verbDestroy, verbToken, verbShare, verbCustodian, verbRogue, verbLogGap:
		return true
	case verbReplace:
		by := a.Params[paramBy]
		return a.Object == thingRoot || a.Object == thingRootRenewed || by == byRecoveryKey || by == byContingencyKey || by == bySupplier || by == byWANProvider
	}
	return false
}

func (w *World) actOnAuthorities(ctx context.Context, at time.Duration, a engine.Action) error {
	do := map[string]func(context.Context, time.Duration, engine.Action) error{
		verbRenew:   w.renew,
		verbReissue: w.reissue,
		verbReplace: func(_ context.Context, at time.Duration, a engine.Action) error {
			return w.replaceAuthority(at, a)
		},
		verbRenewDevices: w.renewDevices,
		verbDestroy:      w.destroy,
		verbToken:        w.tokenIs,
		verbShare:        w.shareIs,
		verbCustodian:    w.custodianIs,
		verbRogue:        w.rogue,
		verbLogGap:       w.gap,
	}[a.Verb]
	err := do(ctx, at, a)
	w.changed()
	if errors.Is(err, engine.ErrRefused) {
		w.refusals = append(w.refusals, fmt.Sprintf("%s %s: %v", a.Verb, a.Object, err))
	}
	return err
}

// waitsForCA are the verbs of others in which the CA signs: they wait for its
// token.
func waitsForCA(a engine.Action) bool {
	switch a.Verb {
	case verbReplace, verbHandOver, verbRevoke, verbPublish, verbAttack:
		return true
	}
	return false
}

// whenCAWorks does an action in which the CA signs now, or as soon as its token
// answers. A refusal that comes later is counted as one that comes now.
func (w *World) whenCAWorks(ctx context.Context, at time.Duration, a engine.Action, do func(context.Context, time.Duration, engine.Action) error) error {
	return w.whenTokenWorks(ctx, at, ownerCA, a.Verb+" "+a.Object, func(ctx context.Context, later time.Duration) error {
		err := do(ctx, later, a)
		if later == at || !errors.Is(err, engine.ErrRefused) {
			return err
		}
		w.changed()
		w.refusals = append(w.refusals, fmt.Sprintf("%s %s: %v", a.Verb, a.Object, err))
		return w.announce(later, a.Object, fmt.Sprintf("%s %s had waited and was refused: %v", a.Verb, a.Object, err))
	})
}
