package verbs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"smki.example/drills/engine"
	"smki.example/drills/journal"
	"smki.example/hsm"
)

// Bounds of waiting for a token.
const (
	// outagePause is how long work waits before it asks a token again.
	outagePause = 10 * time.Minute
	// outageTries is how often it asks: a day. Then a person has to think about it.
	outageTries = 144
	// slowRate is how many signatures a slow token makes in one window.
	slowRate = int(windowSize / time.Minute)
)

// outcomeToken is what became of a command that could not be signed now. The word
// stands in records.
const outcomeToken = "waits for the token"

// A fault is what a scenario has befall a token.
type fault struct {
	kind   string
	asked  bool   // the token was asked since, and failed
	backup string // of a token that was destroyed
}

// KindToken is the kind of an entry that tells what befell a token; its body is a
// [TokenFault].
const KindToken journal.Kind = "token"

// TokenFault is what befell a token. It is the facilitator's knowledge: players
// notice when they need the token.
type TokenFault struct {
	Token string `json:"token"`
	Label string `json:"label"`
	Fault string `json:"fault"`
	Note  string `json:"note,omitempty"`
}

// tokenOwner is the owner of a token that a scenario names.
func (w *World) tokenOwner(name string) (string, error) {
	switch name {
	case ownerCA, thingIssuingOCA:
		return ownerCA, nil
	case ownerRecovery, ownerContingency:
		return w.guardOf(name).owner, nil
	}
	p, err := w.party(name)
	if err != nil {
		return "", err
	}
	return p.owner, nil
}

// tokenIs has something happen to a token.
func (w *World) tokenIs(ctx context.Context, at time.Duration, a engine.Action) error {
	owner, err := w.tokenOwner(a.Object)
	if err != nil {
		return err
	}
	made, now, kind := w.tokens.made[owner], w.tokens.faults[owner], a.Params[paramFault]
	if made == nil {
		return refuse("%s has no token in this drill", a.Object)
	}
	if err := befalls(kind, now); err != nil {
		return fmt.Errorf("the token of %s: %w", a.Object, err)
	}
	body := TokenFault{Token: a.Object, Label: made.Label, Fault: kind}
	next := &fault{kind: kind}
	switch kind {
	case faultSessions:
		next, err = nil, made.DropSessions()
	case faultGone:
		// A token that is pulled out takes its sessions with it.
		if err = made.Break(); err == nil {
			err = made.DropSessions()
		}
	case faultDestroyed:
		// The backup is one of the keys as they are: they are made in ceremonies, and a
		// ceremony ends with a backup.
		w.dcc.backups++
		next.backup = filepath.Join(w.cfg.Scratch, fmt.Sprintf("backup-%d", w.dcc.backups))
		if err = made.Backup(ctx, next.backup); err == nil {
			err = errors.Join(made.Destroy(), made.DropSessions())
		}
	case faultRestored:
		body.Note = restoreWords
		if err = made.RestoreFrom(now.backup); err == nil {
			err = w.announce(at, owner, fmt.Sprintf("the token %q is restored from its backup, before a witness", made.Label))
		}
		next = nil
	case faultBack:
		if next = nil; now.kind == faultGone {
			err = made.Restore()
		}
	}
	if err != nil {
		return err
	}
	if next != nil {
		w.tokens.faults[owner] = next
	} else {
		delete(w.tokens.faults, owner)
	}
	_, err = w.record(KindToken, at, body)
	return err
}

// restoreWords are how a token comes back from its backup.
const restoreWords = "restored under ceremony, administrator and internal witness present: label and serial number are those of the token that was destroyed and are checked at every login; what its keys sign is verified before it counts"

