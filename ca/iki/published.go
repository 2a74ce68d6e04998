package iki

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
)

// A CRLRecord is a published list.
type CRLRecord struct {
	Issuer      string // "iki-1"
	Number      int64
	ThisUpdate  time.Time
	NextUpdate  time.Time
	Entries     int
	PublishedAt time.Time
	DER         []byte
}

const listColumns = `issuer, number, this_update, next_update, entries, published_at, der`

// Current returns the newest published list of an authority, "iki-1"; of "iki" alone,
// that of the newest generation that has one. The error wraps [ca.ErrNotFound] if
// there is none yet. It needs no key.
func Current(ctx context.Context, s *store.Store, issuer string) (*CRLRecord, error) {
	// A generation with more digits is a higher one.
	return crl(ctx, s, "CRL of "+issuer, `($1 = 'iki' OR issuer = $2) ORDER BY LENGTH(issuer) DESC, issuer DESC, number DESC LIMIT 1`, issuer, issuer)
}

// CRLs returns every published list, oldest first, one at a time. It needs no key.
func CRLs(ctx context.Context, s *store.Store) iter.Seq2[*CRLRecord, error] {
	return func(yield func(*CRLRecord, error) bool) {
		issuer, number := "", int64(0)
		for {
			r, err := crl(ctx, s, "CRLs", `(issuer, number) > ($1, $2) ORDER BY issuer, number LIMIT 1`, issuer, number)
			if errors.Is(err, ca.ErrNotFound) {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
			issuer, number = r.Issuer, r.Number
		}
	}
}

func crl(ctx context.Context, s *store.Store, what, where string, args ...any) (*CRLRecord, error) {
	var r CRLRecord
	var this, next, published int64
	err := s.Read(ctx, func(tx store.Tx) error {
		return tx.QueryRow(ctx, `SELECT `+listColumns+` FROM iki_crl WHERE `+where, args...).
			Scan(&r.Issuer, &r.Number, &this, &next, &r.Entries, &published, &r.DER)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, fmt.Errorf("%s: %w", what, ca.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	r.ThisUpdate, r.NextUpdate, r.PublishedAt = time.UnixMicro(this).UTC(), time.UnixMicro(next).UTC(), time.UnixMicro(published).UTC()
	return &r, nil
}

// A Standing is how the authority's list stands at a time.
type Standing struct {
	Issuer     string    // "iki-1"
	Number     int64     // of the current list; 0: there is none yet
	NextUpdate time.Time // end of the current list's validity
	// Pending counts revocations and written-off serials that the current list lacks.
	Pending int64
	// DueAt is when a new list is due: at once if something is pending or there is
	// none, else when the interval has passed.
	DueAt time.Time
	// Alarm says, in one line, that something is late. Empty: all is well.
	Alarm string
}

// Standing returns how the authority's list stands. Publishing it when it is due, by
// [Authority.PublishCRL], is for the caller, who knows whether it is the one process
// that should.
func (a *Authority) Standing(ctx context.Context, now time.Time) (Standing, error) {
	s := Standing{Issuer: a.id, DueAt: now}
	period := a.Period()
	var this, next, begun, covers int64
	var oldest sql.NullInt64
	err := a.issuer.Store().Read(ctx, func(tx store.Tx) error {
		all, err := covered(ctx, tx, a.id)
		if err != nil {
			return err
		}
		s.Pending = all
		err = tx.QueryRow(ctx, `SELECT iki_crl.number, this_update, next_update, covers, intent.created_at
			FROM iki_crl JOIN intent ON intent.id = iki_crl.intent WHERE iki_crl.issuer = $1 ORDER BY iki_crl.number DESC LIMIT 1`, a.id).
			Scan(&s.Number, &this, &next, &covers, &begun)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		s.Pending = all - covers
		return tx.QueryRow(ctx, `SELECT MIN(at) FROM (
			SELECT recorded_at AS at FROM iki_revocation WHERE issuer = $1 AND recorded_at >= $2
			UNION ALL
			SELECT settled_at FROM intent WHERE issuer = $3 AND state = 'written-off' AND kind = 'certificate' AND settled_at >= $4) AS waiting`,
			a.id, begun, a.id, begun).Scan(&oldest)
	})
	if err != nil {
		return s, fmt.Errorf("looking at the list of %q: %w", a.id, err)
	}
	if s.Number == 0 {
		return s, nil
	}
	s.NextUpdate = time.UnixMicro(next).UTC()
	if s.Pending == 0 {
		s.DueAt = time.UnixMicro(this).UTC().Add(period.Every)
	}
	switch left := s.NextUpdate.Sub(now); {
	case left <= 0:
		s.Alarm = fmt.Sprintf("list %d of %s lapsed on %s: relying parties have no valid list", s.Number, s.Issuer, s.NextUpdate.Format(time.RFC3339))
	case left < (period.Valid-period.Every)/2:
		s.Alarm = fmt.Sprintf("list %d of %s lapses in %s, on %s, and no newer one was published", s.Number, s.Issuer, left.Truncate(time.Second), s.NextUpdate.Format(time.RFC3339))
	case s.Pending > 0 && oldest.Valid && now.Sub(time.UnixMicro(oldest.Int64)) > period.AfterRevocation:
		s.Alarm = fmt.Sprintf("%d revocations of %s wait for a list, the first since %s; the limit is %s", s.Pending, s.Issuer, time.UnixMicro(oldest.Int64).UTC().Format(time.RFC3339), period.AfterRevocation)
	}
	return s, nil
}

// Due tells whether a new list is due at a time.
func (a *Authority) Due(ctx context.Context, now time.Time) (bool, error) {
	s, err := a.Standing(ctx, now)
	return err == nil && !s.DueAt.After(now), err
}
