package iki

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"smki.example/ca"
	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// attempts bounds how often a list is made anew because a revocation overtook it;
// eight in a row mean a stream of them, and then the schedule tries again.
const attempts = 8

// errOvertaken says that the list lacks what was recorded while it was made.
var errOvertaken = errors.New("overtaken by a revocation or a newer list while it was made")

// list is a CRL that is being made.
type list struct {
	record  CRLRecord
	entries []policy.CRLEntry // ascending by serial
}

// Period is how often a list of the IKI authority is made and how long it is valid:
// what the environment says of the Issuing OCA's. (No public text says; Appendix Q
// is not at hand.)
func (a *Authority) Period() policy.CRLPeriod {
	period, ok := a.issuer.Environment().CRL(policy.ProfileIssuingOCA)
	if !ok {
		// An environment without an Organisation CRL has said nothing of this one.
		period = policy.CRLPeriod{Issuer: ProfileAuthority, Every: 12 * time.Hour, AfterRevocation: time.Hour, Valid: 48 * time.Hour}
	}
	return period
}

// PublishCRL makes a new list of the authority and returns it once it is published,
// which is to say recorded.
//
// The list holds every revocation and every written-off serial that was recorded
// before it is published. Numbers only rise, and each is given out with the exact
// bytes of its list, as an intent with its audit record, before the key is asked.
// A list that was overtaken by a revocation meanwhile is thrown away, its number
// with it, and made anew.
//
// An authority whose certificate has expired is an error wrapping [ca.ErrRefused].
// One wrapping [ca.ErrUncertain] means that a list may have been signed that was
// not published; its number is burned, and publishing again is safe. After any
// other error nothing was signed.
func (a *Authority) PublishCRL(ctx context.Context) (*CRLRecord, error) {
	if now := a.issuer.Now(); now.Before(a.cert.NotBefore) || now.After(a.cert.NotAfter) {
		return nil, fmt.Errorf("publishing CRL of %q: %w", a.id, deny("authority-validity", "it is valid from %s to %s and its key is not used outside; give it a new generation",
			a.cert.NotBefore.Format(time.RFC3339), a.cert.NotAfter.Format(time.RFC3339)))
	}
	var record *CRLRecord
	err := errOvertaken
	for n := 0; n < attempts && errors.Is(err, errOvertaken); n++ {
		record, err = a.attempt(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("publishing CRL of %q: %w", a.id, err)
	}
	return record, nil
}

func (a *Authority) attempt(ctx context.Context) (*CRLRecord, error) {
	// 1. What the list says, from one state of the ledger.
	l, err := a.draw(ctx)
	if err != nil {
		return nil, err
	}

	// 2. x509 puts it in order and signs through a witness, which lints the bytes and
	// commits the intent, if that state and that number are still the last.
	w := &witness{ctx: ctx, authority: a, by: "iki",
		lint:   func(tbs []byte) error { return lintList(tbs, a.cert.RawSubject, a.cert.SubjectKeyId, l) },
		admit:  func(tx store.Tx) error { return l.mayBeSigned(ctx, tx) },
		intent: ca.Intent{Kind: ca.CRLIntent, Issuer: a.id, Number: l.record.Number, Profile: "crl", ProfileVersion: profileVersion}}
	der, err := x509.CreateRevocationList(rand.Reader, l.template(), a.cert, w)

	// 3. Published, or given up, with the audit record.
	err = w.conclude(der, err, outcome{
		read: func(der []byte) error {
			crl, err := x509.ParseRevocationList(der)
			if err != nil {
				return err
			}
			l.record.DER = der
			return crl.CheckSignatureFrom(a.cert)
		},
		record: func(tx store.Tx) error { return a.record(context.WithoutCancel(ctx), tx, l, &w.intent) },
		recorded: func(ctx context.Context) bool {
			newest, err := Current(ctx, a.issuer.Store(), a.id)
			return err == nil && newest.Number == l.record.Number && bytes.Equal(newest.DER, l.record.DER)
		},
	})
	if err != nil {
		return nil, err
	}
	return &l.record, nil
}

func (a *Authority) draw(ctx context.Context) (*list, error) {
	l := &list{record: CRLRecord{Issuer: a.id}}
	err := a.issuer.Store().Read(ctx, func(tx store.Tx) (err error) {
		if l.entries, err = entriesOf(ctx, tx, a.id); err != nil {
			return err
		}
		if err = keepsAll(ctx, tx, a.id, l.entries); err != nil {
			return err
		}
		l.record.Number, err = nextNumber(ctx, tx, a.id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("collecting the revocations: %w", err)
	}
	slices.SortFunc(l.entries, func(x, y policy.CRLEntry) int { return bytes.Compare(x.Serial[:], y.Serial[:]) })
	l.record.Entries = len(l.entries)
	l.record.ThisUpdate = a.issuer.Now().Truncate(time.Second)
	l.record.NextUpdate = l.record.ThisUpdate.Add(a.Period().Valid)
	return l, nil
}

func (l *list) template() *x509.RevocationList {
	t := &x509.RevocationList{SignatureAlgorithm: x509.ECDSAWithSHA256, Number: big.NewInt(l.record.Number),
		ThisUpdate: l.record.ThisUpdate, NextUpdate: l.record.NextUpdate}
	for _, e := range l.entries {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: bigOf(e.Serial), RevocationTime: e.At, ReasonCode: int(e.Reason)})
	}
	return t
}

// mayBeSigned is where the number is given out: the intent's row is unique by issuer
// and number, and all numbers that were ever given out have a row.
func (l *list) mayBeSigned(ctx context.Context, tx store.Tx) error {
	if err := l.stillLast(ctx, tx); err != nil {
		return err
	}
	number, err := nextNumber(ctx, tx, l.record.Issuer)
	if err == nil && number != l.record.Number {
		err = errOvertaken
	}
	return err
}

// record publishes the list, unless something it lacks was recorded since, or a list
// with a higher number is out.
func (a *Authority) record(ctx context.Context, tx store.Tx, l *list, intent *ca.Intent) error {
	if err := l.stillLast(ctx, tx); err != nil {
		return err
	}
	var newest int64
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM iki_crl WHERE issuer = $1`, l.record.Issuer).Scan(&newest)
	if err != nil {
		return err
	}
	if newest > l.record.Number {
		return errOvertaken
	}
	r := &l.record
	r.PublishedAt = intent.SettledAt.Truncate(time.Microsecond)
	_, err = tx.Exec(ctx, `INSERT INTO iki_crl (issuer, number, intent, this_update, next_update, entries, covers, published_at, der)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		r.Issuer, r.Number, intent.ID, r.ThisUpdate.UnixMicro(), r.NextUpdate.UnixMicro(), r.Entries, r.Entries, r.PublishedAt.UnixMicro(), r.DER)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(r.DER)
	_, err = audit.Append(ctx, tx, audit.Event{Kind: audit.KindCRL, At: r.PublishedAt, By: "iki", Body: map[string]any{
		"id": intent.ID, "issuer": r.Issuer, "number": r.Number, "entries": r.Entries, "this_update": r.ThisUpdate, "next_update": r.NextUpdate,
		"sha256": hex.EncodeToString(digest[:])}})
	if err != nil {
		return err
	}
	// Others see a published list: the log is signed up to here.
	_, err = a.issuer.Log().CheckpointIn(ctx, tx)
	return err
}