// befalls refuses what cannot befall a token as it is now.
func befalls(kind string, now *fault) error {
	switch {
	case now == nil && kind == faultBack:
		return refuse("nothing is wrong with it")
	case kind == faultRestored && (now == nil || now.kind != faultDestroyed):
		return refuse("it is not destroyed: what is gone, slow or locked comes back with fault: back")
	case kind == faultBack && now.kind == faultDestroyed:
		return refuse("it is destroyed: only a backup brings it back, with fault: restored")
	case kind != faultBack && kind != faultRestored && now != nil:
		return refuse("something is wrong with it already: %s", now.kind)
	}
	return nil
}

// refusesPIN is the error of a token whose PIN is locked, or nil.
func (t tokens) refusesPIN(owner string) error {
	if f := t.faults[owner]; f != nil && f.kind == faultPIN {
		return fmt.Errorf("%w: the token %q refuses the PIN: it is locked (CKR_PIN_LOCKED)", hsm.ErrUnavailable, t.made[owner].Label)
	}
	return nil
}

// tokenOut reports whether a token is known not to answer, so that it need not be
// asked: it was since something befell it. SoftHSM locks no PIN, so that a lock is
// played here: whoever would have to log in is refused. The custodians' session that
// stands goes on.
func (w *World) tokenOut(owner string) bool {
	f := w.tokens.faults[owner]
	switch {
	case f == nil:
		return false
	case f.kind == faultPIN:
		return !w.isGuarded(owner)
	}
	return f.asked && (f.kind == faultGone || f.kind == faultDestroyed)
}

// isGuarded reports whether custodians hold the PIN of a token.
func (w *World) isGuarded(owner string) bool {
	for _, all := range w.dcc.guards {
		for _, c := range all {
			if c.owner == owner {
				return true
			}
		}
	}
	return false
}

// allows reports whether a slow token signs once more in the window that ends at a
// time.
func (t tokens) allows(owner string, window time.Duration) bool {
	f := t.faults[owner]
	if f == nil || f.kind != faultSlow {
		return true
	}
	if t.slow[owner].window != window {
		t.slow[owner] = slowCount{window: window}
	}
	s := t.slow[owner]
	s.made++
	t.slow[owner] = s
	return s.made <= slowRate
}

// A slowCount is what a slow token has signed in a window.
type slowCount struct {
	window time.Duration
	made   int
}

// tokenFailed keeps that a token did not answer, and tells players the first time.
func (w *World) tokenFailed(owner string) error {
	if f := w.tokens.faults[owner]; f != nil {
		f.asked = true
	}
	if w.tokens.told[owner] {
		return nil
	}
	w.tokens.told[owner] = true
	return w.announce(max(0, w.clock.now()), owner, fmt.Sprintf("the token %q does not answer. What needs it waits and is tried again every %s, each time with a new counter", w.tokens.made[owner].Label, span(outagePause)))
}

// tokenAnswered tells players that a token works again, if they were told that it
// did not.
func (w *World) tokenAnswered(owner string) error {
	if !w.tokens.told[owner] {
		return nil
	}
	delete(w.tokens.told, owner)
	return w.announce(max(0, w.clock.now()), owner, fmt.Sprintf("the token %q answers again; what waited for it goes on", w.tokens.made[owner].Label))
}

// waitsForToken puts a command off: it was not sent, and its counter is not used
// again.
func (x *exchange) waitsForToken() {
	x.octets, x.outcome = nil, outcomeToken
	x.reason, x.because = "the token that signs does not answer", "the token that signs does not answer"
}

// putOff puts a device back into the queue for when its token may answer. It is no
// try of the device's; one that waited a day is given up.
func (c *campaign) putOff(a attempt) bool {
	if a.waited++; a.waited >= outageTries {
		return false
	}
	a.at += outagePause
	a.released = false
	c.insert(a)
	return true
}

// signingOwner is the owner of the token that signs a command, or "" for a key in
// software or a command without a signature.
func (x *exchange) signingOwner() string {
	if s := x.plan.signer; s != nil && s.owner != nil && s.certificate.Usage.EndEntity() {
		return s.owner.owner
	}
	return ""
}

