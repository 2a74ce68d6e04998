package revocation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
)

// A CRLRecord is a published list.
type CRLRecord struct {
	Issuer      string // authority and generation
	Number      int64
	ThisUpdate  time.Time
	NextUpdate  time.Time
	Entries     int
	PublishedAt time.Time
	DER         []byte
}

// Current returns the newest published list of an authority, by name or name and
// generation. It is not to be changed. The error wraps [ca.ErrNotFound] if there is
// none yet.
//
// A long list is read from the database once, whoever published it, and not for each
// who asks.
func (r *Register) Current(ctx context.Context, issuer string) (*CRLRecord, error) {
	a, err := r.ca.Authority(issuer)
	if err == nil {
		issuer = a.ID()
	}
	k := r.keeps(issuer)
	if k != nil && k.record != nil {
		var newest int64
		err := r.store.Read(ctx, func(tx store.Tx) error {
			return tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM crl WHERE issuer = $1`, issuer).Scan(&newest)
		})
		if err != nil {
			return nil, fmt.Errorf("reading CRL of %s: %w", issuer, err)
		}
		if newest == k.number {
			return k.record, nil
		}
	}
	// One reader reads it for all.
	r.reading.Lock()
	defer r.reading.Unlock()
	if now := r.keeps(issuer); now != nil && now != k && now.record != nil {
		return now.record, nil
	}
	rec, err := r.one(ctx, `issuer = $1 ORDER BY number DESC LIMIT 1`, "CRL of "+issuer, issuer)
	if err == nil && rec.Entries >= longList {
		r.mu.Lock()
		defer r.mu.Unlock()
		// Without a shelf, which only making the next list needs.
		if now := r.kept[issuer]; now == nil || now.number < rec.Number {
			r.kept[issuer] = &kept{number: rec.Number, record: rec}
		}
	}
	return rec, err
}

func (r *Register) byNumber(ctx context.Context, issuer string, number int64) (*CRLRecord, error) {
	return r.one(ctx, `issuer = $1 AND number = $2`, fmt.Sprintf("CRL %d of %s", number, issuer), issuer, number)
}

func (r *Register) one(ctx context.Context, where, what string, args ...any) (*CRLRecord, error) {
	var recs []*CRLRecord
	err := r.store.Read(ctx, func(tx store.Tx) (err error) {
		recs, err = crls(ctx, tx, where, args...)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case len(recs) == 0:
		return nil, fmt.Errorf("%s: %w", what, ca.ErrNotFound)
	}
	return recs[0], nil
}

// CRLs returns every published list of every authority, oldest first, one at a
// time.
func (r *Register) CRLs(ctx context.Context) iter.Seq2[*CRLRecord, error] {
	return func(yield func(*CRLRecord, error) bool) {
		issuer, number := "", int64(0)
		for {
			rec, err := r.one(ctx, `(issuer, number) > ($1, $2) ORDER BY issuer, number LIMIT 1`, "CRLs", issuer, number)
			if errors.Is(err, ca.ErrNotFound) {
				return
			}
			if !yield(rec, err) || err != nil {
				return
			}
			issuer, number = rec.Issuer, rec.Number
		}
	}
}

func crls(ctx context.Context, tx store.Tx, where string, args ...any) ([]*CRLRecord, error) {
	rows, err := tx.Query(ctx, `SELECT issuer, number, this_update, next_update, entries, published_at, der FROM crl WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var recs []*CRLRecord
	for rows.Next() {
		var rec CRLRecord
		var this, next, published int64
		if err := rows.Scan(&rec.Issuer, &rec.Number, &this, &next, &rec.Entries, &published, &rec.DER); err != nil {
			return nil, err
		}
		rec.ThisUpdate, rec.NextUpdate = time.UnixMicro(this).UTC(), time.UnixMicro(next).UTC()
		rec.PublishedAt = time.UnixMicro(published).UTC()
		recs = append(recs, &rec)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, rec := range recs {
		if rec.DER, err = store.Joined(ctx, tx, rec.DER); err != nil {
			return nil, err
		}
	}
	return recs, nil
}
