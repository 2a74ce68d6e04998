package verbs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/drills/engine"
)

// Act starts one verb of the scenario; see vocabulary.go for what each means.
func (w *World) Act(ctx context.Context, at time.Duration, a engine.Action) error {
	if w.aboutAuthorities(a) {
		return w.actOnAuthorities(ctx, at, a)
	}
	do := map[string]func(context.Context, time.Duration, engine.Action) error{
		verbReplace:    w.replace,
		verbHandOver:   w.handOver,
		verbChange:     w.changeSupplier,
		verbAttack:     w.attack,
		verbStopAttack: w.stopAttack,
		verbFreeze:     w.freeze,
		verbRelease:    w.release,
		verbRaise:      w.raise,
		verbLower:      w.lower,
		verbExit:       w.exitQuarantine,
		verbNotice:     w.notice,
		verbRevoke:     w.revoke,
		verbDefer:      w.deferRevocation,
		verbPublish: func(ctx context.Context, at time.Duration, a engine.Action) error {
			return w.publish(ctx, at, a.Object)
		},
		verbReadBack: w.readBack,
		verbReport:   w.report,
		verbClose:    w.closeKey,
	}[a.Verb]
	if do == nil {
		return fmt.Errorf("verbs: internal error: verb %q is in the vocabulary and nobody does it", a.Verb)
	}
	var err error
	if waitsForCA(a) {
		err = w.whenCAWorks(ctx, at, a, do)
	} else {
		err = do(ctx, at, a)
	}
	w.changed()
	if errors.Is(err, engine.ErrRefused) {
		w.refusals = append(w.refusals, fmt.Sprintf("%s %s: %v", a.Verb, a.Object, err))
	}
	return err
}

// freeze has the broker hold all traffic in a party's name, its own included. Held
// already, it stays held.
func (w *World) freeze(_ context.Context, _ time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	p.frozen = true
	return nil
}

// release ends a freeze, if there is one.
func (w *World) release(_ context.Context, _ time.Duration, a engine.Action) error {
	p, err := w.party(a.Object)
	if err != nil {
		return err
	}
	p.frozen = false
	return nil
}
