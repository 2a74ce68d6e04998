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
	"smki.example/ca/store"
	"smki.example/policy"
)

// A witness is the authority's key as one issuance sees it: it signs one
// certificate or one list, once, compares the bytes with what was asked for and
// commits them before it asks the token. It is what makes a signer that knows of no
// intents, cfssl's or x509's, one that cannot do without.
//
// A witness is used by one goroutine. Who made one calls [witness.conclude].
type witness struct {
	ctx       context.Context
	authority *Authority
	by        string                 // whom the audit record names
	lint      func(tbs []byte) error // compares the bytes with what was asked for
	admit     func(store.Tx) error   // decides, in the intent's transaction; may be nil

	intent ca.Intent
	asked  bool  // the token may have signed
	err    error // as it was before cfssl rewrote it
}

var (
	_ crypto.Signer        = (*witness)(nil)
	_ crypto.MessageSigner = (*witness)(nil)
)

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
		return nil, fmt.Errorf("signing with key %q: asked for a second signature under one intent", w.authority.id)
	}
	if err := w.lint(tbs); err != nil {
		return nil, err
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
		return i.AuditIntents(w.ctx, tx, w.by, &w.intent)
	})
	switch {
	case err == nil, errors.Is(err, ca.ErrRefused), errors.Is(err, ca.ErrConflict), errors.Is(err, errOvertaken):
		return err
	}
	return fmt.Errorf("committing the intent: %w", err)
}

// An outcome is what becomes of a signature: how it is read back, where it is
// written, and how to find out whether it was written after all.
type outcome struct {
	read     func(der []byte) error // refuses what is not what was asked for
	record   func(tx store.Tx) error
	recorded func(ctx context.Context) bool
}

// conclude records what was signed, or gives up the intent. der and err are what
// the signer that used the witness returned; its error is replaced by the
// witness's own, if there is one, because cfssl drops what an error wraps.
//
// When conclude returns nil, what was signed is in the ledger. An error that wraps
// [ca.ErrUncertain] means that the key may have signed; after any other, it has not
// been asked, or what it signed is thrown away because errOvertaken says so.
func (w *witness) conclude(der []byte, err error, o outcome) error {
	if w.err != nil {
		err = w.err
	}
	if w.intent.ID == 0 {
		if err == nil {
			err = errors.New("nothing was signed")
		}
		return err
	}
	i := w.authority.issuer
	defer i.Release(&w.intent)
	// A caller who has gone must not take what was signed with them.
	ctx := context.WithoutCancel(w.ctx)
	if err != nil && !w.asked {
		// The commit failed, and may have happened all the same.
		return errors.Join(err, w.giveUp(ctx, ca.StateUnused, err))
	}
	step := "signing"
	if err == nil {
		step = "reading back"
		err = w.readBack(der, o)
	}
	if err == nil {
		step = "recording"
		err = i.Store().Write(ctx, func(tx store.Tx) error {
			open, err := i.SettleIntent(ctx, tx, &w.intent, ca.StateRecorded, "")
			if err != nil {
				return err
			}
			if !open {
				return errors.New("another process has written it off; is the lease file of this one gone?")
			}
			return o.record(tx)
		})
		if err != nil && o.recorded(ctx) {
			err = nil
		}
	}
	if err == nil {
		return nil
	}
	settled := w.giveUp(ctx, ca.StateWrittenOff, err)
	switch {
	case w.intent.Kind == ca.CertificateIntent:
		return &ca.UncertainError{Serial: w.intent.Serial, Step: step, Settled: settled == nil, Err: err}
	case errors.Is(err, errOvertaken) && settled == nil:
		return err
	}
	return fmt.Errorf("%s list number %d: %w: %w", step, w.intent.Number, ca.ErrUncertain, errors.Join(err, settled))
}

// readBack takes what was signed apart: its bytes are those of the intent, whoever
// put them together, and the rest is for the caller's reader.
func (w *witness) readBack(der []byte, o outcome) error {
	in := cryptobyte.String(der)
	var whole, tbs cryptobyte.String
	if !in.ReadASN1(&whole, cbasn1.SEQUENCE) || !in.Empty() || !whole.ReadASN1Element(&tbs, cbasn1.SEQUENCE) {
		return errors.New("what was signed is not in DER")
	}
	if string(tbs) != string(w.intent.TBS) {
		return errors.New("what was signed is not what the intent says")
	}
	return o.read(der)
}

func (w *witness) giveUp(ctx context.Context, to ca.IntentState, cause error) error {
	i := w.authority.issuer
	return i.Store().Write(ctx, func(tx store.Tx) error { return i.GiveUpIntent(ctx, tx, &w.intent, to, cause.Error()) })
}

// bigOf is a serial number as x509 has it.
func bigOf(s policy.Serial) *big.Int { return new(big.Int).SetBytes(s[:]) }
