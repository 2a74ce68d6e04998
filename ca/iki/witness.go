package iki

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A witness is the authority's key as one issuance sees it: it signs one
// certificate, the one with its serial, once, and commits the exact bytes before
// it asks the token. It is what makes a signer that knows of no intents, cfssl's,
// one that cannot do without.
//
// A witness is used by one goroutine. Who made one calls [witness.conclude].
type witness struct {
	ctx       context.Context
	authority *Authority
	profile   policy.ProfileName
	requester string
	serial    policy.Serial
	admit     func(store.Tx) error // decides, in the intent's transaction; may be nil

	intent ca.Intent
	asked  bool  // the token may have signed
	err    error // as it was before cfssl rewrote it
}

var (
	_ crypto.Signer        = (*witness)(nil)
	_ crypto.MessageSigner = (*witness)(nil)
)

func (a *Authority) witness(ctx context.Context, profile policy.ProfileName, requester string, key ca.KeyHash, admit func(store.Tx) error) (*witness, error) {
	serial, err := policy.NewSerial(a.rand)
	if err != nil {
		return nil, err
	}
	return &witness{ctx: ctx, authority: a, profile: profile, requester: requester, serial: serial, admit: admit,
		intent: ca.Intent{Kind: ca.CertificateIntent, Issuer: a.id, Serial: serial, Profile: string(profile), ProfileVersion: profileVersion, Key: key}}, nil
}

// Public returns the authority's public key.
func (w *witness) Public() crypto.PublicKey { return w.authority.signer(w.ctx).Public() }

// Sign refuses: of a digest nobody could say later what was signed.
func (w *witness) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	w.err = fmt.Errorf("signing with key %q: asked to sign a bare digest, which has no intent", w.authority.id)
	return nil, w.err
}

// SignMessage commits the intent and has the token sign.
func (w *witness) SignMessage(random io.Reader, tbs []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := w.signMessage(random, tbs, opts)
	w.err = err
	return signature, err
}

func (w *witness) signMessage(random io.Reader, tbs []byte, opts crypto.SignerOpts) ([]byte, error) {
	if w.intent.ID != 0 {
		return nil, fmt.Errorf("signing with key %q: asked for a second signature under one serial", w.authority.id)
	}
	if serial, ok := serialOf(tbs); !ok || serial != w.serial {
		return nil, fmt.Errorf("signing with key %q: the bytes are not of a certificate with serial %q", w.authority.id, w.serial)
	}
	if opts == nil || opts.HashFunc() != crypto.SHA256 {
		return nil, fmt.Errorf("signing with key %q: the hash must be SHA-256", w.authority.id)
	}
	signer, ok := w.authority.signer(w.ctx).(crypto.MessageSigner)
	if !ok {
		return nil, fmt.Errorf("signing with key %q: its signer does not sign messages", w.authority.id)
	}
	w.intent.TBS = tbs
	if err := w.commit(); err != nil {
		return nil, err
	}
	w.asked = true
	return signer.SignMessage(random, tbs, opts)
}

// commit decides what only the database can decide, and writes the intent with its
// audit record. After an error nothing is signed.
func (w *witness) commit() error {
	i := w.authority.issuer
	err := i.Store().Write(w.ctx, func(tx store.Tx) error {
		if w.admit != nil {
			if err := w.admit(tx); err != nil {
				return err
			}
		}
		if err := i.AddIntent(w.ctx, tx, &w.intent); err != nil {
			return err
		}
		return i.AuditIntents(w.ctx, tx, w.requester, &w.intent)
	})
	switch {
	case err == nil, errors.Is(err, ca.ErrRefused), errors.Is(err, ca.ErrConflict):
		return err
	}
	return fmt.Errorf("committing the intent: %w", err)
}

// conclude records what was signed, or gives up the intent. der and err are what
// the signer that used the witness returned; its error is replaced by the
// witness's own, if there is one, because cfssl drops what an error wraps.
//
// When conclude returns a certificate, it is in the ledger.
func (w *witness) conclude(der []byte, err error) (*Certificate, error) {
	if w.err != nil {
		err = w.err
	}
	if w.intent.ID == 0 {
		if err == nil {
			err = errors.New("nothing was signed")
		}
		return nil, err
	}
	i := w.authority.issuer
	defer i.Release(&w.intent)
	// A caller who has gone must not take what was signed with them.
	ctx := context.WithoutCancel(w.ctx)
	if err != nil && !w.asked {
		// The commit failed, and may have happened all the same.
		return nil, errors.Join(err, w.giveUp(ctx, ca.StateUnused, err))
	}
	step := "signing"
	var c *Certificate
	if err == nil {
		step = "reading back"
		c, err = w.certificate(der)
	}
	if err == nil {
		step = "recording"
		err = i.Store().Write(ctx, func(tx store.Tx) error { return w.record(ctx, tx, c) })
		if err != nil && w.recorded(ctx) {
			err = nil
		}
	}
	if err != nil {
		settled := w.giveUp(ctx, ca.StateWrittenOff, err)
		return nil, &ca.UncertainError{Serial: w.serial, Step: step, Settled: settled == nil, Err: err}
	}
	return c, nil
}

// record writes certificate and audit record.
func (w *witness) record(ctx context.Context, tx store.Tx, c *Certificate) error {
	i := w.authority.issuer
	open, err := i.SettleIntent(ctx, tx, &w.intent, ca.StateRecorded, "")
	if err != nil {
		return err
	}
	if !open {
		return errors.New("another process has written the serial off; is the lease file of this one gone?")
	}
	if err := insert(ctx, tx, c); err != nil {
		return err
	}
	_, err = audit.Append(ctx, tx, audit.Event{Kind: audit.KindCertificate, At: c.RecordedAt, By: w.requester,
		Body: map[string]any{"certificates": []map[string]any{{
			"id": w.intent.ID, "issuer": w.intent.Issuer, "serial": w.serial.String(), "profile": fmt.Sprintf("%s/%d", w.profile, profileVersion)}}}})
	return err
}

// recorded tells whether the certificate is there although its transaction said
// that it failed.
func (w *witness) recorded(ctx context.Context) bool {
	_, err := BySerial(ctx, w.authority.issuer.Store(), w.serial)
	return err == nil
}

func (w *witness) giveUp(ctx context.Context, to ca.IntentState, cause error) error {
	i := w.authority.issuer
	return i.Store().Write(ctx, func(tx store.Tx) error { return i.GiveUpIntent(ctx, tx, &w.intent, to, cause.Error()) })
}

// serialOf reads the serial number from to-be-signed bytes.
func serialOf(tbs []byte) (policy.Serial, bool) {
	var serial policy.Serial
	input := cryptobyte.String(tbs)
	var inner cryptobyte.String
	number := new(big.Int)
	if !input.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.SkipASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!inner.ReadASN1Integer(number) || number.Sign() <= 0 || number.BitLen() > 8*len(serial) {
		return serial, false
	}
	number.FillBytes(serial[:])
	return serial, true
}
