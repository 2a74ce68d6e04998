package ca

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Issue signs a certificate for r under the profile it asks for, and returns it
// once it is in the ledger.
//
// The order of the steps is the purpose of this function. The intent (serial,
// profile and the exact bytes to be signed) is committed, with its audit record,
// before the key is asked for anything, so that a crash on any later line leaves
// a serial that can be looked up and revoked. An intent without a certificate is
// therefore normal after a power loss, and [Issuer.Reconcile] settles it. A
// certificate without an intent cannot come from here.
//
// An error wrapping [ErrRefused] means that policy said no and a retry would hear
// the same; it is one line that names the rule. An error wrapping [ErrUncertain]
// means that the key may have signed before the failure: the serial is written
// off, or will be, and never used again. Any other error is an outage, or
// [ErrConflict], and nothing was signed.
//
// From the intent on, ctx ends the waiting for the token and nothing else: what
// has been signed is recorded, or written off, whoever still waits for it.
func (i *Issuer) Issue(ctx context.Context, r Request) (*Certificate, error) {
	// 1. Size and form limits, strict parse, proof of possession, eligibility, and
	// the authority that will sign.
	d, err := i.examine(ctx, r)
	if err != nil {
		return nil, i.heard(r, err)
	}

	// 2. Serial number, to-be-signed bytes, lints.
	if err := i.draw(d); err != nil {
		return nil, i.heard(r, err)
	}

	// 3. Key not blocked, not certified before, device below its limit: decided in
	// the transaction that commits intent and audit record, so that two who ask at
	// once are decided one after the other. Those who wait together share it.
	if err := i.intents.join(ctx, d); err != nil {
		return nil, fmt.Errorf("issuing to %q: %w", r.Requester, err)
	}
	if d.err != nil {
		return nil, i.heard(r, d.err)
	}
	defer i.Release(&d.intent)

	// 4. The token signs; the signature is verified, the certificate read back.
	d.err = i.sign(ctx, d)

	// 5. Certificate and audit record committed; with that it is in the Repository.
	// A failure of step 4 is settled here as well, whoever still waits for it.
	if err := i.records.join(context.WithoutCancel(ctx), d); err != nil {
		return nil, fmt.Errorf("issuing to %q: %w", r.Requester, err)
	}
	if d.err != nil {
		return nil, fmt.Errorf("issuing to %q: %w", r.Requester, d.err)
	}
	return d.certificate, nil
}

// heard logs a refusal, which is no failure, and returns it as it is.
func (i *Issuer) heard(r Request, err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		i.logger.Info("request refused", "requester", r.Requester, "rule", refusal.Rule, "reason", refusal.Err.Error())
		return err
	}
	return fmt.Errorf("issuing to %q: %w", r.Requester, err)
}

