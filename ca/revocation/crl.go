package revocation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// attempts bounds how often a list is made anew because a revocation overtook it.
// Each attempt takes milliseconds; eight in a row mean that revocations arrive in
// a stream, and then the schedule tries again.
const attempts = 8

// errOvertaken says that the list lacks what was recorded while it was made.
var errOvertaken = errors.New("overtaken by a revocation or a newer list while it was made")

// PublishCRL makes a new list of an authority and returns it once it is published,
// which is to say recorded: the Repository reads the ledger. A name without a
// generation ("issuing-oca") means the one that issues.
//
// The list holds every revocation and every written-off serial that was recorded
// before it is published. The order is that of an issuance: number, exact bytes
// and audit record are committed as an intent, the key signs, the signature is
// verified, list and audit record are committed. A list that was overtaken by a
// revocation meanwhile is thrown away, its number with it, and made anew.
//
// A list never lacks, or tells otherwise, what the last published one of the
// authority told: where the ledger would have it so, it was changed by something
// that is not this CA, and nothing is signed.
//
// An authority without a list in this environment, and one whose certificate has
// expired, is an error wrapping [ca.ErrRefused]. One wrapping [ca.ErrUncertain]
// means that a list may have been signed that was not published; its number is
// burned, and publishing again is safe. After any other error nothing was signed.
func (r *Register) PublishCRL(ctx context.Context, issuer string) (*CRLRecord, error) {
	rec, err := r.publish(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("publishing CRL of %q: %w", issuer, err)
	}
	return rec, nil
}

func (r *Register) publish(ctx context.Context, issuer string) (*CRLRecord, error) {
	a, err := r.ca.Authority(issuer)
	if err != nil {
		return nil, err
	}
	period, ok := r.env.CRL(a.Profile())
	if !ok {
		return nil, refuse("no-list", "%s publishes no revocation list in environment %q", a.Name, r.env.Name)
	}
	if err := a.ValidAt(r.ca.Now()); err != nil {
		return nil, err
	}
	for range attempts {
		var rec *CRLRecord
		if rec, err = r.attempt(ctx, a, period); !errors.Is(err, errOvertaken) {
			return rec, err
		}
	}
	return nil, err
}

func (r *Register) attempt(ctx context.Context, a *ca.Authority, period policy.CRLPeriod) (*CRLRecord, error) {
	// 1. The bytes, from one state of the ledger; lints. No lock is held for it.
	l, err := r.draw(ctx, a, period)
	if err != nil {
		return nil, err
	}

	// 2. Intent and audit record, if that state and that number are still the last.
	if err := r.commitIntent(ctx, l); err != nil {
		return nil, err
	}
	defer r.ca.Release(&l.intent)

	// 3. The key signs; the list is read back and its signature verified.
	err = r.sign(ctx, a, l)

	// 4. Published, or given up, with the audit record.
	if err == nil {
		if err = r.at("before-publish"); err == nil {
			if err = r.record(ctx, l); err == nil {
				return &l.record, nil
			}
		}
	}
	return r.giveUp(ctx, l, err)
}

// commitIntent is where the number is given out: the intent's row is unique by
// issuer and number, and all numbers that were ever given out have a row.
func (r *Register) commitIntent(ctx context.Context, l *list) error {
	l.intent.Digest() // before others wait for the write lock
	err := r.at("before-intent")
	if err == nil {
		err = r.store.Write(ctx, func(tx store.Tx) error {
			if err := l.stillLast(ctx, tx); err != nil {
				return err
			}
			number, err := nextNumber(ctx, tx, l.record.Issuer)
			if err != nil {
				return err
			}
			if number != l.record.Number {
				return errOvertaken
			}
			if l.long() {
				if l.intent.Stored, err = store.StoreJoined(ctx, tx, l.shelf.pieces(l.before, l.behind)); err != nil {
					return err
				}
			}
			if err := r.ca.AddIntent(ctx, tx, &l.intent); err != nil {
				return err
			}
			return r.ca.AuditIntents(ctx, tx, "revocation", &l.intent)
		})
	}
	if err == nil {
		return nil
	}
	// Nothing will be signed; if the row is there nevertheless, it is settled so.
	if l.intent.ID != 0 && !errors.Is(err, errOvertaken) {
		_ = r.settle(context.WithoutCancel(ctx), l, ca.StateUnused, err)
		r.ca.Release(&l.intent)
	}
	return fmt.Errorf("committing the intent: %w", err)
}

func (r *Register) sign(ctx context.Context, a *ca.Authority, l *list) error {
	der, err := r.ca.SignTBS(ctx, &l.intent)
	if err != nil {
		return err
	}
	if err := r.at("signed"); err != nil {
		return err
	}
	if err := l.readBack(der, a); err != nil {
		return fmt.Errorf("reading the list back: %w", err)
	}
	l.record.DER = der
	return nil
}

