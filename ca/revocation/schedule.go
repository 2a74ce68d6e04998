package revocation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A Standing is how one authority's list stands at a time.
type Standing struct {
	Issuer     string    // authority and generation
	Number     int64     // of the current list; 0: there is none yet
	NextUpdate time.Time // end of the current list's validity
	// Pending counts revocations and written-off serials that the current list
	// lacks.
	Pending int64
	// DueAt is when a new list is due: at once if something is pending or there is
	// none, else when the environment's interval has passed.
	DueAt time.Time
	// Alarm says, in one line, that something is late: too little is left of the
	// list's validity, or a revocation has been waiting longer than the environment
	// allows. Empty: all is well.
	Alarm string
}

// Standings returns the standing of every authority that publishes a list and
// whose key this CA was opened with. A root that is kept offline is not among
// them: its list is a ceremony's business.
func (r *Register) Standings(ctx context.Context, now time.Time) ([]Standing, error) {
	var all []Standing
	for _, a := range r.ca.Authorities() {
		period, ok := r.env.CRL(a.Profile())
		if !ok || a.ValidAt(now) != nil {
			continue
		}
		s, err := r.standing(ctx, a, period, now)
		if err != nil {
			return nil, fmt.Errorf("looking at the list of %q: %w", a.ID(), err)
		}
		all = append(all, s)
	}
	return all, nil
}

// Due returns the standings of the lists that are due at a time. Publishing them,
// by [Register.PublishCRL], is for the caller, who knows whether it is the one
// process that should.
func (r *Register) Due(ctx context.Context, now time.Time) ([]Standing, error) {
	all, err := r.Standings(ctx, now)
	var due []Standing
	for _, s := range all {
		if !s.DueAt.After(now) {
			due = append(due, s)
		}
	}
	return due, err
}

func (r *Register) standing(ctx context.Context, a *ca.Authority, period policy.CRLPeriod, now time.Time) (Standing, error) {
	s := Standing{Issuer: a.ID(), DueAt: now}
	var this, next, begun, covers int64
	var oldest sql.NullInt64
	err := r.store.Read(ctx, func(tx store.Tx) error {
		all, err := covered(ctx, tx, a.ID())
		if err != nil {
			return err
		}
		s.Pending = all
		err = tx.QueryRow(ctx, `SELECT crl.number, this_update, next_update, covers, intent.created_at
			FROM crl JOIN intent ON intent.id = crl.intent WHERE crl.issuer = $1 ORDER BY crl.number DESC LIMIT 1`, a.ID()).
			Scan(&s.Number, &this, &next, &covers, &begun)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		s.Pending = all - covers
		return tx.QueryRow(ctx, `SELECT MIN(at) FROM (
			SELECT recorded_at AS at FROM revocation WHERE issuer = $1 AND on_crl AND recorded_at >= $2
			UNION ALL
			SELECT settled_at FROM intent WHERE issuer = $3 AND state = 'written-off' AND kind = 'certificate' AND settled_at >= $4) AS waiting`,
			a.ID(), begun, a.ID(), begun).Scan(&oldest)
	})
	if err != nil || s.Number == 0 {
		return s, err
	}
	s.NextUpdate = time.UnixMicro(next).UTC()
	if s.Pending == 0 {
		s.DueAt = time.UnixMicro(this).UTC().Add(period.Every)
	}
	threshold := r.alarm
	if threshold == 0 {
		threshold = (period.Valid - period.Every) / 2
	}
	switch left := s.NextUpdate.Sub(now); {
	case left <= 0:
		s.Alarm = fmt.Sprintf("list %d of %s lapsed on %s: relying parties have no valid list", s.Number, s.Issuer, s.NextUpdate.Format(time.RFC3339))
	case left < threshold:
		s.Alarm = fmt.Sprintf("list %d of %s lapses in %s, on %s, and no newer one was published", s.Number, s.Issuer, left.Truncate(time.Second), s.NextUpdate.Format(time.RFC3339))
	case s.Pending > 0 && oldest.Valid && now.Sub(time.UnixMicro(oldest.Int64)) > period.AfterRevocation:
		s.Alarm = fmt.Sprintf("%d revocations of %s wait for a list, the first since %s; the environment allows %s", s.Pending, s.Issuer, time.UnixMicro(oldest.Int64).UTC().Format(time.RFC3339), period.AfterRevocation)
	}
	return s, nil
}
