package verbs

import (
	"context"
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

func (w *World) actOnAuthorities(_ context.Context, _ time.Duration, a engine.Action) error {
	return refuse("%q cannot be carried out yet", a.Verb)
}