// readBack verifies the signature over the bytes that will be published. A long list
// is not parsed as a whole once more: they are the bytes that were linted, in the same
// memory.
func (l *list) readBack(der []byte, a *ca.Authority) error {
	if !l.long() {
		crl, err := policy.ParseCRL(der)
		if err != nil {
			return err
		}
		return crl.CheckSignature(a.Certificate)
	}
	var whole, tbs, algorithm cryptobyte.String
	var signature []byte
	in := cryptobyte.String(der)
	if !in.ReadASN1(&whole, cbasn1.SEQUENCE) || !in.Empty() || !whole.ReadASN1Element(&tbs, cbasn1.SEQUENCE) ||
		!whole.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !whole.ReadASN1BitStringAsBytes(&signature) || !whole.Empty() {
		return errors.New("it is no CertificateList")
	}
	if len(tbs) != len(l.intent.TBS) || &tbs[0] != &l.intent.TBS[0] {
		return errors.New("it is not what was to be signed")
	}
	return policy.VerifyTBS(a.Certificate.PublicKey, tbs, signature)
}

// headerOf is how many octets stand before the to-be-signed bytes in a list.
func headerOf(der []byte) int {
	if der[1] < 0x80 {
		return 2
	}
	return 2 + int(der[1]&0x7f)
}

// record publishes the list, unless something it lacks was recorded since, or a
// list with a higher number is out.
func (r *Register) record(ctx context.Context, l *list) error {
	ctx = context.WithoutCancel(ctx)
	digest := sha256.Sum256(l.record.DER)
	err := r.store.Write(ctx, func(tx store.Tx) error {
		if err := l.stillLast(ctx, tx); err != nil {
			return err
		}
		var newest int64
		err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM crl WHERE issuer = $1`, l.record.Issuer).Scan(&newest)
		if err != nil {
			return err
		}
		if newest > l.record.Number {
			return errOvertaken
		}
		open, err := r.ca.SettleIntent(ctx, tx, &l.intent, ca.StateRecorded, "")
		if err != nil {
			return err
		}
		if !open {
			return errors.New("another process has written the number off; is the lease file of this one gone?")
		}
		l.record.PublishedAt = l.intent.SettledAt
		der := l.record.DER
		if l.long() {
			header, end := headerOf(der), headerOf(der)+len(l.intent.TBS)-len(l.behind)
			if der, err = store.StoreJoined(ctx, tx, l.shelf.pieces(der[:header+len(l.before)], der[end:])); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO crl (issuer, number, intent, this_update, next_update, entries, covers, published_at, der, to_revocation, written_off)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			l.record.Issuer, l.record.Number, l.intent.ID, l.record.ThisUpdate.UnixMicro(), l.record.NextUpdate.UnixMicro(),
			l.record.Entries, l.record.Entries, l.record.PublishedAt.UnixMicro(), der, l.position.to, l.position.off)
		if err != nil {
			return err
		}
		_, err = audit.Append(ctx, tx, audit.Event{Kind: audit.KindCRL, At: l.record.PublishedAt, By: "revocation", Body: map[string]any{
			"id": l.intent.ID, "issuer": l.record.Issuer, "number": l.record.Number, "entries": l.record.Entries,
			"this_update": l.record.ThisUpdate, "next_update": l.record.NextUpdate, "sha256": hex.EncodeToString(digest[:]),
		}})
		if err != nil {
			return err
		}
		// A list is published, so that this is a moment which others can see: the log
		// is signed up to here.
		_, err = r.ca.Log().CheckpointIn(ctx, tx)
		return err
	})
	if err == nil {
		r.keep(l)
	}
	return err
}

// giveUp burns the number of a list that failed, unless it turns out to be
// published ("it happened but we were told it failed").
func (r *Register) giveUp(ctx context.Context, l *list, cause error) (*CRLRecord, error) {
	ctx = context.WithoutCancel(ctx)
	if rec, err := r.byNumber(ctx, l.record.Issuer, l.record.Number); err == nil {
		return rec, nil
	}
	err := r.settle(ctx, l, ca.StateWrittenOff, cause)
	if errors.Is(cause, errOvertaken) && err == nil {
		return nil, cause
	}
	return nil, fmt.Errorf("list number %d: %w: %w", l.record.Number, ca.ErrUncertain, errors.Join(cause, err))
}

func (r *Register) settle(ctx context.Context, l *list, to ca.IntentState, cause error) error {
	return r.store.Write(ctx, func(tx store.Tx) error { return r.ca.GiveUpIntent(ctx, tx, &l.intent, to, cause.Error()) })
}

// stillLast returns errOvertaken if the ledger has a revocation or a written-off
// serial that the list lacks.
func (l *list) stillLast(ctx context.Context, tx store.Tx) error {
	now, err := positionOf(ctx, tx, l.record.Issuer)
	if err == nil && now != l.position {
		err = errOvertaken
	}
	return err
}

// covered counts what a list of the authority must hold.
func covered(ctx context.Context, tx store.Tx, issuer string) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT
		(SELECT COUNT(*) FROM revocation WHERE issuer = $1 AND on_crl) +
		(SELECT COUNT(*) FROM intent WHERE issuer = $2 AND state = 'written-off' AND kind = 'certificate')`, issuer, issuer).Scan(&n)
	return n, err
}

// nextNumber is one more than any number given out, published or burned.
func nextNumber(ctx context.Context, tx store.Tx, issuer string) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM intent WHERE issuer = $1 AND kind = 'crl'`, issuer).Scan(&n)
	return n, err
}

func (r *Register) at(point string) error {
	if r.probe == nil {
		return nil
	}
	return r.probe(point)
}