// tokensFirst takes out of the commands that are to be signed those whose token is
// known not to answer or has no time left for them in this window.
func (w *World) tokensFirst(all []*exchange) []*exchange {
	if len(w.tokens.faults) == 0 {
		return all
	}
	window := windowEnd(w.clock.now())
	var some []*exchange
	for _, x := range all {
		owner := x.signingOwner()
		switch {
		case owner == "":
			some = append(some, x)
		case w.tokenOut(owner), !w.tokens.allows(owner, window):
			x.waitsForToken()
		default:
			some = append(some, x)
		}
	}
	return some
}

// tokenTook books what a token did with a command: it waits if the token did not
// answer.
func (w *World) tokenTook(x *exchange) error {
	owner := x.signingOwner()
	if errors.Is(x.err, hsm.ErrUnavailable) {
		x.err = nil
		x.waitsForToken()
		if owner == "" {
			return nil // an intruder's copy, which nobody reports on
		}
		return w.tokenFailed(owner)
	}
	if x.err == nil && owner != "" {
		return w.tokenAnswered(owner)
	}
	return nil
}

// whenTokenWorks does something that needs a token if the token signs, or as soon
// as it does. It is asked with the key for such questions, before anything is
// begun, so that nothing is done by half.
func (w *World) whenTokenWorks(ctx context.Context, at time.Duration, owner, what string, do func(context.Context, time.Duration) error) error {
	return w.tryWhenTokenWorks(ctx, at, owner, what, outageTries, do)
}

func (w *World) tryWhenTokenWorks(ctx context.Context, at time.Duration, owner, what string, tries int, do func(context.Context, time.Duration) error) error {
	// Asking takes time and changes nothing, so a token that nothing befell is not asked.
	if w.tokens.faults[owner] == nil && !w.tokens.told[owner] {
		return w.doOrWait(ctx, at, what, tries, do)
	}
	err := w.tokens.refusesPIN(owner)
	if err == nil && w.tokenOut(owner) {
		err = hsm.ErrUnavailable
	}
	if err == nil && owner == ownerCA {
		err = w.tokens.health(ctx, owner)
	}
	switch {
	case err == nil:
		if err := w.tokenAnswered(owner); err != nil {
			return err
		}
		return w.doOrWait(ctx, at, what, tries, do)
	case !errors.Is(err, hsm.ErrUnavailable):
		return err
	case tries <= 1:
		return w.announce(at, owner, fmt.Sprintf("%s was given up: the token %q did not answer for a day", what, w.tokens.made[owner].Label))
	}
	if err := w.tokenFailed(owner); err != nil {
		return err
	}
	if tries == outageTries {
		if err := w.announce(at, owner, what+" waits for the token"); err != nil {
			return err
		}
	}
	w.pending = append(w.pending, pendingAct{at + outagePause, func(ctx context.Context, at time.Duration) error {
		return w.tryWhenTokenWorks(ctx, at, owner, what, tries-1, do)
	}})
	return nil
}

// doOrWait does something that may need a party's own token besides. A key is made
// before anything is asked of the CA, so that a token which does not make one has
// left nothing behind, and all of it waits.
func (w *World) doOrWait(ctx context.Context, at time.Duration, what string, tries int, do func(context.Context, time.Duration) error) error {
	err := do(ctx, at)
	owner := w.lostToken()
	if !errors.Is(err, hsm.ErrUnavailable) || owner == "" {
		return err
	}
	w.tokens.faults[owner].asked = true
	return w.tryWhenTokenWorks(ctx, at, owner, what, tries, do)
}

// lostToken is the owner of a token that something befell and that nobody guards,
// or nothing.
func (w *World) lostToken() string {
	for _, owner := range slices.Sorted(maps.Keys(w.tokens.faults)) {
		if f := w.tokens.faults[owner]; !w.isGuarded(owner) && (f.kind == faultGone || f.kind == faultDestroyed) {
			return owner
		}
	}
	return ""
}
