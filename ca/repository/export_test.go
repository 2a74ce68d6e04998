package repository

import (
	"context"
	"fmt"

	"smki.example/ca/store"
	"smki.example/policy"
)

// ReadQuestion is readQuestion, as what it found.
func ReadQuestion(b []byte, root string, fields ...string) (field, value string, err error) {
	q, err := readQuestion(b, root, fields...)
	return q.field, q.value, err
}

// MaxQuestion is the longest document that is read.
const MaxQuestion = maxQuestion

// PlanOfFew is how SQLite looks for certificates of a profile, and PlanByEntity how
// it goes through them in the order of their entities.
func PlanOfFew(ctx context.Context, s *store.Store) (string, error) {
	return plan(ctx, s, `SELECT serial FROM certificate WHERE profile <> 'device' AND profile = $1 AND seq > $2 ORDER BY seq DESC LIMIT 1`, string(policy.ProfileRootOCA), int64(0))
}

func PlanByEntity(ctx context.Context, s *store.Store) (string, error) {
	return plan(ctx, s, `SELECT serial FROM certificate WHERE entity IS NOT NULL AND (entity, profile, seq) > ($1, $2, $3) ORDER BY entity, profile, seq LIMIT 1000`, []byte{1}, "device", int64(0))
}

func plan(ctx context.Context, s *store.Store, query string, args ...any) (text string, err error) {
	err = s.Read(ctx, func(tx store.Tx) error {
		rows, err := tx.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				return err
			}
			text += fmt.Sprintln(detail)
		}
		return rows.Err()
	})
	return text, err
}
