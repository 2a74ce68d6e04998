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
	var to, off, oldest sql.NullInt64
	err := r.store.Read(ctx, func(tx store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT crl.number, this_update, next_update, covers, to_revocation, written_off, intent.created_at
			FROM crl JOIN intent ON intent.id = crl.intent WHERE crl.issuer = $1 ORDER BY crl.number DESC LIMIT 1`, a.ID()).
			Scan(&s.Number, &this, &next, &covers, &to, &off, &begun)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if !to.Valid || !off.Valid { // there is none, or it is from before this was kept
			all, err := covered(ctx, tx, a.ID())
			if s.Pending = all - covers; err != nil || s.Number == 0 {
				return err
			}
			return oldestSince(ctx, tx, a.ID(), begun, &oldest)
		}
		// Only what is behind the list's position: a look every second must not cost more
		// with every revocation there ever was.
		return pendingBehind(ctx, tx, a.ID(), position{to.Int64, off.Int64}, &s.Pending, begun, &oldest)
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

// oldestSince finds when the first of what was recorded since a time was.
func oldestSince(ctx context.Context, tx store.Tx, issuer string, begun int64, oldest *sql.NullInt64) error {
	return tx.QueryRow(ctx, `SELECT MIN(at) FROM (
		SELECT recorded_at AS at FROM revocation WHERE issuer = $1 AND on_crl AND recorded_at >= $2
		UNION ALL
		SELECT settled_at FROM intent WHERE issuer = $3 AND state = 'written-off' AND kind = 'certificate' AND settled_at >= $4) AS waiting`,
		issuer, begun, issuer, begun).Scan(oldest)
}

// pendingBehind counts what was recorded behind a position, and finds when the first
// of it was.
func pendingBehind(ctx context.Context, tx store.Tx, issuer string, p position, pending *int64, begun int64, oldest *sql.NullInt64) error {
	var lost int64
	var lostAt sql.NullInt64
	err := tx.QueryRow(ctx, `SELECT COUNT(*), MIN(CASE WHEN settled_at >= $1 THEN settled_at END) FROM intent
		WHERE issuer = $2 AND state = 'written-off' AND kind = 'certificate'`, begun, issuer).Scan(&lost, &lostAt)
	if err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT COUNT(*), MIN(recorded_at) FROM revocation WHERE issuer = $1 AND on_crl AND seq > $2`, issuer, p.to).Scan(pending, oldest)
	if lost > p.off {
		*pending += lost - p.off
		if lostAt.Valid && (!oldest.Valid || lostAt.Int64 < oldest.Int64) {
			*oldest = lostAt
		}
	}
	return err
}