// commitIntents decides what only the database can decide, and commits the
// intents of the drafts that pass, with one audit record for each requester. A
// draft that is refused gets its err. After an error of commitIntents itself
// nothing will be signed; whatever may have reached the disk nevertheless is
// settled as unused.
func (i *Issuer) commitIntents(ctx context.Context, drafts []*draft) error {
	if err := i.at("before-intent"); err != nil {
		return err
	}
	err := i.write(ctx, len(drafts), func(tx store.Tx) error {
		if err := i.admit(ctx, tx, drafts); err != nil {
			return err
		}
		var intents []*Intent
		good := make(map[string][]*Intent) // by requester
		for _, d := range drafts {
			if d.err == nil {
				intents = append(intents, &d.intent)
				good[d.requester] = append(good[d.requester], &d.intent)
			}
		}
		if err := i.AddIntents(ctx, tx, intents); err != nil {
			return err
		}
		for _, requester := range slices.Sorted(maps.Keys(good)) {
			if err := i.AuditIntents(ctx, tx, requester, good[requester]...); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = i.at("intent-committed")
	}
	if err != nil {
		for _, d := range drafts {
			if d.err == nil {
				d.err = fmt.Errorf("committing the intent: %w", err)
			}
		}
		i.settle(ctx, drafts, StateUnused)
		for _, d := range drafts {
			i.Release(&d.intent)
		}
		return fmt.Errorf("committing the intent: %w", err)
	}
	return nil
}

// sign asks the token for one signature, verifies it and reads the certificate
// back. The intent must be committed. On error the signature, if there is one, is
// thrown away; the error wraps ErrUncertain unless the token was not asked, because
// the caller has gone.
func (i *Issuer) sign(ctx context.Context, d *draft) error {
	if ctx.Err() != nil {
		return fmt.Errorf("waiting to sign: %w", context.Cause(ctx))
	}
	digest := sha256.Sum256(d.intent.TBS)
	der, step, err := i.signBytes(ctx, d.authority, d.intent.TBS, digest[:], policy.Assemble)
	if err == nil {
		var cert *policy.Certificate
		step = "verifying the signature of"
		if cert, err = policy.ParseCertificate(der); err == nil {
			d.certificate, err = newCertificate(cert, d.profile.Name, d.intent.Issuer, d.requester)
		}
	}
	if err != nil {
		return &UncertainError{Serial: d.intent.Serial, Step: step, Err: err}
	}
	d.certificate.Intent = d.intent.ID
	return nil
}

// signBytes has tbs signed by an authority and returns the whole object, its
// signature verified with the key of the authority's certificate. It says at
// which step it failed.
func (i *Issuer) signBytes(ctx context.Context, a *Authority, tbs, digest []byte, assemble func(tbs, sig []byte) ([]byte, error)) (der []byte, step string, err error) {
	sig, err := a.Signer(ctx).Sign(i.rand, digest, crypto.SHA256)
	if err == nil {
		err = i.at("signed")
	}
	if err != nil {
		return nil, "signing", err
	}
	if err := policy.VerifyTBS(a.Certificate.PublicKey, tbs, sig); err != nil {
		return nil, "verifying the signature of", err
	}
	der, err = assemble(tbs, sig)
	return der, "verifying the signature of", err
}

// SignTBS has the bytes of a committed intent signed by the authority it names and
// returns the certificate or CRL. It is the one way to a CA key for the rooms
// above; on error the caller settles the intent as written off.
func (i *Issuer) SignTBS(ctx context.Context, in *Intent) ([]byte, error) {
	a, err := i.authorities.find(in.Issuer)
	if err != nil {
		return nil, err
	}
	digest, assemble := in.Digest(), policy.Assemble
	if in.Assemble != nil {
		assemble = func(_, signature []byte) ([]byte, error) { return in.Assemble(signature) }
	}
	der, step, err := i.signBytes(ctx, a, in.TBS, digest[:], assemble)
	if err != nil {
		return nil, fmt.Errorf("%s %s of %q: %w", step, in.Kind, in.Issuer, err)
	}
	return der, nil
}

// record commits the certificates that were signed, and writes off the serials of
// the drafts that failed at the token, with their audit records, in one
// transaction. Afterwards every draft has either a recorded certificate or an
// err.
//
// If that transaction fails, the signatures exist and are in nobody's hands: a
// second one finds out which of them are in the ledger after all ("it happened
// but we were told it failed") and writes the others off. If that fails too, the
// intents stay open for Reconcile.
func (i *Issuer) record(ctx context.Context, drafts []*draft) {
	// A caller who has gone must not take what was signed with them.
	ctx = context.WithoutCancel(ctx)
	if err := i.tryRecord(ctx, drafts); err != nil {
		i.notRecorded(ctx, drafts, err)
	}
}

// notRecorded is what record does after its first transaction failed.
func (i *Issuer) notRecorded(ctx context.Context, drafts []*draft, err error) {
	for _, d := range drafts {
		if d.err == nil {
			d.err = &UncertainError{Serial: d.intent.Serial, Step: "recording", Err: err}
		}
	}
	i.settle(ctx, drafts, StateWrittenOff)
}

// tryRecord is the first of the transactions of record.
func (i *Issuer) tryRecord(ctx context.Context, drafts []*draft) error {
	var signed []*draft
	for _, d := range drafts {
		if d.err == nil {
			signed = append(signed, d)
		}
	}
	err := i.at("before-record")
	if err == nil {
		err = i.write(ctx, len(drafts), func(tx store.Tx) error { return i.recordIn(ctx, tx, drafts, signed) })
	}
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if d.err != nil {
			i.settled(d)
		}
	}
	// The answer is on disk; nothing that fails now can make it untrue.
	_ = i.at("recorded")
	return nil
}

// An undoneError is what the function of a transaction returned: it is certain that
// nothing the function wrote is on disk.
type undoneError struct{ error }

func (e undoneError) Unwrap() error { return e.error }

// longWrite is from how many certificates on a transaction is a batch's, which lets
// others go between. Single issuances that wait together are fewer.
const longWrite = 200

// write is [store.Store.Write] or WriteLong, as the number of certificates in it has it,
// with an undoneError where f failed by itself.
func (i *Issuer) write(ctx context.Context, certificates int, f func(store.Tx) error) error {
	write := i.store.Write
	if certificates >= longWrite {
		write = i.store.WriteLong
	}
	var own error
	err := write(ctx, func(tx store.Tx) error {
		own = f(tx)
		return own
	})
	if err != nil && own != nil {
		return undoneError{err}
	}
	return err
}

func (i *Issuer) recordIn(ctx context.Context, tx store.Tx, drafts, signed []*draft) error {
	recorded := make(map[string][]intentItem) // by requester
	intents := make([]*Intent, len(signed))
	for n, d := range signed {
		intents[n] = &d.intent
	}
	open, err := i.SettleIntents(ctx, tx, intents, StateRecorded, "")
	if err != nil {
		return err
	}
	var certificates []*Certificate
	var now time.Time
	for n, d := range signed {
		if !open[n] {
			// Somebody took this process for dead and wrote the serial off. It may
			// stand on a CRL already: the signature must not get out.
			d.err = &UncertainError{Serial: d.intent.Serial, Step: "recording", Settled: true,
				Err: errors.New("another process has written the serial off; is the lease file of this one gone?")}
			continue
		}
		now = d.intent.SettledAt
		d.certificate.RecordedAt = now
		certificates = append(certificates, d.certificate)
		recorded[d.requester] = append(recorded[d.requester], d.intent.certified(d.certificate.DER))
	}
	if err := insertCertificates(ctx, tx, certificates); err != nil {
		return err
	}
	for _, requester := range slices.Sorted(maps.Keys(recorded)) {
		_, err := audit.Append(ctx, tx, audit.Event{Kind: audit.KindCertificate, At: now, By: requester,
			Body: map[string]any{"certificates": recorded[requester]}})
		if err != nil {
			return err
		}
	}
	return i.writeOff(ctx, tx, failed(drafts), StateWrittenOff)
}

func failed(drafts []*draft) []*draft {
	var out []*draft
	for _, d := range drafts {
		if d.err != nil && d.intent.ID != 0 {
			out = append(out, d)
		}
	}
	return out
}

// writeOff settles the intents of failed drafts that are still open in tx. A
// draft that was never given to a key is settled as unused whatever to says.
func (i *Issuer) writeOff(ctx context.Context, tx store.Tx, drafts []*draft, to IntentState) error {
	var items []intentItem
	for _, d := range drafts {
		state := to
		if !errors.Is(d.err, ErrUncertain) {
			state = StateUnused
		}
		open, err := i.SettleIntent(ctx, tx, &d.intent, state, d.err.Error())
		if err != nil {
			return err
		}
		if open {
			items = append(items, d.intent.givenUp(state, d.err.Error()))
		}
	}
	return auditWriteOff(ctx, tx, i.Now(), "ca", items)
}

// settle is what is done after a transaction failed: it reads which drafts are
// recorded after all, and settles the others, whose err must be set. If it cannot,
// they stay open.
func (i *Issuer) settle(ctx context.Context, drafts []*draft, to IntentState) {
	ctx = context.WithoutCancel(ctx)
	var there []*draft
	err := i.store.Write(ctx, func(tx store.Tx) error {
		there = nil
		var open []*draft
		for _, d := range failed(drafts) {
			if d.certificate != nil {
				c, err := CertificateIn(ctx, tx, d.intent.Serial)
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				if err == nil {
					d.certificate.Seq = c.Seq
					there = append(there, d)
					continue
				}
			}
			open = append(open, d)
		}
		return i.writeOff(ctx, tx, open, to)
	})
	if err != nil {
		i.logger.Error("settling after a failure: the intents stay open until they are reconciled", "error", err, "intents", len(failed(drafts)))
		return
	}
	for _, d := range there {
		d.err = nil
	}
	for _, d := range failed(drafts) {
		i.settled(d)
	}
}

// settled notes that the serial of a failed draft is written off.
func (i *Issuer) settled(d *draft) {
	var u *UncertainError
	if errors.As(d.err, &u) {
		u.Settled = true
		i.logger.Warn("serial written off", "serial", d.intent.Serial.String(), "issuer", d.intent.Issuer, "step", u.Step, "error", u.Err)
	}
}