// stillLast returns errOvertaken if the ledger has a revocation or a written-off
// serial that the list lacks. Both only ever grow, so that counting is enough.
func (l *list) stillLast(ctx context.Context, tx store.Tx) error {
	n, err := covered(ctx, tx, l.record.Issuer)
	if err == nil && n != int64(len(l.entries)) {
		err = errOvertaken
	}
	return err
}

// covered counts what a list of the authority must hold.
func covered(ctx context.Context, tx store.Tx, issuer string) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT
		(SELECT COUNT(*) FROM iki_revocation WHERE issuer = $1) +
		(SELECT COUNT(*) FROM intent WHERE issuer = $2 AND state = 'written-off' AND kind = 'certificate')`, issuer, issuer).Scan(&n)
	return n, err
}

// entriesOf is every entry of the authority's list. Expired certificates stay on it.
func entriesOf(ctx context.Context, tx store.Tx, issuer string) ([]policy.CRLEntry, error) {
	rows, err := tx.Query(ctx, `SELECT `+revocationColumns+` FROM iki_revocation WHERE issuer = $1 ORDER BY seq`, issuer)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entries []policy.CRLEntry
	for rows.Next() {
		v, _, err := scanRevocation(rows)
		if err != nil {
			return nil, err
		}
		entries = append(entries, policy.CRLEntry{Serial: v.Serial, At: v.At, Reason: v.Reason})
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	lost, err := ca.WrittenOff(ctx, tx, issuer)
	if err != nil {
		return nil, err
	}
	for _, in := range lost {
		entries = append(entries, policy.CRLEntry{Serial: in.Serial, At: in.SettledAt.Truncate(time.Second), Reason: ca.WriteOffReason})
	}
	return entries, nil
}

// nextNumber is one more than any number given out, published or burned.
func nextNumber(ctx context.Context, tx store.Tx, issuer string) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) + 1 FROM intent WHERE issuer = $1 AND kind = 'crl'`, issuer).Scan(&n)
	return n, err
}
